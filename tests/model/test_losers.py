"""What becomes of the losers of a join when more happens: a join around is decided, the body goes on, the run rolls back."""

from __future__ import annotations

from typing import Any

import msgspec

from amends import all_of, any_of, receive, saga, within
from amends.model import records as r
from amends.model.phase import Phase
from tests.model import forks, shop
from tests.model.worlds import World


@saga
async def strict_around_cancelled() -> str:
    either = any_of(shop.book("a"), shop.wire(1), losers="cancel")
    return str(await any_of(all_of(either, shop.book("b")), forks.ask("c"), losers="undo"))


@saga
async def cancels_then_reserves() -> str:
    await any_of(shop.reserve("a", 1), shop.wire(1), shop.book("b"), losers="cancel")
    return await shop.reserve("after", 1)


@saga
async def decides_then_reserves() -> None:
    await any_of(shop.book("a"), shop.book("b"))
    await shop.reserve("after", 1)
    raise ValueError("after all")


@saga
async def keeps_what_failed() -> list[int]:
    found = await within(10, all_of(shop.book("a"), shop.book("b"), losers="keep"), forks.ask("c"))
    return list(found.arrival)


@saga
async def decides_then_listens() -> str:
    await any_of(shop.reserve("a", 1), shop.reserve("b", 1))
    return await receive(str)


def started(call: Any) -> World:
    world = World(call)
    world.start()
    return world


def positions(kind: type[Any], decisions: list[r.Decision]) -> list[int]:
    """Where decisions of a kind are about."""
    return [decision.pos for decision in decisions if isinstance(decision, kind)]


def after_a_crash(world: World) -> World:
    """The same run, brought back by replay."""
    before = {pos: effect.phase for pos, effect in world.machine.effects.items()}
    world.crash()
    assert {pos: effect.phase for pos, effect in world.machine.effects.items()} == before
    return world


def test_a_stricter_join_around_looks_after_a_loser_that_was_only_interrupted() -> None:
    world = started(strict_around_cancelled())
    assert positions(r.StopWanted, world.done(4, "a")) == [5]
    decided = world.done(7, "c")
    assert positions(r.UndoWanted, decided) == [4] and positions(r.StopWanted, decided) == [6]
    assert positions(r.CheckWanted, world.broke(5, "in_doubt")) == [5], "it is to be undone now, and not left alone"


def test_what_an_interruption_left_in_doubt_is_checked_or_cancelled_by_key_when_the_run_rolls_back() -> None:
    world = started(cancels_then_reserves())
    assert positions(r.StopWanted, world.done(2, "a")) == [3, 4]
    world.broke(3, "in_doubt")
    world.broke(4, "in_doubt")
    assert [world.machine.effects[pos].phase for pos in (3, 4)] == [Phase.LEFT, Phase.LEFT]
    back = world.broke(5)
    assert positions(r.CheckWanted, back) == [3] and sorted(positions(r.UndoWanted, back)) == [2, 4]
    assert positions(r.UndoWanted, world.tell(r.Checked(world.now, 3, 1, True, r.Raw(b'"w"')))) == [3]
    for pos in (2, 3, 4):
        world.undone(pos)
    assert after_a_crash(world).machine.ended == r.Ended("compensated", r.NULL, ())


def test_a_loser_that_is_found_done_on_the_way_back_is_undone_in_its_turn() -> None:
    world = started(decides_then_reserves())
    assert positions(r.StopWanted, world.done(2, "a")) == [3]
    assert positions(r.UndoWanted, world.done(4, "after")) == [], "the loser may still take effect"
    assert positions(r.UndoWanted, world.done(3, "b")) == [4], "what was done last is undone first"
    assert sorted(positions(r.UndoWanted, world.undone(4))) == [2, 3]


def test_a_branch_that_failed_is_no_loser_of_a_join_that_waits_for_all_to_end() -> None:
    world = started(keeps_what_failed())
    world.done(3, "a")
    assert world.broke(4) == [r.JoinDecided(2, False, (3, 4), ())]
    decided = world.done(5, "c")
    assert decided[0] == r.JoinDecided(1, True, (2, 5), (2, 5))
    assert positions(r.UndoWanted, decided) == [], "what a branch keeps when it fails stays kept"
    assert world.machine.ended is not None and bytes(world.machine.ended.result) == b"[0,1]"


def test_a_loser_that_waits_for_a_person_does_not_hold_up_the_body() -> None:
    world = started(decides_then_listens())
    world.done(2, "a")
    assert len(positions(r.DeadLettered, world.broke(3, "in_doubt"))) == 1
    assert world.machine.stuck == ("run-1#1",) and after_a_crash(world).machine.state == "running"
    world.tell(r.Told(world.now, "str", r.Raw(msgspec.json.encode("yes")), "ann"))
    assert world.machine.returned == b'"yes"' and world.machine.state == "needs_attention"
    (ended,) = world.tell(r.Resolved(world.now, 1, "ann", "by phone"))
    assert isinstance(ended, r.Ended) and ended.state == "completed"
