"""What is counted, remembered and waited for while a call is in doubt, and what a person's answer brings."""

from __future__ import annotations

import contextlib

import pytest

from amends import Retry, StepFailed, now, saga, step
from amends.model import records as r
from tests.model import shop
from tests.model.worlds import World


@step(no_undo="it only waits")
async def wait() -> None: ...


@saga
async def clocks() -> list[float]:
    before = now().timestamp()
    await wait()
    return [before, now().timestamp()]


def test_what_a_person_says_that_a_step_returned_is_what_its_undo_gets() -> None:
    world = World(shop.order("a", "ok"))
    world.start()
    world.done(1, "h")
    world.broke(2, "in_doubt")
    world.undone(1)
    world.tell(r.Answered(world.now, 1, "ann", True, r.Raw(b'{"id":"c","cents":100}'), ""))
    assert world.machine.effects[2].result == r.Raw(b'{"id":"c","cents":100}')


def test_an_answer_ends_the_doubt() -> None:
    world = World(shop.order("a", "ok"))
    world.start()
    world.done(1, "h")
    world.broke(2, "in_doubt", again=True)
    assert world.machine.effects[2].in_doubt
    world.time_up(2)
    world.done(2, {"id": "c", "cents": 100}, attempt=2)
    assert not world.machine.effects[2].in_doubt


@pytest.mark.parametrize(
    "word",
    [
        r.Answered(1_000.0, 1, "ann", False, r.NULL, "it never arrived"),
        r.Answered(1_000.0, 1, "ann", True, r.Raw(b'{"id":"c","cents":100}'), ""),
        r.Resolved(1_000.0, 1, "ann", "by phone"),
    ],
    ids=["it did not happen", "it happened", "it is settled"],
)
def test_a_person_s_word_ends_the_doubt(word: r.Fact) -> None:
    world = World(shop.order("a", "ok"))
    world.start()
    world.done(1, "h")
    world.broke(2, "in_doubt")
    world.undone(1)
    assert world.machine.effects[2].in_doubt
    world.tell(word)
    assert not world.machine.effects[2].in_doubt


def test_an_undo_ends_the_doubt() -> None:
    world = World(shop.rooms("x"))
    world.start()
    world.broke(1, "in_doubt", again=False)
    assert world.machine.effects[1].in_doubt, "which its undo is told"
    world.undone(1)
    assert not world.machine.effects[1].in_doubt


def test_a_step_that_is_not_idempotent_is_called_no_more_often_than_its_attempts() -> None:
    world = World(shop.faxes("x"))
    world.start()
    for attempt in (1, 2):
        (check,) = world.broke(1, "in_doubt", attempt=attempt)
        assert isinstance(check, r.CheckWanted)
        assert world.tell(r.Checked(world.now, 1, 1, False, r.NULL)) == [r.RetryWanted(1, attempt + 1)]
    world.broke(1, "in_doubt", attempt=3)
    decided = world.tell(r.Checked(world.now, 1, 1, False, r.NULL))
    assert not any(isinstance(each, r.RetryWanted) for each in decided)


def test_the_crashes_of_a_call_are_not_those_of_its_check() -> None:
    world = World(shop.wires(3))
    world.start()
    for _ in range(9):
        world.crash()
    assert [type(each) for each in world.crash()] == [r.CheckWanted]
    for _ in range(9):
        assert [type(each) for each in world.crash()] == [r.CheckWanted]


def test_the_crashes_of_a_call_are_not_those_of_its_undo() -> None:
    world = World(shop.rooms("x"))
    world.start()
    for _ in range(9):
        world.crash()
    assert [type(each) for each in world.crash()] == [r.UndoWanted]
    for _ in range(9):
        assert [type(each) for each in world.crash()] == [r.UndoWanted]


