"""Sagas with joins: what the tests of the machine and of the engine run."""

from __future__ import annotations

from typing import Any

from amends import (
    Compensated,
    Failed,
    Joined,
    JoinFailed,
    Ok,
    StepFailed,
    all_of,
    any_of,
    quorum,
    race,
    receive,
    settle,
    sleep,
    step,
    vote,
    within,
)
from amends import saga as saga_
from amends.errors import NotStorable
from amends.model.join import Losers
from tests.model import shop


@step(no_undo="it only asks")
async def ask(name: str) -> str:
    return name


@step
async def send(text: str) -> str:
    return text


@saga_
async def pair() -> list[str]:
    await shop.reserve("before", 1)
    both = await all_of(shop.book("a"), shop.book("b"))
    await shop.reserve("after", 1)
    return list(both)


@saga_
async def pair_then_stop() -> None:
    await shop.reserve("before", 1)
    await all_of(shop.book("a"), shop.book("b"))
    raise ValueError("after all")


@saga_
async def settles() -> list[str]:
    first, second = await settle(shop.book("a"), ask("b"))
    assert isinstance(first, Failed) and isinstance(first.error, StepFailed)
    assert isinstance(second, Ok)
    return [first.error.error_type, second.value]


@saga_
async def redundant() -> str:
    await shop.reserve("before", 1)
    return await any_of(shop.book("a"), shop.book("b"))


@saga_(deadline=60)
async def redundant_in_time() -> str:
    return await any_of(shop.book("a"), shop.book("b"))


@saga_
async def redundant_kept() -> str:
    return await any_of(shop.book("a"), shop.book("b"), losers="keep")


@saga_
async def redundant_cancelled(stop: bool) -> str:
    found = await any_of(shop.book("a"), shop.wire(1), losers="cancel")
    if stop:
        raise ValueError("after all")
    return found


@saga_
async def wires_with_strict_undo() -> str:
    return await any_of(shop.reserve("a", 1), shop.reserve("b", 1))


@saga_
async def redundant_then_stop() -> str:
    await any_of(shop.book("a"), shop.book("b"))
    raise ValueError("after all")


@saga_
async def fastest() -> str:
    try:
        return await race(shop.book("a"), shop.book("b"))
    except StepFailed as failed:
        return failed.error_type


def joined(found: Joined[Any]) -> list[Any]:
    """A `Joined` as plain data."""
    ends = [end.value if isinstance(end, Ok) else None if end is None else "failed" for end in found.ends]
    return [ends, list(found.ok), len(found.failed), list(found.lost), list(found.arrival)]


@saga_
async def two_of_three() -> list[Any]:
    try:
        return joined(await quorum(2, shop.book("a"), shop.book("b"), shop.book("c")))
    except JoinFailed as failed:
        return [type(failed).__name__, len(failed.exceptions), *joined(failed.partial)]


@saga_
async def two_in_time(at_least: int) -> list[Any]:
    try:
        return joined(await within(10, shop.book("a"), shop.book("b"), at_least=at_least))
    except JoinFailed as failed:
        return [type(failed).__name__, len(failed.exceptions), *joined(failed.partial)]


@saga_
async def votes(agree: int) -> list[Any]:
    try:
        found = await vote(*(ask(str(number)) for number in range(5)), agree=agree, key=str.lower)
    except JoinFailed as failed:
        return [type(failed).__name__, *joined(failed.partial)]
    return [found.value, found.support, list(found.dissent), *joined(found.votes)]


@saga_
async def ballot() -> str:
    return (await vote(shop.book("a"), shop.book("b"), shop.book("c"), agree=2)).value


@saga_
async def broken_key() -> list[str]:
    def kind(value: str) -> str:
        raise KeyError(value)

    seen: list[str] = []
    try:
        await vote(ask("a"), agree=1, key=kind)
    except* KeyError as group:
        seen = [type(group).__name__, repr(group.exceptions[0])]
    return seen


@saga_
async def told_or_late() -> str:
    found = await any_of(receive(str), sleep(5))
    return found or "late"


@saga_
async def two_ears() -> list[str]:
    first, second = await all_of(receive(str), receive(str))
    return [first, second]


@saga_
async def lost_ear() -> str:
    await any_of(receive(str), ask("a"))
    return await receive(str)


@saga_
async def word_in_time() -> list[str]:
    try:
        return [await any_of(receive(str, timeout=5), ask("a"))]
    except JoinFailed as failed:
        return [type(error).__name__ for error in failed.exceptions]


@saga_
async def booking_or_word() -> str:
    await sleep(1)
    return await any_of(shop.book("a"), receive(str))


@saga_
async def nested() -> list[str]:
    await shop.reserve("before", 1)
    found = await within(30, all_of(shop.book("a"), any_of(shop.book("b"), shop.book("c"))), shop.book("d"), at_least=2)
    return [str(found.ok)]


