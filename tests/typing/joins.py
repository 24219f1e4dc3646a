"""Joins, fan-out, scatter-gather and nested sagas as a user writes them: three type checkers accept this file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, assert_type

from amends import (
    Agreement,
    Ask,
    Call,
    Compensated,
    Failed,
    Gathered,
    Joined,
    JoinFailed,
    Ok,
    Partial,
    StepFailed,
    all_of,
    any_of,
    each,
    merges,
    quorum,
    race,
    receive,
    saga,
    scatter,
    settle,
    sleep,
    step,
    vote,
    within,
)
from amends.errors import AllFailed, BranchesFailed, NoAgreement, QuorumImpossible, TooFewInTime, TooManyFailures


@dataclass(frozen=True)
class Price:
    cents: int


@step(no_undo="it only asks")
async def price(sku: str) -> Price:
    return Price(len(sku))


@step(no_undo="it only asks")
async def stock(sku: str) -> int:
    return len(sku)


@step(no_undo="it only asks")
def weight(sku: str) -> float:
    return 0.5


@step(no_undo="it only asks")
async def look(sku: str) -> list[str]:
    return [sku]


@step(no_undo="it only adds up")
async def add(total: int, counts: list[int]) -> int:
    return total + sum(counts)


def plus(total: int, price: Price) -> int:
    return total + price.cents


@saga
async def parcel(sku: str) -> str:
    await stock(sku)
    return sku


@parcel.undo
async def recall(label: str) -> None: ...


def cheapest(*prices: Ask[Price]) -> Ask[Price]:
    return any_of(*prices, losers="keep")


@saga
async def static(sku: str) -> Price:
    assert_type(await all_of(price(sku), stock(sku)), tuple[Price, int])
    both, label, _, said = await all_of(all_of(price(sku), stock(sku)), parcel(sku), sleep(1), receive(str, timeout=1))
    assert_type(both, tuple[Price, int])
    assert_type(label, str)
    assert_type(said, str)
    first, second = await settle(price(sku), stock(sku))
    assert_type(first, Ok[Price] | Failed)
    assert_type(second, Ok[int] | Failed)
    if isinstance(first, Ok):
        assert_type(first.value, Price)
    else:
        assert_type(first.error, Exception)
    calls: list[Call[Price]] = [price(name) for name in "abcdefg"]
    assert_type(await all_of(*calls), tuple[Price, ...])
    assert_type(await settle(*calls), tuple[Ok[Price] | Failed, ...])
    assert_type(await any_of(*calls), Price)
    assert_type(await race(price(sku), price("b"), losers="cancel"), Price)
    two = await quorum(2, *calls)
    assert_type(two, Joined[Price])
    assert_type(two.ok, tuple[Price, ...])
    assert_type(two.failed, tuple[Failed, ...])
    assert_type(two.lost, tuple[int, ...])
    assert_type(two.arrival, tuple[int, ...])
    assert_type(two.values(), tuple[Price, ...])
    assert_type(await within(timedelta(seconds=5), *calls, at_least=0), Joined[Price])
    assert_type((await within(5, quorum(2, *calls))).ok, tuple[Joined[Price], ...])
    agreed = await vote(*calls, agree=4, key=lambda price: price.cents)
    assert_type(agreed, Agreement[Price])
    assert_type(agreed.value, Price)
    assert_type(agreed.support, int)
    assert_type(agreed.dissent, tuple[Price, ...])
    assert_type(agreed.votes, Joined[Price])
    return await cheapest(*calls)


@saga
async def failing(sku: str) -> str:
    try:
        await all_of(price(sku), stock(sku))
    except BranchesFailed as failed:
        return failed.message
    try:
        await any_of(price(sku), price("b"))
    except (AllFailed, QuorumImpossible, TooFewInTime, NoAgreement, TooManyFailures) as failed:
        return str(failed.exceptions[0])
    try:
        await parcel(sku)
    except* StepFailed as group:
        assert_type(group, ExceptionGroup[StepFailed])
    except* Compensated:
        pass
    try:
        await static(sku)
    except JoinFailed as failed:
        print(failed.partial)
    return ""


def pages() -> Iterator[list[str]]:
    yield ["a", "b"]


async def names() -> AsyncIterator[str]:
    for number in range(await stock("a")):
        yield str(number)


@saga
async def dynamic(skus: list[str]) -> int:
    done = await each(price, skus, limit=8, tolerate=0.05, item_key=str.lower, losers="keep")
    assert_type(done, Partial[Price])
    assert_type(done.ok, tuple[Price, ...])
    assert_type(done.values(), tuple[Price, ...])
    assert_type(done.done, int)
    for failed in done.failed:
        assert_type(failed.error, StepFailed)
        assert_type(failed.attempts, int)
        print(failed.item)
    print(done.not_started, done.lost)
    assert_type(done.counts.not_started, int)
    assert_type(await done.redrive(), Partial[Price])
    assert_type((await each(parcel, pages, limit=2)).ok, tuple[str, ...])
    assert_type(await each(stock, skus, limit=2).reduce(add, 0), int)
    assert_type(await each(price, names(), limit=2).reduce(plus, 0), int)
    async for found in each(price, (name for name in skus), limit=1):
        assert_type(found, Price)
    one, many = await all_of(price("a"), each(stock, skus, limit=2))
    assert_type(one, Price)
    assert_type(many, Partial[int])
    return len(done.ok)


def dearest(got: Gathered[Price]) -> Price:
    return max(got.answers.values(), key=lambda price: price.cents)


@saga
async def gathering(sku: str) -> Price:
    got = await scatter([price], sku, within=5, at_least=1, limit=1)
    assert_type(got, Gathered[Price])
    assert_type(got.answers, Mapping[str, Price])
    assert_type(got.failed, Mapping[str, Exception])
    assert_type(got.late, tuple[str, ...])
    assert_type(await scatter({"a": look, "b": look}, sku).merge(merges.union(str.lower)), list[merges.Found[str]])
    assert_type(await scatter([look], sku).merge(merges.ranked(str.lower, constant=10)), list[merges.Ranked[str]])
    assert_type((await scatter({"a": parcel}, sku)).answers, Mapping[str, str])
    return await scatter([price], sku).merge(dearest)


@saga
async def nesting(sku: str) -> str:
    try:
        label = await parcel(sku)
        assert_type(label, str)
        assert_type(await parcel.using(detached=True)(sku), str)
    except Compensated as gone:
        assert_type(gone.run_id, str)
        return str(gone.cause)
    first: tuple[str, Price] = await all_of(parcel(sku), static(sku))
    return first[0]


calls: list[Ask[Any]] = [price("a"), sleep(1), receive(int), all_of(price("a")), each(price, ["a"], limit=1)]
