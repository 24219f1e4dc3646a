"""How often a step, its check and its undo are tried, and what each try may cost the others."""

from __future__ import annotations

from amends import Retry
from amends.model import keys
from amends.model import records as r
from tests.model import shop
from tests.model.test_machine import names
from tests.model.worlds import World


def test_errors_that_are_worth_asking_again() -> None:
    retry = Retry(on=OSError, never=(FileNotFoundError, KeyError))
    assert retry.again(PermissionError(), lost=False), "on= names its parent"
    assert not retry.again(FileNotFoundError(), lost=False), "never= is final even so"
    assert not retry.again(KeyError(), lost=True), "and for a lost answer too"
    assert not retry.again(ValueError(), lost=False), "a step's own exception is an answer"
    assert retry.again(ValueError(), lost=True), "a lost answer is asked for again"


def test_a_step_is_called_as_often_as_it_has_attempts() -> None:
    world = World(shop.order("a", "ok"))
    world.start()
    world.done(1, "h")
    for attempt in (1, 2):
        assert names(world.broke(2, "failed", again=True, attempt=attempt)) == ["TimerWanted"]
        assert names(world.time_up(2)) == ["RetryWanted"]
    assert names(world.broke(2, "failed", again=True, attempt=3)) == ["RollbackBegan", "UndoWanted"]


def asked(world: World) -> World:
    """A wire whose both answers were lost, and the world was asked about it."""
    world.start()
    world.broke(1, "in_doubt", again=True)
    world.time_up(1)
    assert names(world.broke(1, "in_doubt", again=True, attempt=2)) == ["CheckWanted"]
    return world


def test_a_check_that_fails_is_asked_again_while_its_attempts_last() -> None:
    world = asked(World(shop.wires(7)))
    for attempt in (1, 2, 3, 4):
        assert names(world.tell(r.CheckBroke(world.now, 1, attempt, r.Failure("Down", ""), True))) == ["TimerWanted"]
        assert names(world.time_up(1)) == ["CheckWanted"]
    letter, *_ = world.tell(r.CheckBroke(world.now, 1, 5, r.Failure("Down", ""), True))
    assert isinstance(letter, r.DeadLettered) and letter.kind == "in_doubt" and letter.error.type == "Down"


def test_a_doubt_that_is_put_back_to_work_is_checked_first() -> None:
    world = asked(World(shop.wires(7)))
    world.tell(r.CheckBroke(world.now, 1, 1, r.Failure("Down", ""), False))
    assert names(world.tell(r.Retried(world.now, 1, "ann"))) == ["CheckWanted"]


def test_what_a_check_finds_after_the_rollback_had_passed_by_is_undone() -> None:
    world = asked(World(shop.wires(7)))
    world.tell(r.CheckBroke(world.now, 1, 1, r.Failure("Down", ""), False))
    assert world.machine.state == "needs_attention", "there was nothing else to undo"
    world.tell(r.Retried(world.now, 1, "ann"))
    assert names(world.tell(r.Checked(world.now, 1, 1, True, r.Raw(b'"w-7"')))) == ["UndoWanted"]
    (ended,) = world.undone(1)
    assert isinstance(ended, r.Ended) and ended.state == "compensated"


def test_a_step_that_was_given_up_is_not_called_again_when_a_later_check_finds_nothing() -> None:
    """Though it has attempts left: only one that is still wanted is called again once it is known not to have happened."""
    world = World(shop.faxes("x"))
    world.start()
    assert names(world.broke(1, "in_doubt")) == ["CheckWanted"]
    world.tell(r.CheckBroke(world.now, 1, 1, r.Failure("Down", ""), False))
    assert names(world.tell(r.Retried(world.now, 1, "ann"))) == ["CheckWanted"]
    (ended,) = world.tell(r.Checked(world.now, 1, 1, False, r.NULL))
    assert isinstance(ended, r.Ended) and ended.state == "compensated"


def test_a_step_that_was_interrupted_is_not_called_again() -> None:
    world = World(shop.wires(7))
    world.start()
    assert names(world.tell(r.Cancelled(world.now, "ann", ""))) == ["RollbackBegan", "StopWanted"]
    assert names(world.broke(1, "in_doubt", again=True, type="Interrupted")) == ["CheckWanted"]


def test_what_the_step_spent_is_not_taken_from_its_undo() -> None:
    world = World(shop.three("raise"))
    world.start()
    world.done(1, "h")
    for attempt in (1, 2):
        world.broke(2, "in_doubt", again=True, attempt=attempt)
        world.time_up(2)
    world.done(2, {"id": "c", "cents": 5}, attempt=3)
    world.done(3, "b")
    world.undone(3)
    assert names(world.undo_broke(2)) == ["TimerWanted"], "its first try of two"


def test_the_key_of_an_undo_is_recorded_the_same_for_every_try() -> None:
    world = World(shop.three("raise"))
    world.start()
    world.done(1, "h")
    world.done(2, {"id": "c", "cents": 5})
    world.done(3, "b")
    (first,) = world.undone(3)
    world.undo_broke(2)
    (second,) = world.time_up(2)
    assert isinstance(first, r.UndoWanted) and isinstance(second, r.UndoWanted)
    assert first.key == second.key == keys.undo_key(world.machine.effects[2].key)


def test_the_key_of_a_step_is_drawn_from_all_that_names_it() -> None:
    world = World(shop.order("a", "ok"))
    (wanted,) = world.start()
    assert isinstance(wanted, r.StepWanted)
    assert wanted.key == keys.step_key("test", "order", "run-1", 1, "reserve", b'{"qty":1,"sku":"a"}')
