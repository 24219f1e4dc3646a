"""Sagas of our own with nested runs and fan-out, each in a scenario that the fault explorer plays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amends import Compensated, all_of, any_of, each, saga, step
from amends.model.records import Held
from amends.testing import Ending, Scenario, when_compensated
from tests.testing import own_joins as joins
from tests.testing.own_joins import ONCE, TWICE, go_left, go_right, go_third, paper, stroll
from tests.testing.own_sagas import acting


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


# ── what is expected of them ─────────────────────────────────────────────────────────────────────


def an_apology_is_made(ending: Ending) -> None:
    had_its_value = any(isinstance(record, Held) for record in ending.accounts["explored//1"].records)
    assert bool(ending.standing("paper")) or not had_its_value


NESTED = (pair, trip, noted, deep, sends_for_good)


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
    "each": scenario(each_step(["a", "b", "c"]), 3),
    "each of equals": scenario(each_step(["a", "a"]), 2),
    "each, tolerant": scenario(each_tolerant(["a", "b", "c"])),
    "each, again": scenario(each_again(["a", "b"]), 2),
    "each pair": scenario(each_pair(["a", "b"]), 4),
    "each, then fails": scenario(each_then_fails(["a", "b", "c"])),
}

NEVER_COMPLETE = {
    "fails around",
    "undoes by its own undo",
    "sends in a nested run",
    "sends in a nested run, abandoned",
    "sends in a nested run, resolved",
    "each, then fails",
}
