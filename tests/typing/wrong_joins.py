"""Deliberate mistakes with joins: each marked line is rejected by all three type checkers, and no other line is."""

from __future__ import annotations

from amends import (
    Gathered,
    Ok,
    all_of,
    any_of,
    each,
    merges,
    quorum,
    race,
    saga,
    scatter,
    settle,
    sleep,
    step,
    vote,
    within,
)


@step(no_undo="it only asks")
async def price(sku: str) -> int:
    return len(sku)


@step(no_undo="it only asks")
async def name(number: int) -> str:
    return str(number)


@step(no_undo="it only adds up")
async def add(total: int, names: list[str]) -> int:
    return total + len(names)


@saga
async def parcel(sku: str) -> str:
    return sku


@parcel.undo  # wrong: the undo takes another type than the saga returns
async def recall(label: int) -> None: ...


async def plain(sku: str) -> int:
    return len(sku)


def longest(got: Gathered[str]) -> str:
    return max(got.answers.values(), key=len)


def plus(total: int, text: str) -> int:
    return total + len(text)


@saga
async def static(sku: str) -> str:
    await all_of(price(sku), "b")  # wrong: a branch is a call
    await all_of(price(sku), plain(sku))  # wrong: a coroutine is no call
    await all_of(price(sku), price)  # wrong: the step is not called
    await any_of([price(sku)])  # wrong: branches are arguments, not a list
    await all_of(price(sku), name(1), losers="lose")  # wrong: undo, keep or cancel
    swapped: tuple[str, int] = await all_of(price(sku), name(1))  # wrong: the other way round
    three: tuple[int, str, int] = await all_of(price(sku), name(1))  # wrong: there are two
    won: str = await any_of(price(sku), price("b"))  # wrong: it is an int
    first: str = await race(price(sku), price("b"))  # wrong: it is an int
    one, _ = await settle(price(sku), name(1))
    bad: Ok[str] = one  # wrong: it may have failed
    await quorum(price(sku), price("b"))  # wrong: how many are enough comes first
    two: list[int] = await quorum(2, price(sku), price("b"))  # wrong: it is a Joined
    await within("5", price(sku))  # wrong: seconds are a number
    await within(price(sku), price("b"))  # wrong: the time comes first
    texts: tuple[str, ...] = (await within(5, price(sku), price("b"))).ok  # wrong: they are ints
    await vote(price(sku), price("b"))  # wrong: how many must agree is not said
    await vote(price(sku), price("b"), agree=2, key=str.lower)  # wrong: the key is of an int
    agreed: int = await vote(price(sku), price("b"), agree=2)  # wrong: it is an Agreement
    pause: int = await any_of(sleep(1))  # wrong: a pause gives None
    return str((swapped, three, won, first, bad, two, texts, agreed, pause))


@saga
async def dynamic(skus: list[str]) -> str:
    await each(price, skus)  # wrong: there is no default limit
    await each(price, [1, 2], limit=1)  # wrong: the items are strs
    await each(plain, skus, limit=1)  # wrong: a step or a saga
    await each(price("a"), skus, limit=1)  # wrong: the step itself, not a call
    await each(add, skus, limit=1)  # wrong: one argument, the item
    await each(price, skus, limit="8")  # wrong: a number
    await each(price, skus, limit=1, item_key=len)  # wrong: a key is a str
    done = await each(price, skus, limit=1)
    words: tuple[str, ...] = done.ok  # wrong: they are ints
    values: list[int] = done.values  # wrong: it is a method
    number: int = done  # wrong: it is a Partial
    done.counts()  # wrong: it is no method
    attempts: str = done.failed[0].attempts  # wrong: attempts are counted
    await each(price, skus, limit=1).reduce(plus, 0)  # wrong: the values are ints
    await each(price, skus, limit=1).reduce(add, 0)  # wrong: the values are ints
    total: str = await each(name, [1], limit=1).reduce(plus, 0)  # wrong: the sum is an int
    await each(name, [1], limit=1).reduce(plus)  # wrong: there is no value to begin with
    async for found in each(price, skus, limit=1):
        words = (found,)  # wrong: they are ints
    return str((words, values, number, attempts, total))


@saga
async def gathering(sku: str) -> str:
    await scatter([price, parcel], 1)  # wrong: the request is a str
    await scatter([price(sku)], sku)  # wrong: agents are not called
    await scatter([price])  # wrong: there is no request
    await scatter({1: price}, sku)  # wrong: names are strs
    texts: Gathered[str] = await scatter([price], sku)  # wrong: the answers are ints
    late: list[str] = (await scatter([price], sku)).late  # wrong: it is a tuple
    await scatter([price], sku).merge(longest)  # wrong: the answers are ints
    await scatter([price], sku).merge(merges.union(str.lower))  # wrong: the answers are no lists
    best: int = await scatter([parcel], sku).merge(longest)  # wrong: it is a str
    return str((texts, late, best))


@saga
async def nesting(sku: str) -> str:
    await parcel(1)  # wrong: the sku is a str
    label: int = await parcel(sku)  # wrong: it returns a str
    await parcel.using(detached=False)(sku)  # wrong: a run of its own, or the call itself
    await parcel.using(detached=True)(1)  # wrong: the sku is a str
    return str(label)
