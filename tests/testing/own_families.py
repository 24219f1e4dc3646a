"""Sagas of our own with nested runs and fan-out, each in a scenario that the fault explorer plays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amends import Compensated, JoinFailed, Retry, all_of, any_of, each, saga, sleep, step, within
from amends.model.records import ChildDone, RollbackBegan
from amends.testing import Ending, Scenario, when_compensated, when_completed
from tests.testing import own_joins as joins
from tests.testing.own_joins import ONCE, TWICE, go_left, go_right, go_third, paper, slow, stroll
from tests.testing.own_sagas import acting


@step(timeout=5, retry=Retry(attempts=2, first=0.1))
async def stroll_twice(what: str) -> str:
    return str(await slow.do(what))


@stroll_twice.undo(retry=TWICE)
async def stroll_twice_back(done: str | None) -> None:
    await slow.undo(done)


@stroll_twice.check
async def strolled(what: str) -> str | None:
    found: str | None = await slow.check()
    return found


@step(on_rollback="keep", retry=ONCE)
async def write_down(what: str) -> str:
    return str(await paper.do(what))


# ── nested runs ──────────────────────────────────────────────────────────────────────────────────


@saga
async def pair(what: str) -> str:
    return await go_left(f"{what}1") + await go_right(f"{what}2")


@saga
async def catches() -> str:
    try:
        return await pair("x")
    except Compensated:
        return await go_left("instead")


@saga
async def fails_around() -> None:
    await go_left("before")
    await pair("x")
    await go_right("after")
    raise ValueError("after all")


@saga
async def trip(what: str) -> str:
    return await go_left(f"{what}1") + await go_right(f"{what}2")


@trip.undo(retry=TWICE)
async def trip_back(done: str | None) -> None:
    await paper.do("apology")


@saga
async def undoes_by_own_undo() -> None:
    await trip("x")
    raise ValueError("after all")


@saga
async def noted(what: str) -> str:
    await write_down(what)
    await any_of(go_left("a"), stroll("b"), losers="cancel")
    return await go_right(what)


@saga
async def sends_for_good(what: str) -> None:
    await go_third(what)
    raise ValueError("after all")


@saga
async def nests_what_is_sent() -> None:
    await go_left("before")
    await sends_for_good("x")


@saga
async def nests_what_stays() -> str:
    return await noted("x")


@saga
async def deep(what: str) -> str:
    return await pair(what) + await go_left("deep")


@saga
async def nests_in_nested() -> str:
    return await deep("x")


@saga
async def two_pairs() -> list[str]:
    return list(await all_of(pair("a"), pair("b")))


@saga
async def either_pair() -> str:
    return await any_of(pair("a"), pair("b"))


@saga
async def pair_or_bell() -> str | None:
    return await any_of(pair("a"), sleep(0.015))


@saga
async def pair_in_time() -> int:
    return len((await within(0.02, pair("a"), pair("b"), at_least=0)).ok)


@saga
async def pair_is_cancelled() -> str:
    return await any_of(pair("a"), go_left("b"), losers="cancel")


@saga
async def pair_is_kept_then_fails() -> None:
    await any_of(pair("a"), go_left("b"), losers="keep")
    await go_third("c")
    raise ValueError("after all")


@saga(deadline=60)
async def hurried_pair(what: str) -> str:
    return await go_left(f"{what}1") + await go_right(f"{what}2")


@saga(deadline=100)
async def hurries_around() -> str:
    await go_left("before")
    try:
        return await hurried_pair("x")
    except Compensated:
        return await go_left("instead")


@saga
async def doubtful(what: str) -> str:
    return await stroll_twice(what) + await go_left(what)


@saga
async def nests_doubt() -> str:
    await go_left("before")
    return await any_of(doubtful("a"), sleep(40)) or "none"


# ── fan-out ──────────────────────────────────────────────────────────────────────────────────────


@saga
async def each_step(items: list[str]) -> list[str]:
    return list((await each(go_left, items, limit=2)).ok)


@saga
async def each_tolerant(items: list[str]) -> int:
    partial = await each(go_left, items, limit=3, tolerate=1)
    return len(partial.ok) + len(partial.failed)


@saga
async def each_again(items: list[str]) -> list[str]:
    partial = await each(go_left, items, limit=2, tolerate=1)
    again = (await partial.redrive()).ok if partial.failed else ()
    return [*partial.ok, *again]


@saga
async def each_pair(items: list[str]) -> list[str]:
    return list((await each(pair, items, limit=2)).ok)


@saga
async def each_then_fails(items: list[str]) -> None:
    await go_right("before")
    await each(go_left, items, limit=2)
    raise ValueError("after all")


@saga
async def each_kept(items: list[str]) -> int:
    try:
        return len((await each(go_third, items, limit=2, losers="keep")).ok)
    except JoinFailed as failed:
        return len(failed.partial.ok)


@saga
async def each_pair_but_one(items: list[str]) -> int:
    partial = await each(pair, items, limit=2, tolerate=1)
    await go_right("after")
    return partial.done


@saga
async def each_in_each(items: list[str]) -> int:
    return (await each(each_step, [[item, item] for item in items], limit=2)).done


# ── what is expected of them ─────────────────────────────────────────────────────────────────────


def an_apology_is_made(ending: Ending) -> None:
    """If the run knew the value of what is nested in it when it turned back."""
    kinds = [type(record) for record in ending.accounts["explored"].records]
    knew = ChildDone in kinds and kinds.index(ChildDone) < kinds.index(RollbackBegan)
    assert bool(ending.standing("paper")) or not knew


def what_is_returned_stands(ending: Ending) -> None:
    assert len(ending.standing()) == len(ending.value)


NESTED = (pair, trip, noted, deep, sends_for_good, hurried_pair, doubtful, each_step)


def scenario(call: Any, stands: int | None = None, **options: Any) -> Scenario:
    return replace(joins.scenario(call, stands, **options), sagas=NESTED)


SCENARIOS = {
    "catches": scenario(catches()),
    "fails around": scenario(fails_around()),
    "undoes by its own undo": replace(scenario(undoes_by_own_undo()), expect=(when_compensated(an_apology_is_made),)),
    "two pairs": scenario(two_pairs(), 4),
    "either pair": scenario(either_pair(), 2),
    "nests in nested": scenario(nests_in_nested(), 3),
    "nests what stays": replace(scenario(nests_what_stays()), expect=()),
    "sends in a nested run": replace(scenario(nests_what_is_sent()), expect=()),
    "sends in a nested run, abandoned": replace(scenario(nests_what_is_sent()), expect=(), operator=acting("abandon")),
    "sends in a nested run, resolved": replace(scenario(nests_what_is_sent()), expect=(), operator=acting("resolve")),
    "pair or bell": scenario(pair_or_bell()),
    "pair in time": scenario(pair_in_time()),
    "pair is cancelled": scenario(pair_is_cancelled()),
    "pair is kept, then fails": scenario(pair_is_kept_then_fails()),
    "hurries around": scenario(hurries_around()),
    "nests doubt": scenario(nests_doubt()),
    "two pairs, two workers": scenario(two_pairs(), 4, workers=2),
    "each, kept": replace(scenario(each_kept(["a", "b", "c"])), expect=()),
    "each pair but one": scenario(each_pair_but_one(["a", "b"])),
    "each in each": scenario(each_in_each(["a", "b"]), 4),
    "each": scenario(each_step(["a", "b", "c"]), 3),
    "each of equals": scenario(each_step(["a", "a"]), 2),
    "each, tolerant": scenario(each_tolerant(["a", "b", "c"])),
    "each, again": replace(scenario(each_again(["a", "b"])), expect=(when_completed(what_is_returned_stands),)),
    "each pair": scenario(each_pair(["a", "b"]), 4),
    "each, then fails": scenario(each_then_fails(["a", "b", "c"])),
}

NEVER_COMPLETE = {
    "fails around",
    "pair is kept, then fails",
    "undoes by its own undo",
    "sends in a nested run",
    "sends in a nested run, abandoned",
    "sends in a nested run, resolved",
    "each, then fails",
}
