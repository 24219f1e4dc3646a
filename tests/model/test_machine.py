"""The rules of DESIGN's semantics, one test each, on a machine that is fed by hand."""

from __future__ import annotations

import pytest

from amends.errors import Diverged, IllegalFact
from amends.model import records as r
from amends.model.replay import replay
from tests.model import shop
from tests.model.worlds import World


def names(decisions: list[r.Decision]) -> list[str]:
    return [type(decision).__name__ for decision in decisions]


def test_results_lead_to_the_next_intent_in_the_same_turn() -> None:
    world = World(shop.order("a", "ok"))
    (reserve,) = world.start()
    assert isinstance(reserve, r.StepWanted) and bytes(reserve.args) == b'{"qty":1,"sku":"a"}'
    (charge,) = world.done(1, "hold")
    assert isinstance(charge, r.StepWanted) and charge.step == "charge" and charge.key != reserve.key
    assert names(world.done(2, {"id": "c", "cents": 100})) == ["StepWanted"]
    (ended,) = world.done(3, 0)
    assert isinstance(ended, r.Ended) and ended.state == "completed" and bytes(ended.result) == b'"hold/c"'


def test_a_refusal_rolls_back_in_the_same_turn_and_then_closes_compensated() -> None:
    world = World(shop.order("a", "bad"))
    world.start()
    world.done(1, "hold")
    assert names(world.broke(2)) == ["RollbackBegan", "UndoWanted"]
    (ended,) = world.undone(1)
    assert isinstance(ended, r.Ended) and ended.state == "compensated"
    assert world.machine.cause is not None and world.machine.cause.type == "Declined"


def test_undo_runs_in_reverse_order() -> None:
    world = World(shop.three("raise"))
    world.start()
    world.done(1, "h")
    world.done(2, {"id": "c", "cents": 5})
    began, undo = world.done(3, "b")
    assert isinstance(began, r.RollbackBegan) and isinstance(undo, r.UndoWanted) and undo.pos == 3
    order = [3]
    while world.machine.ended is None:
        for decision in world.undone(order[-1]):
            if isinstance(decision, r.UndoWanted):
                order.append(decision.pos)
    assert order == [3, 2, 1]


def test_a_failed_undo_never_stops_the_rest_and_retry_ends_it_with_the_first_cause() -> None:
    world = World(shop.three("raise"))
    world.start()
    world.done(1, "h")
    world.done(2, {"id": "c", "cents": 5})
    world.done(3, "b")
    world.undone(3)
    assert names(world.undo_broke(2)) == ["TimerWanted"]
    assert names(world.time_up(2)) == ["UndoWanted"]
    letter, undo = world.undo_broke(2, attempt=2)
    assert isinstance(letter, r.DeadLettered) and letter.kind == "undo_failed"
    assert isinstance(undo, r.UndoWanted) and undo.pos == 1
    assert world.machine.state == "compensating"
    assert world.undone(1) == []
    assert world.machine.state == "needs_attention"
    world.crash()
    assert names(world.tell(r.Retried(world.now, 1, "ann"))) == ["UndoWanted"]
    (ended,) = world.undone(2)
    assert isinstance(ended, r.Ended) and ended.state == "compensated"
    assert world.machine.cause is not None and world.machine.cause.type == "ValueError"


def doubtful(world: World, pos: int = 1) -> list[r.Decision]:
    """A time-out, and then a refusal of the second attempt."""
    assert names(world.broke(pos, "in_doubt", again=True, type="TimeoutError")) == ["TimerWanted"]
    assert names(world.time_up(pos)) == ["RetryWanted"]
    return world.broke(pos, attempt=2)


def test_a_later_refusal_does_not_clear_the_doubt_and_the_check_decides() -> None:
    world = World(shop.wires(7))
    world.start()
    assert names(doubtful(world)) == ["CheckWanted"]
    (ended,) = world.tell(r.Checked(world.now, 1, 1, True, r.Raw(b'"w-7"')))
    assert isinstance(ended, r.Ended) and ended.state == "completed"


def test_a_check_that_finds_nothing_means_it_did_not_happen() -> None:
    world = World(shop.wires(7))
    world.start()
    doubtful(world)
    assert names(world.tell(r.Checked(world.now, 1, 1, False, r.NULL))) == ["RollbackBegan", "Ended"]
    assert world.machine.state == "compensated"