@saga_
async def mild_around_strict() -> str:
    try:
        await quorum(2, any_of(shop.book("a"), shop.book("b")), ask("c"), ask("d"), losers="keep")
    except JoinFailed:
        return "impossible"
    return "possible"


@saga_
async def strict_around_mild() -> str:
    return str(await any_of(all_of(shop.book("a"), shop.book("b"), losers="keep"), ask("c"), losers="undo"))


@saga_
async def unstorable() -> str:
    try:
        await all_of(shop.book("a"), shop.book("b"), shop.book(object()))  # type: ignore[arg-type]
    except TypeError:
        return await ask("type")
    except Exception as refused:  # whatever it is, its name is what the test wants
        return await ask(type(refused).__name__)
    return ""


@saga_
async def twice() -> list[str]:
    call = shop.book("a")
    return list(await all_of(call, call))


@saga_
async def forgotten() -> None:
    all_of(shop.book("forgotten"), ask("b"))


@saga_
async def groups() -> list[str]:
    seen: list[str] = []
    try:
        await all_of(shop.book("a"), ask("b"))
    except* StepFailed as group:
        inner = group.exceptions[0]
        assert isinstance(group, JoinFailed) and isinstance(inner, StepFailed)
        seen = [type(group).__name__, inner.step, str(group.partial.failed[0].error is inner)]
    return seen


rule = {"need": 1}


@saga_
async def changing() -> list[str]:
    return list((await quorum(rule["need"], ask("a"), ask("b"), ask("c"))).ok)


@saga_
async def naps(count: int) -> int:
    return len(await all_of(*(sleep(0.001) for _ in range(count))))


@saga_
async def asks(count: int) -> int:
    return len(await all_of(*(ask(str(number)) for number in range(count))))


@saga_
async def books(count: int) -> int:
    return len(await all_of(*(shop.book(str(number)) for number in range(count))))


@saga_
async def one_of(count: int) -> str:
    return await any_of(*(shop.book(str(number)) for number in range(count)))


@saga_
async def one_of_strict(count: int) -> str:
    return await any_of(*(shop.reserve("a", number) for number in range(count)))


@saga_
async def ears(count: int) -> int:
    return len(await all_of(*(receive(str) for _ in range(count))))


@saga_
async def leg(name: str) -> str:
    return await shop.book(f"{name}1") + await shop.book(f"{name}2")


@saga_
async def legs_then_stop(count: int) -> None:
    await all_of(*(leg(str(number)) for number in range(count)))
    raise ValueError("after all")


@saga_
async def leg_between() -> str:
    await shop.reserve("before", 1)
    found = await leg("a")
    await shop.reserve("after", 1)
    raise ValueError(found)


@saga_
async def leg_and_step() -> list[str]:
    return list(await all_of(leg("a"), shop.book("b")))


@saga_(deadline=60)
async def leg_in_time() -> str:
    return await leg("a")


@saga_
async def package(name: str) -> str:
    return await shop.book(name)


@package.undo
async def send_back(package: str) -> None: ...


@saga_
async def package_then_step() -> None:
    await package("p")
    await shop.book("b")


@saga_
async def any_leg() -> list[str]:
    try:
        return [await any_of(leg("a"), leg("b"))]
    except JoinFailed as failed:
        errors = [error for error in failed.exceptions if isinstance(error, Compensated)]
        return [f"Compensated {error.run_id} kept {len(error.kept)}" for error in errors]


@saga_
async def any_leg_losers(losers: Losers) -> str:
    return await any_of(leg("a"), leg("b"), losers=losers)


@saga_
async def any_leg_then_step() -> None:
    await any_of(leg("a"), leg("b"), losers="cancel")
    await shop.book("c")


@saga_
async def sends_off() -> list[str]:
    await shop.reserve("before", 1)
    run_id = await leg.using(detached=True)("a")
    return [run_id, await shop.book("b")]


@saga_
async def sends_off_at_once() -> list[str]:
    return list(await all_of(leg.using(detached=True)("a"), leg.using(detached=True)("b")))


@saga_
async def first_off(losers: Losers) -> str:
    return await any_of(shop.book("a"), shop.book("b"), all_of(leg.using(detached=True)("c"), shop.book("d")), losers=losers)  # type: ignore[arg-type]


@saga_
async def sends_off_badly() -> str:
    try:
        return await leg.using(detached=True)(object())  # type: ignore[arg-type]
    except NotStorable as refused:
        return str(refused.path)


@saga_
async def legs_and_joins() -> str:
    await shop.reserve("before", 1)
    found = await any_of(all_of(leg("a"), shop.book("b")), quorum(1, leg("c"), package("d"), losers="keep"), leg("e"))
    await shop.book("f")
    return str(found)


NESTED = [leg, package]
"""The sagas that are nested in others."""
