"""Scatter-gather: who is asked, who answered, who failed, who was too late, and what is made of it."""

from __future__ import annotations

from typing import Any

import pytest

from amends import DefinitionError, Ok, merges, saga, scatter, step
from amends.errors import JoinFailed, QuorumImpossible, TooFewInTime
from amends.model import records as r
from amends.model.gather import Gathered
from amends.model.split import all_of
from tests.model import shop
from tests.model.worlds import World


@step(no_undo="it only searches")
async def books(words: str) -> list[str]:
    return []


@step(no_undo="it only searches")
async def papers(words: str) -> list[str]:
    return []


@step(no_undo="it only searches")
async def web(words: str) -> list[str]:
    return []


@step
async def order_copy(words: str) -> list[str]:
    return []


@saga
async def search(least: int) -> Any:
    got = await scatter([books, papers, web], "sagas", within=10, at_least=least)
    return {"answers": dict(got.answers), "failed": {n: str(e) for n, e in got.failed.items()}, "late": list(got.late)}


@saga
async def search_all() -> list[str]:
    try:
        return list((await scatter({"a": books, "b": books}, "sagas", at_least=2)).answers)
    except QuorumImpossible as error:
        return [type(each).__name__ for each in error.exceptions]


@saga
async def search_merged() -> list[str]:
    found = await scatter([books, papers], "sagas").merge(merges.union())
    return [each.value for each in found]


@saga
async def search_beside() -> list[str]:
    found, more = await all_of(scatter([books], "x").merge(merges.first()), papers("y"))
    return [*found.value, *more]


@saga
async def search_badly() -> str:
    try:
        await scatter([books], "sagas").merge(lambda gathered: gathered.answers["nobody"])
    except KeyError as error:
        return str(error)
    return ""


@saga
async def search_two_at_once() -> int:
    return len((await scatter([books, papers, web], "sagas", limit=2)).answers)


@saga
async def books_four_then_stops() -> None:
    await scatter(dict.fromkeys("abcd", shop.book), "sagas", limit=2)
    raise ValueError("after all")


def started(call: Any) -> World:
    world = World(call)
    world.start()
    return world


def wanted(world: World) -> list[str]:
    return [record.step for turn in world.turns for record in turn if isinstance(record, r.StepWanted)]


def result(world: World) -> Any:
    ended = world.machine.ended
    assert ended is not None
    return search.signature.result.decode(ended.result)


def test_every_agent_is_asked_the_same_and_answers_under_its_name() -> None:
    world = started(search(1))
    assert wanted(world) == ["books", "papers", "web"]
    world.done(4, ["w"])
    world.broke(3, "failed")
    world.done(2, ["b"])
    told = result(world)
    assert told["answers"] == {"books": ["b"], "web": ["w"]} and list(told["failed"]) == ["papers"] and told["late"] == []


def test_who_has_not_answered_in_time_is_late() -> None:
    world = started(search(1))
    world.done(2, ["b"])
    world.time_up(1)
    world.broke(3, "in_doubt")
    world.broke(4, "in_doubt")
    assert result(world)["late"] == ["papers", "web"]


def test_too_few_in_time_fails() -> None:
    world = started(search(2))
    world.done(2, ["b"])
    world.time_up(1)
    assert world.machine.cause is not None and world.machine.cause.type.endswith("TooFewInTime")


def test_too_few_that_can_answer_fails_at_once() -> None:
    world = started(search_all())
    world.broke(2, "failed")
    world.broke(3, "in_doubt")
    assert result(world) == ["StepFailed"]


def test_answers_are_merged() -> None:
    world = started(search_merged())
    world.done(3, ["y", "z"])
    world.done(2, ["x", "y"])
    assert result(world) == ["x", "y", "z"]


def test_a_merged_request_can_be_a_branch() -> None:
    world = started(search_beside())
    world.done(3, ["x"])
    world.done(4, ["y"])
    assert world.machine.state == "completed"


def test_what_a_merge_raises_is_raised_in_the_body() -> None:
    world = started(search_badly())
    world.done(2, [])
    assert result(world) == "'nobody'"


def test_a_limit_is_kept() -> None:
    world = started(search_two_at_once())
    assert wanted(world) == ["books", "papers"]
    world.done(3, [])
    assert wanted(world) == ["books", "papers", "web"]
    world.done(2, [])
    world.done(4, [])
    assert result(world) == 3


def test_a_limit_is_kept_on_the_way_back_too() -> None:
    world = started(books_four_then_stops())
    for pos in (2, 3, 4):
        world.done(pos, f"b{pos}")
    back = world.done(5, "b5")
    flying = [each.pos for each in back if isinstance(each, r.UndoWanted)]
    assert len(flying) == 2
    undone: list[int] = []
    while flying:
        undone.append(flying.pop(0))
        flying += [each.pos for each in world.undone(undone[-1]) if isinstance(each, r.UndoWanted)]
        assert len(flying) == min(2, 4 - len(undone)), "as many undos at once as there were calls, until none is left"
    assert sorted(undone) == [2, 3, 4, 5] and world.machine.state == "compensated"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: scatter([], "x"), "takes 1 to|at_least"),
        (lambda: scatter([books, books], "x"), "is there twice"),
        (lambda: scatter({"a": books("x")}, "x"), "takes steps and sagas"),  # type: ignore[dict-item]
        (lambda: scatter([books], "x", at_least=2), r"at_least=2"),
        (lambda: scatter([books], "x", limit=0), r"limit=0"),
        (lambda: scatter([books], "x", within=0), r"within=.* is 0"),
        (lambda: scatter([books], "x", within=float("nan")), "within"),
        (lambda: scatter([order_copy], "x", within=1), "has no undo"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_the_call(make: Any, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        make()


def test_without_a_time_limit_no_agent_loses_so_none_needs_an_undo() -> None:
    assert scatter([order_copy], "x").losers == "undo"


def test_errors_are_those_of_joins() -> None:
    assert issubclass(TooFewInTime, JoinFailed) and issubclass(QuorumImpossible, JoinFailed)
    assert Ok(1).value == 1 and Gathered({}, {}, ()).late == ()