def test_after_a_check_that_finds_nothing_a_tolerant_undo_cancels_what_may_still_be_on_its_way() -> None:
    world = World(shop.lodges("r"))
    world.start()
    assert names(world.broke(1, "in_doubt")) == ["CheckWanted"]
    assert names(world.tell(r.Checked(world.now, 1, 1, False, r.NULL))) == ["UndoWanted"]
    assert world.machine.effects[1].in_doubt and world.machine.effects[1].result is None
    assert names(world.undone(1)) == ["RollbackBegan", "Ended"]
    assert world.machine.state == "compensated"


def test_without_a_check_a_tolerant_undo_cancels_by_key_before_the_body_goes_another_way() -> None:
    world = World(shop.rooms("x"))
    world.start()
    (undo,) = doubtful(world)
    assert isinstance(undo, r.UndoWanted)
    (again,) = world.undone(1)
    assert isinstance(again, r.StepWanted) and again.pos == 2
    (ended,) = world.done(2, "b-other")
    assert isinstance(ended, r.Ended) and ended.state == "completed"


def test_with_a_strict_undo_it_is_a_dead_letter_and_the_answer_settles_it() -> None:
    world = World(shop.order("a", "ok"))
    world.start()
    world.done(1, "h")
    letter, began, undo = doubtful(world, 2)
    assert isinstance(letter, r.DeadLettered) and letter.kind == "in_doubt"
    assert isinstance(began, r.RollbackBegan) and isinstance(undo, r.UndoWanted) and undo.pos == 1
    assert world.undone(1) == []
    assert world.machine.state == "needs_attention"
    (undo,) = world.tell(r.Answered(world.now, 1, "ann", True, r.Raw(b'{"id":"c","cents":100}'), ""))
    assert isinstance(undo, r.UndoWanted) and undo.pos == 2
    assert names(world.undone(2)) == ["Ended"]
    assert world.machine.state == "compensated"


def test_an_answer_that_does_not_fit_writes_the_letter_again() -> None:
    world = World(shop.order("a", "ok"))
    world.start()
    world.done(1, "h")
    doubtful(world, 2)
    world.undone(1)
    for answer in (r.NULL, r.Raw(b"17")):
        (letter,) = world.tell(r.Answered(world.now, max(world.machine.letters), "ann", True, answer, ""))
        assert isinstance(letter, r.DeadLettered)
    assert world.machine.state == "needs_attention"
    world.tell(r.Answered(world.now, max(world.machine.letters), "ann", False, r.NULL, ""))
    assert world.machine.state == "compensated"


def test_a_doubt_in_a_caught_failure_is_not_forgotten() -> None:
    world = World(shop.rooms("x"))
    world.start()
    doubtful(world)
    world.undo_broke(1, again=False)
    assert world.machine.letters
    assert names(world.done(2, "b-other")) == ["Returned"]
    assert world.machine.state == "needs_attention"
    (ended,) = world.tell(r.Resolved(world.now, 1, "ann", "cancelled by phone"))
    assert isinstance(ended, r.Ended) and ended.state == "completed"


def test_abandoning_ends_the_run_abandoned_and_lists_the_effect() -> None:
    world = World(shop.order("a", "ok"))
    world.start()
    world.done(1, "h")
    doubtful(world, 2)
    world.undone(1)
    (ended,) = world.tell(r.Abandoned(world.now, 1, "ann", "not worth it"))
    assert isinstance(ended, r.Ended) and ended.state == "abandoned"
    assert ended.kept == (r.Kept(2, "charge", "abandoned: by ann: not worth it"),)


def test_a_crash_calls_again_with_the_same_key() -> None:
    world = World(shop.order("a", "ok"))
    world.start()
    world.done(1, "h")
    before = world.machine.effects[2].key
    (again,) = world.crash()
    assert again == r.RetryWanted(2, 2)
    assert world.machine.effects[2].key == before and world.machine.effects[2].in_doubt


