"""Sagas of our own with joins, each in a scenario that the fault explorer plays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amends import (
    Ok,
    Retry,
    StepFailed,
    all_of,
    any_of,
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
from amends.merges import first
from amends.testing import Ending, Scenario, World, always, when_compensated, when_completed
from tests.testing.own_sagas import Approval

world = World()
left = world.service("left")
right = world.service("right")
third = world.service("third", cancels_by_key=False)
paper = world.service("paper")
slow = world.service("slow", slow=30.0)

ONCE = Retry(attempts=1)
TWICE = Retry(attempts=2, first=1.0, jitter=0.0, on=Exception)


# ── steps ────────────────────────────────────────────────────────────────────────────────────────


@step(retry=ONCE)
async def go_left(what: str) -> str:
    return str(await left.do(what))


@go_left.undo(retry=TWICE)
async def back_left(done: str | None) -> None:
    await left.undo(done)


@step(retry=ONCE)
async def go_right(what: str) -> str:
    return str(await right.do(what))


@go_right.undo(retry=TWICE)
async def back_right(done: str | None) -> None:
    await right.undo(done)


@step(retry=ONCE)
async def go_third(what: str) -> str:
    return str(await third.do(what))


@go_third.undo(retry=TWICE)
async def back_third(done: str) -> None:
    await third.undo(done)


@step(retry=ONCE)
async def stroll(what: str) -> str:
    return str(await slow.do(what))


@stroll.undo(retry=TWICE)
async def stroll_back(done: str | None) -> None:
    await slow.undo(done)


@step(retry=ONCE)
async def say(word: str) -> str:
    return str(await left.do(word, word))


@say.undo(retry=TWICE)
async def unsay(word: str | None) -> None:
    await left.undo()


# ── joins ────────────────────────────────────────────────────────────────────────────────────────


@saga
async def both() -> list[str]:
    before = await go_left("before")
    return [before, *await all_of(go_left("a"), go_right("b"))]


@saga
async def both_then_fails() -> None:
    await go_left("before")
    await all_of(go_left("a"), go_right("b"))
    raise ValueError("after all")


@saga
async def both_in_any_case() -> list[bool]:
    return [isinstance(end, Ok) for end in await settle(go_left("a"), go_third("b"))]


@saga
async def either() -> str:
    return await any_of(go_left("a"), go_right("b"))


@saga
async def either_is_kept() -> str:
    return await any_of(go_left("a"), go_right("b"), losers="keep")


@saga
async def either_is_kept_then_fails() -> str:
    await any_of(go_left("a"), go_right("b"), losers="keep")
    await go_left("c")
    raise ValueError("after all")


@saga
async def either_is_cancelled() -> str:
    return await any_of(go_left("a"), stroll("b"), losers="cancel")


@saga
async def either_then_fails() -> str:
    await any_of(go_left("a"), stroll("b"))
    await go_right("c")
    raise ValueError("after all")


@saga
async def fastest() -> str:
    try:
        return await race(go_left("a"), go_right("b"))
    except StepFailed:
        return "failed"


@saga
async def two_of_three() -> list[str]:
    return list((await quorum(2, go_left("a"), go_right("b"), go_third("c"))).ok)


@saga
async def in_time() -> list[str]:
    return list((await within(10, go_left("a"), stroll("b"), at_least=0)).ok)


@saga
async def in_time_or_not_at_all() -> list[str]:
    return list((await within(10, go_left("a"), stroll("b"), at_least=2)).ok)


@saga
async def agree() -> str:
    agreement = await vote(say("yes"), say("YES"), go_right("no"), agree=2, key=str.lower)
    return f"{agreement.value} {agreement.support}"


@saga
async def ask_both() -> str:
    found = await scatter({"l": go_left, "r": go_right}, "q", within=10).merge(first("r", "l"))
    return found.value


@saga
async def joins_in_joins() -> list[str]:
    return list(await any_of(all_of(go_left("a"), go_right("b")), all_of(go_left("c"), go_third("d"))))


@saga
async def strict_around_mild() -> str:
    return await any_of(go_left("a"), any_of(go_right("b"), stroll("c"), losers="keep"))


@saga
async def until_told() -> str:
    said = await any_of(receive(Approval), sleep(5), losers="undo")
    return await go_left("told" if said else "not told")


@saga
async def told_or_strolls() -> str:
    await any_of(receive(Approval), stroll("a"))
    return await go_left("b")


@saga
async def before_the_bell() -> bool:
    won = await any_of(stroll("a"), sleep(5))
    return won is None


# ── what is expected of them ─────────────────────────────────────────────────────────────────────


def standing(number: int) -> Any:
    """So many effects stand."""

    def so_many_stand(ending: Ending) -> None:
        assert len(ending.standing()) == number, f"{len(ending.standing())} effects stand, not {number}"

    return so_many_stand


def nothing(ending: Ending) -> None:
    assert ending.standing() == []


def at_most_one(ending: Ending) -> None:
    assert len(ending.standing()) <= 1


CLEAN = when_compensated(nothing)


def scenario(call: Any, stands: int | None = None, *more: Any, **options: Any) -> Scenario:
    expect = (CLEAN, *more, *(() if stands is None else (when_completed(standing(stands)),)))
    return Scenario(call, world, expect=expect, **options)


SCENARIOS = {
    "both": scenario(both(), 3),
    "both, then fails": scenario(both_then_fails()),
    "both in any case": scenario(both_in_any_case()),
    "either": scenario(either(), 1),
    "either is kept": scenario(either_is_kept()),
    "either is kept, then fails": scenario(either_is_kept_then_fails()),
    "either is cancelled": replace(scenario(either_is_cancelled()), expect=()),
    "either, then fails": scenario(either_then_fails()),
    "fastest": scenario(fastest()),
    "two of three": scenario(two_of_three(), 2),
    "in time": scenario(in_time()),
    "in time or not at all": scenario(in_time_or_not_at_all()),
    "agree": scenario(agree(), 2),
    "ask both": scenario(ask_both()),
    "joins in joins": scenario(joins_in_joins(), 2),
    "strict around mild": scenario(strict_around_mild()),
    "until told": scenario(until_told(), 1, tell=(Approval(ok=True),)),
    "told or strolls": scenario(told_or_strolls(), tell=(Approval(ok=True),)),
    "before the bell": scenario(before_the_bell(), None, always(at_most_one)),
}

NEVER_COMPLETE = {"both, then fails", "either is kept, then fails", "either, then fails"}
