"""Nested runs, one test for each rule, on machines that are fed by hand: the owner's side, and the nested run's own."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from amends import DefinitionError, saga
from amends.errors import ForeignAwait, IllegalFact
from amends.model import records as r
from amends.model.child import APART, MOST_DEPTH
from amends.model.phase import Phase
from tests.model import forks, shop
from tests.model.worlds import World

NO = r.Failure("Declined", "no")


def names(decisions: list[r.Decision]) -> list[str]:
    return [type(decision).__name__ for decision in decisions]


def the(kind: type[r.Decision], decisions: list[r.Decision]) -> Any:
    """The one decision of a kind."""
    (found,) = [decision for decision in decisions if isinstance(decision, kind)]
    return found


def started(call: Any, **options: Any) -> World:
    world = World(call, sagas=forks.NESTED, **options)
    world.start()
    return world


def has_value(world: World, pos: int, value: Any = "x", kept: tuple[r.Kept, ...] = ()) -> list[r.Decision]:
    return world.tell(r.ChildDone(world.now, pos, r.Raw(msgspec.json.encode(value)), kept))


def closed(world: World, pos: int, state: r.State = "compensated", kept: tuple[r.Kept, ...] = ()) -> list[r.Decision]:
    return world.tell(r.ChildClosed(world.now, pos, state, NO, kept))


def is_stuck(world: World, pos: int, *letters: str) -> list[r.Decision]:
    return world.tell(r.ChildStuck(world.now, pos, letters, True))


def phase(world: World, pos: int) -> Phase:
    """The phase of an effect, the same after a replay."""
    before = world.machine.effects[pos].phase
    world.crash()
    assert world.machine.effects[pos].phase is before
    return before


@saga
async def reserves_then_travels() -> None:
    await shop.reserve("before", 1)
    await forks.leg("a")


# ── the owner's side ─────────────────────────────────────────────────────────────────────────────


def test_a_nested_run_has_an_id_that_is_derived_from_its_owner_s() -> None:
    world = World(forks.leg_between(), "order-17", sagas=forks.NESTED)
    world.start()
    wanted = the(r.ChildWanted, world.done(1, "b"))
    assert (wanted.run, wanted.saga, wanted.pos, wanted.owned) == ("order-17//2", "leg", 2, True)
    assert bytes(wanted.args) == b'{"name":"a"}'


def test_runs_are_not_nested_without_end() -> None:
    deep = "x" + f"{APART}1" * (MOST_DEPTH - 1)
    world = World(forks.leg_between(), deep, sagas=forks.NESTED, owned=True)
    world.start()
    assert "ChildWanted" in names(world.done(1, "b"))
    world = World(forks.leg_between(), f"{deep}{APART}1", sagas=forks.NESTED, owned=True)
    world.start()
    assert "RollbackBegan" in names(world.done(1, "b"))
    assert world.machine.cause is not None and "16 deep" in world.machine.cause.message
    assert world.machine.cause.type.endswith(DefinitionError.__name__)


def test_a_nested_run_is_undone_after_what_came_later_and_before_what_came_earlier() -> None:
    world = started(forks.leg_between())
    world.done(1, "b")
    has_value(world, 2)
    back = world.done(3, "after")
    assert names(back) == ["RollbackBegan", "UndoWanted"] and the(r.UndoWanted, back).pos == 3
    assert world.undone(3) == [r.ChildUndoWanted(2)]
    assert the(r.UndoWanted, closed(world, 2)).pos == 1
    assert the(r.Ended, world.undone(1)).state == "compensated"


def test_siblings_in_flight_come_to_rest_before_a_finished_one_is_undone() -> None:
    world = started(forks.leg_and_step())
    has_value(world, 2)
    back = world.tell(r.Cancelled(world.now, "ann", ""))
    assert the(r.StopWanted, back).pos == 3 and "ChildUndoWanted" not in names(back)
    undo = world.done(3, "b")
    assert the(r.ChildUndoWanted, undo).pos == 2 and the(r.UndoWanted, undo).pos == 3


def test_a_cancel_reaches_a_nested_run_once() -> None:
    world = started(forks.leg_and_step())
    back = world.tell(r.Cancelled(world.now, "ann", ""))
    assert the(r.ChildUndoWanted, back).pos == 2
    assert world.tell(r.Cancelled(world.now, "bob", "")) == []
    assert world.broke(3) == []
    assert the(r.Ended, closed(world, 2)).state == "compensated"


def test_a_deadline_reaches_a_nested_run_and_does_not_bound_its_rollback() -> None:
    world = started(forks.leg_in_time())
    assert the(r.ChildUndoWanted, world.time_up(0)).pos == 1
    assert not world.machine.timers and world.machine.ended is None
    closed(world, 1)
    assert world.machine.cause is not None and world.machine.cause.type == "DeadlineExceeded"


def test_a_value_that_is_told_after_it_was_taken_back_changes_nothing() -> None:
    world = started(forks.leg_and_step())
    world.tell(r.Cancelled(world.now, "ann", ""))
    world.broke(3)
    assert has_value(world, 2) == [] and phase(world, 2) is Phase.UNWINDING
    assert the(r.Ended, closed(world, 2)).state == "compensated"


def test_a_nested_run_that_needs_a_person_is_taken_back_with_its_owner_in_its_turn() -> None:
    world = started(forks.leg_and_step())
    is_stuck(world, 2, "run-1//2#1")
    back = world.tell(r.Cancelled(world.now, "ann", ""))
    assert the(r.StopWanted, back).pos == 3 and "ChildUndoWanted" not in names(back)
    assert world.broke(3) == [r.ChildUndoWanted(2)] and phase(world, 2) is Phase.UNWINDING
    assert the(r.Ended, closed(world, 2)).state == "compensated"


def test_a_nested_run_that_goes_on_after_it_needed_a_person_is_where_it_was() -> None:
    world = started(forks.leg_and_step())
    is_stuck(world, 2, "run-1//2#1")
    assert phase(world, 2) is Phase.STUCK
    assert is_stuck(world, 2) == [] and phase(world, 2) is Phase.RUNNING
    world.tell(r.Cancelled(world.now, "ann", ""))
    is_stuck(world, 2, "run-1//2#2")
    assert is_stuck(world, 2) == [] and phase(world, 2) is Phase.UNWINDING, "it is told once to go back"


@pytest.mark.parametrize("rolls_back", [True, False])
def test_a_nested_run_with_an_undo_of_its_own_is_undone_by_it_and_else_rolled_back(rolls_back: bool) -> None:
    world = started(forks.package_then_step())
    if rolls_back:
        back = world.tell(r.Cancelled(world.now, "ann", ""))
        assert the(r.ChildUndoWanted, back).pos == 1, "there is no value yet that its undo could take"
        return
    has_value(world, 1, "p", (r.Kept(4, "wire", "in doubt"),))
    undo = the(r.UndoWanted, world.broke(2))
    assert undo.pos == 1 and [type(d) for t in world.turns for d in t].count(r.ChildUndoWanted) == 0
    letter = the(r.DeadLettered, world.undo_broke(1, again=False))
    assert letter.pos == 1 and world.machine.state == "needs_attention"
    again = the(r.UndoWanted, world.tell(r.Retried(world.now, letter.letter, "ann")))
    ended = the(r.Ended, world.undone(1, again.attempt))
    assert ended.state == "compensated" and ended.kept == (), "its own undo makes amends for all of it"


def test_a_nested_run_that_compensated_itself_can_be_caught_also_in_a_join() -> None:
    world = started(forks.any_leg())
    assert closed(world, 2) == []
    has_value(world, 3, "y")
    assert world.machine.ended is not None and world.machine.ended.state == "completed"
    world = started(forks.any_leg())
    closed(world, 2, "partly_compensated", (r.Kept(1, "note", "on purpose"),))
    failed = closed(world, 3)
    assert names(failed) == ["JoinDecided", "Ended"]
    assert bytes(world.machine.ended.result) == b'["Compensated run-1//2 kept 1","Compensated run-1//3 kept 0"]'  # type: ignore[union-attr]
    assert [kept.step for kept in world.machine.ended.kept] == ["leg/note"]  # type: ignore[union-attr]


def test_a_failure_in_a_nested_run_is_the_cause_of_its_owner_s_rollback() -> None:
    world = started(forks.leg_between())
    world.done(1, "b")
    closed(world, 2)
    assert world.machine.cause is not None
    assert (world.machine.cause.type, world.machine.cause.notes) == ("Declined", ("in run run-1//2",))


def test_an_abandoned_nested_run_makes_its_owner_abandoned() -> None:
    world = started(forks.any_leg())
    closed(world, 2, "abandoned", (r.Kept(1, "book", "abandoned: by ann: so be it"),))
    has_value(world, 3)
    ended = world.machine.ended
    assert ended is not None and ended.state == "abandoned" and [kept.step for kept in ended.kept] == ["leg/book"]


# ── nested runs as losers ────────────────────────────────────────────────────────────────────────


def test_a_nested_loser_is_taken_back_whether_it_has_its_value_or_not() -> None:
    world = started(forks.any_leg())
    assert the(r.ChildUndoWanted, has_value(world, 3)).pos == 2
    assert has_value(world, 2) == [] and phase(world, 2) is Phase.UNWINDING
    assert the(r.Ended, closed(world, 2)).state == "completed"


def test_a_nested_loser_that_is_kept_holds_the_run_open_until_it_is_done() -> None:
    world = started(forks.any_leg_losers("keep"))
    assert names(has_value(world, 3)) == ["JoinDecided", "Returned"]
    assert the(r.Ended, has_value(world, 2)).state == "completed" and world.machine.effects[2].phase is Phase.DONE


def test_a_nested_loser_that_is_only_interrupted_is_cancelled_once() -> None:
    world = started(forks.any_leg_losers("cancel"))
    decided = has_value(world, 3)
    assert the(r.StopWanted, decided).pos == 2 and "ChildUndoWanted" not in names(decided)
    assert the(r.Ended, closed(world, 2)).state == "completed" and world.machine.effects[2].phase is Phase.FAILED
    world = started(forks.any_leg_losers("cancel"))
    has_value(world, 3)
    assert the(r.Ended, has_value(world, 2)).state == "completed", "it was done before it could be cancelled: it stays"
    assert world.machine.effects[2].phase is Phase.DONE


def test_a_nested_loser_that_was_only_interrupted_is_taken_back_when_the_run_rolls_back() -> None:
    world = started(forks.any_leg_then_step())
    has_value(world, 3)
    back = world.broke(4)
    assert the(r.ChildUndoWanted, back).pos == 2, "it is at work: that must come to rest first"
    assert the(r.ChildUndoWanted, closed(world, 2)).pos == 3


@pytest.mark.parametrize(("losers", "told"), [("undo", "ChildUndoWanted"), ("cancel", "StopWanted"), ("keep", None)])
def test_a_nested_loser_that_needs_a_person_keeps_the_run_open_and_is_listed(losers: str, told: str | None) -> None:
    world = started(forks.any_leg_losers(losers))
    is_stuck(world, 2, "run-1//2#1")
    decided = has_value(world, 3)
    assert [name for name in names(decided) if name in ("ChildUndoWanted", "StopWanted")] == ([told] if told else [])
    is_stuck(world, 2, "run-1//2#1")
    assert world.machine.state == "needs_attention" and world.machine.stuck == ("run-1//2#1",)
    is_stuck(world, 2)
    assert world.machine.state == "running" and world.machine.stuck == ()
    assert the(r.Ended, closed(world, 2)).state == "completed"


def test_what_a_nested_run_left_in_the_world_is_listed_though_it_succeeded() -> None:
    world = started(forks.any_leg_losers("keep"))
    has_value(world, 3, "x", (r.Kept(5, "wire", "in doubt"),))
    ended = the(r.Ended, has_value(world, 2))
    assert ended.kept == (r.Kept(3, "leg/wire", "in doubt"),)


def test_what_a_nested_run_could_not_undo_is_listed_when_it_was_taken_back() -> None:
    world = started(forks.leg_in_time())
    world.tell(r.Cancelled(world.now, "ann", ""))
    ended = the(r.Ended, closed(world, 1, "partly_compensated", (r.Kept(1, "note", "on purpose"),)))
    assert ended.state == "partly_compensated" and ended.kept == (r.Kept(1, "leg/note", "on purpose"),)


def test_what_a_nested_run_said_before_it_heard_that_it_is_taken_back_does_not_count_for_the_way_back() -> None:
    """Else what its owner did before it would be undone while the nested run is at work."""
    world = started(reserves_then_travels())
    world.done(1, "before")
    assert world.tell(r.Cancelled(world.now, "ann", ""))[-1] == r.ChildUndoWanted(2)
    assert world.tell(r.ChildStuck(world.now, 2, ("run-1//2#1",), back=False)) == []
    assert phase(world, 2) is Phase.UNWINDING and world.machine.stuck == ()
    assert the(r.UndoWanted, is_stuck(world, 2, "run-1//2#2")).pos == 1, "it heard, and cannot go back without a person"


# ── the nested run's own side ────────────────────────────────────────────────────────────────────


def nested(call: Any) -> World:
    return started(call, run_id="x//1", owned=True)


def unwound(world: World) -> list[r.Decision]:
    return world.tell(r.Unwound(world.now, "x", "no"))


def test_a_nested_run_that_has_its_value_is_held_until_it_is_taken_back() -> None:
    world = nested(forks.leg("a"))
    world.done(1, "a")
    assert names(world.done(2, "b")) == ["Held"]
    assert world.machine.state == "held" and world.machine.ended is None
    assert world.tell(r.Cancelled(world.now, "ann", "")) == [], "it has its value: only its owner takes it back"
    assert the(r.UndoWanted, unwound(world)).pos == 2 and world.machine.state == "compensating"
    world.undone(2)
    assert the(r.Ended, world.undone(1)).state == "compensated"
    assert world.machine.returned is None


def test_a_nested_run_is_held_only_when_its_own_losers_are_at_an_end() -> None:
    world = nested(forks.redundant())
    world.done(1, "h")
    assert names(world.done(3, "a")) == ["JoinDecided", "StopWanted", "Returned"]
    world.done(4, "b")
    assert names(world.undone(4)) == ["Held"]


def test_a_held_run_says_what_it_left_in_the_world() -> None:
    world = nested(forks.redundant_cancelled(False))
    world.done(2, "a")
    held = the(r.Held, world.broke(3, "in_doubt"))
    assert [kept.step for kept in held.kept] == ["wire"]


def test_a_nested_run_says_when_it_needs_a_person_and_when_it_goes_on() -> None:
    world = nested(forks.leg("a"))
    world.done(1, "a")
    unwound(world)
    world.broke(2)
    assert the(r.Stuck, world.undo_broke(1, again=False)).letters == ("x//1#1",)
    again = world.tell(r.Retried(world.now, 1, "ann"))
    assert names(again) == ["UndoWanted", "Stuck"] and the(r.Stuck, again).letters == ()
    assert the(r.Stuck, world.undo_broke(1, again=False)).letters == ("x//1#2",)
    assert names(world.tell(r.Resolved(world.now, 2, "ann", "by hand"))) == ["Ended"]


def test_a_nested_run_that_is_stuck_says_so_again_when_it_is_taken_back() -> None:
    world = nested(forks.leg("a"))
    assert the(r.Stuck, world.broke(1, "unstorable")) == r.Stuck(("x//1#1",), back=True), "it has failed"
    assert the(r.Stuck, unwound(world)) == r.Stuck(("x//1#1",), back=True)


def test_a_nested_run_that_is_stuck_on_its_way_forward_says_so() -> None:
    world = nested(forks.redundant())
    world.done(1, "h")
    world.done(3, "a")
    assert the(r.Stuck, world.broke(4, "unstorable")) == r.Stuck(("x//1#1",), back=False)
    assert names(unwound(world)) == ["RollbackBegan", "UndoWanted"]
    world.undone(3)
    assert the(r.Stuck, world.undone(1)) == r.Stuck(("x//1#1",), back=True)


def test_a_nested_run_that_was_parked_for_its_code_says_when_it_goes_on() -> None:
    world = nested(forks.leg("a"))
    world.done(1, "a")
    world.tell(r.Stalled(world.now, "diverged", NO))
    assert world.machine.state == "needs_attention" and not world.machine.may_go_on
    assert world.tell(r.Retried(world.now, 1, "ann")) == [] and world.machine.may_go_on
    goes_on = world.tell(r.Recovered(world.now, "next"))
    assert names(goes_on) == ["RetryWanted", "Stuck"] and the(r.Stuck, goes_on).letters == ()
    assert world.machine.state == "running"


def test_a_held_run_that_was_parked_for_its_code_says_when_it_goes_on_too() -> None:
    """Its owner takes it back, which it cannot take in as long as its code does not fit."""
    world = nested(forks.leg("a"))
    world.done(1, "a")
    world.done(2, "b")
    world.tell(r.Stalled(world.now, "diverged", NO))
    assert world.tell(r.Retried(world.now, 1, "ann")) == []
    assert world.tell(r.Recovered(world.now, "next")) == [r.Stuck(())]
    assert names(unwound(world)) == ["RollbackBegan", "UndoWanted"]


def test_a_run_that_has_its_value_has_no_deadline_any_more() -> None:
    world = nested(forks.redundant_in_time())
    assert set(world.machine.timers) == {0}
    assert "Returned" in names(world.done(2, "a")) and not world.machine.timers
    with pytest.raises(IllegalFact, match="has no timer"):
        world.tell(r.TimeUp(world.now + 60, 0))
    world.broke(3)
    assert world.machine.state == "held" and not world.machine.timers


def test_a_nested_run_has_a_deadline_of_its_own() -> None:
    world = nested(forks.leg_in_time())
    assert "RollbackBegan" in names(world.time_up(0))
    ended = the(r.Ended, closed(world, 1))
    assert ended.state == "compensated" and world.machine.cause is not None
    assert world.machine.cause.type == "DeadlineExceeded"


def test_a_run_that_nobody_owns_closes_and_tells_nobody() -> None:
    world = started(forks.leg("a"))
    world.done(1, "a")
    assert names(world.done(2, "b")) == ["Ended"]


# ── runs that go their own way ───────────────────────────────────────────────────────────────────


def test_a_detached_run_is_started_at_once_and_its_id_is_what_the_body_gets() -> None:
    world = started(forks.sends_off())
    sent = world.done(1, "b")
    assert names(sent) == ["ChildWanted", "StepWanted"], "in one turn: no later step is called before it is there"
    wanted = the(r.ChildWanted, sent)
    assert (wanted.run, wanted.owned, bytes(wanted.args)) == ("run-1//2", False, b'{"name":"a"}')
    world.crash()
    ended = the(r.Ended, world.done(3, "b", 2))
    assert ended.state == "completed" and bytes(ended.result) == b'["run-1//2","b"]' and ended.kept == ()


def test_a_rollback_leaves_a_detached_run_alone_and_says_so() -> None:
    world = started(forks.sends_off())
    world.done(1, "b")
    assert the(r.UndoWanted, world.broke(3)).pos == 1
    ended = the(r.Ended, world.undone(1))
    assert ended.state == "partly_compensated"
    assert ended.kept == (r.Kept(2, "leg", "started on its own: run run-1//2 goes its own way"),)


def test_a_detached_run_is_a_branch_that_is_done_at_once() -> None:
    world = World(forks.sends_off_at_once(), sagas=forks.NESTED)
    begun = world.start()
    assert names(begun) == ["JoinWanted", "ChildWanted", "ChildWanted", "JoinDecided", "Ended"]
    assert bytes(the(r.Ended, begun).result) == b'["run-1//2","run-1//3"]'


@pytest.mark.parametrize(("losers", "kept"), [("undo", 1), ("keep", 0), ("cancel", 0)])
def test_a_detached_run_that_is_to_be_undone_with_its_branch_is_listed(losers: str, kept: int) -> None:
    world = started(forks.first_off(losers))
    world.done(2, "a")
    for pos in (3, 6):
        if world.machine.ended is None:
            world.broke(pos)
    ended = world.machine.ended
    assert ended is not None and ended.state == "completed" and len(ended.kept) == kept


def test_what_a_detached_run_cannot_take_is_refused_before_it_is_started() -> None:
    world = World(forks.sends_off_badly(), sagas=forks.NESTED)
    assert names(world.start()) == ["Ended"]
    assert world.machine.returned == b"\"('leg', 'name')\""


def test_a_detached_run_of_a_saga_that_nobody_drives_is_refused() -> None:
    world = World(forks.sends_off())
    world.start()
    back = world.done(1, "b")
    assert "ChildWanted" not in names(back) and world.machine.cause is not None
    assert "nobody drives it" in world.machine.cause.message


def test_outside_of_a_saga_there_is_nobody_to_start_a_run() -> None:
    async def main() -> None:
        with pytest.raises(ForeignAwait, match="in a saga body only"):
            await forks.leg.using(detached=True)("a")

    asyncio.run(main())