@pytest.mark.parametrize("after", range(8))
def test_a_crash_after_any_turn_changes_nothing(after: int) -> None:
    world = World(shop.three("raise"))
    script = [
        world.start,
        lambda: world.done(1, "h", world.machine.effects[1].attempt),
        lambda: world.done(2, {"id": "c", "cents": 5}, world.machine.effects[2].attempt),
        lambda: world.done(3, "b", world.machine.effects[3].attempt),
        lambda: world.undone(3, world.machine.effects[3].tries),
        lambda: world.undone(2, world.machine.effects[2].tries),
        lambda: world.undone(1, world.machine.effects[1].tries),
    ]
    for number, turn in enumerate(script):
        if number == after:
            world.crash()
        turn()
    world.crash()
    assert world.machine.state == "compensated"


def test_a_cancel_interrupts_settles_and_rolls_back_and_a_second_one_is_ignored() -> None:
    world = World(shop.order("a", "ok"))
    world.start()
    world.done(1, "h")
    assert names(world.tell(r.Cancelled(world.now, "ann", "no need"))) == ["RollbackBegan", "StopWanted"]
    assert world.tell(r.Cancelled(world.now, "bob", "me too")) == []
    assert names(world.done(2, {"id": "c", "cents": 1})) == ["UndoWanted"]
    assert world.tell(r.Cancelled(world.now, "bob", "again")) == []
    assert names(world.undone(2)) == ["UndoWanted"]
    assert names(world.undone(1)) == ["Ended"]
    assert world.machine.cause is not None and world.machine.cause.type == "Cancelled"
    assert world.tell(r.Cancelled(world.now, "bob", "after the end")) == []


def test_a_cancelled_body_is_left_at_once_and_its_finally_blocks_run() -> None:
    shop.log.clear()
    world = World(shop.tidies())
    world.start()
    world.done(1, "h")
    assert names(world.tell(r.Cancelled(world.now, "ann", ""))) == ["RollbackBegan", "UndoWanted"]
    assert shop.log == ["tidied"]
    assert world.machine.timers == {}


def test_the_body_sees_the_steps_own_error_and_its_data() -> None:
    world = World(shop.tells_the_error())
    world.start()
    error = r.Failure("Declined", "no money", data=r.Raw(b'{"args":["no money"]}'))
    (ended,) = world.tell(r.StepBroke(world.now, 1, 1, error, "failed", False))
    assert isinstance(ended, r.Ended)
    assert bytes(ended.result) == b'["reserve","Declined","no money","{\'args\': [\'no money\']}"]'


def test_a_cancel_ends_the_deadline() -> None:
    world = World(shop.bounded())
    world.start()
    world.done(1, "h")
    assert 0 in world.machine.timers
    world.tell(r.Cancelled(world.now, "ann", ""))
    assert world.machine.timers == {}


def test_a_cancel_in_a_pause_between_attempts_settles_the_doubt() -> None:
    world = World(shop.wires(7))
    world.start()
    world.broke(1, "in_doubt", again=True)
    assert names(world.tell(r.Cancelled(world.now, "ann", ""))) == ["RollbackBegan", "CheckWanted"]
    assert names(world.tell(r.Checked(world.now, 1, 1, True, r.Raw(b'"w-7"')))) == ["UndoWanted"]


def test_sleep_receive_luck_and_time_replay() -> None:
    world = World(shop.patient())
    assert names(world.start()) == ["TimerWanted", "StepWanted"]
    assert names(world.done(1, "h")) == ["TimerWanted"]
    told = r.Told(world.now, "Approval", r.Raw(b'{"by":"ann","ok":true}'), "ann")
    assert world.tell(told) == []
    world.crash()
    receive, ended = world.time_up(2)
    assert isinstance(receive, r.ReceiveWanted) and isinstance(ended, r.Ended)
    world.crash()
    assert world.machine.ended == ended


def test_a_deadline_fails_the_run_and_does_not_bound_the_rollback() -> None:
    world = World(shop.patient())
    world.start()
    world.done(1, "h")
    assert names(world.time_up(0)) == ["RollbackBegan", "UndoWanted"]
    assert world.machine.timers == {}


def test_a_receive_times_out_in_the_body() -> None:
    world = World(shop.patient())
    world.start()
    world.done(1, "h")
    world.time_up(2)
    began, _ = world.time_up(3)
    assert isinstance(began, r.RollbackBegan) and began.cause.type == "TimeoutError"