def test_workers_that_leave_in_order_count_for_no_call_no_check_and_no_undo() -> None:
    for called, answer, wanted in (
        (shop.wires(3), "done", r.RetryWanted),
        (shop.wires(3), "in_doubt", r.CheckWanted),
        (shop.three("raise"), "raise", r.UndoWanted),
    ):
        world = World(called)
        world.start()
        if answer == "in_doubt":
            world.broke(1, "in_doubt")
        elif answer == "raise":
            for pos, result in (1, "h"), (2, {"id": "c", "cents": 5}), (3, "b"):
                world.done(pos, result)
        for _ in range(20):
            assert [type(each) for each in world.crash(orderly=True)] == [wanted]


def test_a_check_that_fails_for_good_leaves_nothing_alone_when_the_run_is_cancelled() -> None:
    world = World(shop.lodges("r"))
    world.start()
    world.tell(r.Cancelled(world.now, "ann", ""))
    world.broke(1, "in_doubt")
    decided = world.tell(r.CheckBroke(world.now, 1, 1, r.Failure("Down", "no"), False))
    assert [type(each) for each in decided] == [r.UndoWanted], "it is cancelled by key"


def test_what_is_kept_on_purpose_is_listed_though_nobody_knows_whether_it_took_effect() -> None:
    world = World(shop.keeps())
    world.start()
    (_, ended) = world.broke(1, "in_doubt")
    assert isinstance(ended, r.Ended) and ended.state == "partly_compensated"
    assert ended.kept == (r.Kept(1, "note", "kept on purpose; whether it took effect is not known"),)


def test_a_step_an_undo_and_a_check_pause_before_they_are_tried_again() -> None:
    world = World(shop.three("raise"))
    world.start()
    world.done(1, "h")
    world.broke(2, again=True)
    assert world.machine.timers[2] == world.now + 1.0
    world.time_up(2)
    world.done(2, {"id": "c", "cents": 5}, 2)
    world.done(3, "b")
    world.undone(3)
    world.undo_broke(2)
    assert world.machine.timers[2] == world.now + 1.0
    other = World(shop.wires(3))
    other.start()
    other.broke(1, "in_doubt")
    other.tell(r.CheckBroke(other.now, 1, 1, r.Failure("Down", "no"), True))
    assert other.machine.timers[1] > other.now


def test_the_time_of_a_run_goes_on_and_never_back() -> None:
    """Facts come from workers whose clocks differ."""
    world = World(clocks())
    world.start()
    world.now += 5
    world.done(1, None)
    assert world.machine.ended is not None and bytes(world.machine.ended.result) == b"[1000.0,1005.0]"
    other = World(clocks())
    other.start()
    other.now -= 5
    other.done(1, None)
    assert other.machine.ended is not None and bytes(other.machine.ended.result) == b"[1000.0,1000.0]"


@step(retry=Retry(attempts=1))
async def open_account() -> str:
    return "a"


@open_account.undo
async def close_account(account: str) -> None: ...


@saga
async def account_between() -> None:
    await shop.reserve("a", 1)
    with contextlib.suppress(StepFailed):
        await open_account()
    await shop.reserve("b", 1)
    raise LookupError


def undone_next(decisions: list[r.Decision]) -> list[int]:
    return [each.pos for each in decisions if isinstance(each, r.UndoWanted)]


def account_in_doubt() -> World:
    """It rolls back, and is about to undo what came after the step in doubt."""
    world = World(account_between())
    world.start()
    world.done(1, "h")
    world.broke(2, "in_doubt")
    assert undone_next(world.done(3, "h")) == [3]
    return world


def test_what_a_person_says_did_happen_is_undone_when_its_turn_comes() -> None:
    """What came after it may be built on it."""
    world = account_in_doubt()
    assert undone_next(world.tell(r.Answered(world.now, 1, "ann", True, r.Raw(b'"a"'), ""))) == []
    assert undone_next(world.undone(3)) == [2]
    assert undone_next(world.undone(2)) == [1]


def test_what_a_person_says_did_happen_when_its_turn_is_over_is_undone_at_once() -> None:
    world = account_in_doubt()
    assert undone_next(world.undone(3)) == [1]
    assert undone_next(world.tell(r.Answered(world.now, 1, "ann", True, r.Raw(b'"a"'), ""))) == [2]