def test_a_message_of_another_shape_is_set_aside() -> None:
    world = World(shop.patient())
    world.start()
    world.done(1, "h")
    world.time_up(2)
    (aside,) = world.tell(r.Told(world.now, "Approval", r.Raw(b'{"by":5}'), "ann"))
    assert isinstance(aside, r.Unreadable)


def test_kept_effects_are_named() -> None:
    world = World(shop.keeps())
    world.start()
    world.done(1, "kept")
    world.done(2, None)
    _, ended = world.done(3, 0)
    assert isinstance(ended, r.Ended) and ended.state == "partly_compensated"
    assert [(kept.step, kept.why) for kept in ended.kept] == [
        ("note", "kept on purpose: on_rollback='keep'"),
        ("bare", "no undo is declared"),
    ]


def test_a_falsy_result_replays_as_itself() -> None:
    world = World(shop.falsy(3))
    world.start()
    for pos in (1, 2, 3):
        world.done(pos, 0)
    world.crash()
    assert world.machine.ended is not None and bytes(world.machine.ended.result) == b"[0,0,0]"


def test_code_that_asks_for_something_else_has_diverged() -> None:
    world = World(shop.order("a", "ok"))
    world.start()
    world.done(1, "h")
    other = World(shop.order("b", "ok"))
    with pytest.raises(Diverged, match="turn 1"):
        replay(other.machine, world.turns)


def test_what_cannot_have_happened_is_refused_and_changes_nothing() -> None:
    world = World(shop.order("a", "ok"))
    with pytest.raises(IllegalFact):
        world.machine.receive(r.TimeUp(1.0, 0))
    world.start()
    for fact in (
        r.UndoDone(1.0, 1, 1),
        r.StepDone(1.0, 1, 2, r.Raw(b'"h"')),
        r.StepDone(1.0, 9, 1, r.Raw(b'"h"')),
        r.TimeUp(1.0, 1),
        r.Retried(1.0, 1, "ann"),
        r.Started(1.0),
    ):
        with pytest.raises(IllegalFact):
            world.machine.receive(fact)
    assert names(world.done(1, "h")) == ["StepWanted"]


def test_a_step_that_is_not_idempotent_is_checked_before_it_is_called_again() -> None:
    world = World(shop.faxes("x"))
    world.start()
    (check,) = world.crash()
    assert check == r.CheckWanted(1, 1)
    (again,) = world.tell(r.Checked(world.now, 1, 1, False, r.NULL))
    assert again == r.RetryWanted(1, 2)
    assert names(world.broke(1, "in_doubt", again=True, attempt=2)) == ["CheckWanted"]
    assert world.tell(r.CheckBroke(world.now, 1, 1, r.Failure("Down", ""), False))[0].letter == 1  # type: ignore[attr-defined]


def test_a_call_that_kills_its_worker_is_given_up() -> None:
    world = World(shop.wires(3))
    world.start()
    for _ in range(9):
        assert names(world.crash()) == ["RetryWanted"]
    assert names(world.crash()) == ["CheckWanted"]


def test_crashes_do_not_spend_attempts() -> None:
    world = World(shop.wires(3))
    world.start()
    for _ in range(5):
        world.crash()
    assert names(world.broke(1, "in_doubt", again=True, attempt=6)) == ["TimerWanted"]


def test_what_is_found_after_the_body_went_on_is_undone() -> None:
    world = World(shop.wires(3))
    world.start()
    world.broke(1, "unstorable")
    assert world.machine.state == "needs_attention"
    (undo,) = world.tell(r.Answered(world.now, 1, "ann", True, r.Raw(b'"w-3"'), ""))
    assert isinstance(undo, r.UndoWanted)
    assert names(world.undone(1)) == ["Ended"]


def test_ten_thousand_undos_are_decided_in_linear_time() -> None:
    """Counts transitions, not seconds: each undo looks at one effect."""
    world = World(shop.falsy(2_000))
    world.start()
    for pos in range(1, 2_000):
        world.machine.receive(r.StepDone(1.0, pos, 1, r.Raw(b"0")))
    world.machine.receive(r.Cancelled(1.0, "ann", ""))
    world.machine.receive(r.StepDone(1.0, 2_000, 1, r.Raw(b"0")))
    assert world.machine.state == "compensated"
