"""The rules of joins, one test each, on a machine that is fed by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from amends import all_of, any_of, quorum, race, receive, settle, sleep, vote, within
from amends.errors import (
    AllFailed,
    AmendsError,
    BranchesFailed,
    DefinitionError,
    Diverged,
    JoinFailed,
    NoAgreement,
    QuorumImpossible,
    TooFewInTime,
)
from amends.model import records as r
from amends.model.forming import MOST_BRANCHES, MOST_DEPTH
from amends.model.join import Failed, Joined, Ok
from amends.model.phase import Phase
from amends.model.slate import Timers
from tests.model import forks, shop
from tests.model.worlds import World


def names(decisions: list[r.Decision]) -> list[str]:
    return [type(decision).__name__ for decision in decisions]


def the(kind: type[r.Decision], decisions: list[r.Decision]) -> Any:
    """The one decision of a kind."""
    (found,) = [decision for decision in decisions if isinstance(decision, kind)]
    return found


def started(call: Any) -> World:
    world = World(call)
    world.start()
    return world


def value(world: World) -> Any:
    """The value of a run whose body has returned, the same after a replay."""
    assert world.machine.returned is not None
    before = world.machine.returned
    world.crash()
    assert world.machine.returned == before
    return msgspec.json.decode(before)


def phases(world: World) -> dict[int, Phase]:
    return {pos: effect.phase for pos, effect in world.machine.effects.items()}


# ── what each verb answers ───────────────────────────────────────────────────────────────────────


def test_all_of_begins_all_at_once_and_answers_in_the_order_of_the_branches() -> None:
    world = started(forks.pair())
    wanted = world.done(1, "hold")
    assert names(wanted) == ["JoinWanted", "StepWanted", "StepWanted"]
    join = the(r.JoinWanted, wanted)
    assert (join.pos, join.verb, join.branches, join.need, join.losers) == (2, "all_of", (3, 4), 2, "undo")
    assert world.done(4, "second") == []
    decided = world.done(3, "first")
    assert the(r.JoinDecided, decided) == r.JoinDecided(2, True, (4, 3), (3, 4))
    assert the(r.StepWanted, decided).pos == 5
    world.done(5, "hold")
    assert value(world) == ["first", "second"]


def test_all_of_fails_at_the_first_failure_and_undoes_what_is_finished() -> None:
    world = started(forks.pair())
    world.done(1, "hold")
    world.done(4, "second")
    failed = world.broke(3)
    assert the(r.JoinDecided, failed) == r.JoinDecided(2, False, (4, 3), ())
    assert names(failed)[:3] == ["JoinDecided", "UndoWanted", "RollbackBegan"]
    assert the(r.UndoWanted, failed).pos == 4
    assert the(r.UndoWanted, world.undone(4)).pos == 1
    assert world.machine.cause is not None and world.machine.cause.type.endswith("BranchesFailed")


def test_settle_gives_failures_as_values() -> None:
    world = started(forks.settles())
    assert world.broke(2) == []
    world.done(3, "b")
    assert value(world) == ["Declined", "b"]


def test_any_of_answers_with_the_first_success_and_fails_when_all_did() -> None:
    world = started(forks.redundant())
    world.done(1, "h")
    assert world.broke(3) == []
    world.done(4, "b")
    assert value(world) == "b"
    world = started(forks.redundant())
    world.done(1, "h")
    world.broke(3)
    failed = world.broke(4)
    assert not the(r.JoinDecided, failed).met and world.machine.cause is not None
    assert world.machine.cause.type.endswith("AllFailed")


def test_race_ends_with_the_first_to_end_success_or_failure() -> None:
    world = started(forks.fastest())
    assert "StopWanted" in names(world.done(3, "b"))
    assert value(world) == "b"
    world = started(forks.fastest())
    assert "StopWanted" in names(world.broke(3))
    assert value(world) == "Declined"


def test_quorum_answers_with_input_order_and_arrival() -> None:
    world = started(forks.two_of_three())
    world.done(4, "C", 1)
    world.done(2, "A", 1)
    assert value(world) == [["A", None, "C"], ["A", "C"], 0, [1], [2, 0]]


def test_quorum_ends_at_the_failure_that_makes_it_impossible_with_the_winner_undone() -> None:
    world = started(forks.two_of_three())
    world.done(2, "A")
    assert world.broke(3) == []
    failed = world.broke(4)
    assert the(r.JoinDecided, failed) == r.JoinDecided(1, False, (2, 3, 4), ())
    assert the(r.UndoWanted, failed).pos == 2
    assert value(world) == ["QuorumImpossible", 2, ["A", "failed", "failed"], ["A"], 2, [], [0, 1, 2]]


def test_within_goes_on_with_what_came_in_time() -> None:
    world = started(forks.two_in_time(1))
    world.done(3, "B")
    late = world.time_up(1)
    assert names(late) == ["JoinDecided", "StopWanted", "Returned"]
    assert the(r.UndoWanted, world.done(2, "A")).pos == 2
    assert the(r.Ended, world.undone(2)).state == "completed"
    assert value(world) == [[None, "B"], ["B"], 0, [0], [1]]


def test_within_fails_when_too_few_came_and_says_so_though_none_failed() -> None:
    world = started(forks.two_in_time(2))
    world.done(3, "B")
    late = world.time_up(1)
    assert the(r.UndoWanted, late).pos == 3 and the(r.StopWanted, late).pos == 2
    assert value(world) == ["TooFewInTime", 1, [None, "B"], ["B"], 0, [0], [1]]
    world = started(forks.two_in_time(2))
    world.broke(2)
    assert value(world)[0] == "TooFewInTime"  # at once, for two can no longer succeed


def test_within_of_none_is_content_with_nothing_and_all_in_time_leaves_no_timer() -> None:
    world = started(forks.two_in_time(0))
    world.time_up(1)
    assert value(world)[:2] == [[None, None], []]
    world = started(forks.two_in_time(0))
    world.done(2, "A")
    world.done(3, "B")
    assert world.machine.ended is not None and not world.machine.timers


@pytest.mark.parametrize("result_first", [True, False])
def test_a_result_in_the_commit_of_the_deadline_is_on_one_side_only(result_first: bool) -> None:
    world = started(forks.two_in_time(0))
    world.done(2, "A")
    done = r.StepDone(1_010.0, 3, 1, r.Raw(b'"B"'))
    facts: list[r.Fact] = [done, r.TimeUp(1_010.0, 1)] if result_first else [r.TimeUp(1_010.0, 1), done]
    turn: list[r.Record] = []
    for fact in facts[:1] if result_first else facts:
        turn += [fact, *world.machine.receive(fact)]
    world.turns.append(turn)
    assert value(world)[0] == (["A", "B"] if result_first else ["A", None])
    undone = [record.pos for record in turn if isinstance(record, r.UndoWanted)]
    assert undone == ([] if result_first else [3])


def test_a_vote_ends_before_the_slow_fifth() -> None:
    world = started(forks.votes(3))
    for pos, said in ((2, "A"), (3, "A"), (4, "b")):
        assert world.done(pos, said) == []
    decided = world.done(5, "a")
    assert the(r.JoinDecided, decided).winners == (2, 3, 5) and the(r.StopWanted, decided).pos == 6
    assert value(world) == ["A", 3, ["b"], ["A", "A", "b", "a", None], ["A", "A", "b", "a"], 0, [4], [0, 1, 2, 3]]


def test_a_split_vote_ends_as_soon_as_nobody_can_win() -> None:
    world = started(forks.votes(4))
    world.done(2, "a")
    assert world.done(3, "b") == []
    assert not the(r.JoinDecided, world.done(4, "c")).met
    assert value(world)[0] == "NoAgreement"


def test_votes_with_a_minority_undo_it() -> None:
    world = started(forks.ballot())
    world.done(2, "x")
    world.done(3, "y")
    decided = world.done(4, "y")
    assert the(r.UndoWanted, decided).pos == 2 and value(world) == "y"


def test_a_key_that_raises_makes_its_branch_a_failure() -> None:
    world = started(forks.broken_key())
    world.done(2, "a")
    assert value(world) == ["NoAgreement", "KeyError('a')"]


# ── losers ───────────────────────────────────────────────────────────────────────────────────────


def test_the_decision_stands_before_anything_is_done_to_a_loser() -> None:
    world = started(forks.redundant())
    world.done(1, "h")
    decided = names(world.done(3, "a"))
    assert decided == ["JoinDecided", "StopWanted", "Returned"]


def test_two_bookings_that_succeed_in_the_same_instant_leave_one() -> None:
    world = started(forks.redundant())
    world.done(1, "h")
    turn: list[r.Record] = []
    for pos in (4, 3):
        fact = r.StepDone(world.now, pos, 1, r.Raw(b'"x"'))
        turn += [fact, *world.machine.receive(fact)]
    world.turns.append(turn)
    assert [record.pos for record in turn if isinstance(record, r.UndoWanted)] == [3]
    world.undone(3)
    assert phases(world)[3] is Phase.UNDONE and phases(world)[4] is Phase.DONE
    assert world.machine.state == "completed"


def test_a_loser_that_finishes_after_the_body_has_returned_and_a_crash_is_undone() -> None:
    world = started(forks.redundant())
    world.done(1, "h")
    returned = the(r.Returned, world.done(3, "a"))
    assert bytes(returned.result) == b'"a"' and world.machine.state == "running"
    recovered = world.crash()  # the stop was lost with the worker: it is in doubt, and cancelled by its key
    assert the(r.UndoWanted, recovered).pos == 4
    again = world.crash()
    assert the(r.UndoWanted, again).attempt == 2
    third = world.crash()
    assert the(r.UndoWanted, third).attempt == 3
    assert the(r.Ended, world.undone(4, 3)).state == "completed"


def test_a_loser_that_failed_or_waits_for_another_attempt_needs_no_undo() -> None:
    world = started(forks.redundant())
    world.done(1, "h")
    world.broke(4, again=True)  # not in doubt, and about to be asked again
    ended = the(r.Ended, world.done(3, "a"))
    assert ended.state == "completed" and phases(world)[4] is Phase.FAILED and not world.machine.timers


def test_a_kept_loser_goes_on_and_stays() -> None:
    world = started(forks.redundant_kept())
    assert names(world.done(2, "a")) == ["JoinDecided", "Returned"]
    assert names(world.broke(3, "in_doubt", again=True)) == ["TimerWanted"]
    assert names(world.time_up(3)) == ["RetryWanted"]
    (ended,) = world.done(3, "b", 2)
    assert isinstance(ended, r.Ended) and ended.state == "completed" and phases(world)[3] is Phase.DONE


def test_a_cancelled_loser_is_interrupted_and_neither_checked_nor_undone() -> None:
    world = started(forks.redundant_cancelled(False))
    assert names(world.done(2, "a")) == ["JoinDecided", "StopWanted", "Returned"]
    ended = the(r.Ended, world.broke(3, "in_doubt"))
    assert ended.state == "completed" and [kept.step for kept in ended.kept] == ["wire"]
    world = started(forks.redundant_cancelled(False))
    world.done(2, "a")
    assert the(r.Ended, world.done(3, "w")).kept == () and phases(world)[3] is Phase.DONE


def test_a_cancelled_loser_that_was_being_checked_stays_as_it_is_found() -> None:
    world = started(forks.redundant_cancelled(False))
    world.broke(3, "in_doubt")
    world.done(2, "a")
    ended = the(r.Ended, world.tell(r.CheckBroke(world.now, 3, 1, r.Failure("Down", "no"), False)))
    assert phases(world)[3] is Phase.LEFT and len(ended.kept) == 1


def test_a_loser_left_in_doubt_is_looked_after_when_the_run_rolls_back() -> None:
    world = started(forks.redundant_cancelled(True))
    world.done(2, "a")
    assert the(r.CheckWanted, world.broke(3, "in_doubt")).pos == 3


def test_a_loser_that_cannot_be_undone_is_a_letter_and_keeps_the_run_open() -> None:
    world = started(forks.wires_with_strict_undo())
    world.done(2, "a")
    letter = the(r.DeadLettered, world.broke(3, "in_doubt", type="TimeoutError"))
    assert letter.kind == "in_doubt" and world.machine.state == "needs_attention" and value(world) == "a"
    answered = world.tell(r.Answered(world.now, 1, "ann", True, r.Raw(b'"b"'), ""))
    assert the(r.UndoWanted, answered).pos == 3
    assert the(r.Ended, world.undone(3)).state == "completed"


def test_a_cancel_after_the_value_is_there_changes_nothing() -> None:
    world = started(forks.redundant())
    world.done(1, "h")
    world.done(3, "a")
    assert world.tell(r.Cancelled(world.now, "ann", "")) == []
    assert the(r.UndoWanted, world.done(4, "b")).pos == 4
    assert the(r.Ended, world.undone(4)).state == "completed"


def test_a_join_around_is_never_milder_than_the_join() -> None:
    world = started(forks.mild_around_strict())
    world.done(3, "a")  # any_of is decided: its other branch is to be undone
    world.broke(5)
    world.broke(6)  # the quorum cannot be met, and keeps what it has
    assert value(world) == "impossible"
    assert phases(world)[3] is Phase.DONE
    world = started(forks.mild_around_strict())
    world.done(3, "a")
    world.broke(5)
    world.broke(6)
    assert the(r.UndoWanted, world.done(4, "b")).pos == 4


def test_a_join_around_may_be_stricter() -> None:
    world = started(forks.strict_around_mild())
    world.done(3, "a")
    assert {d.pos for d in world.done(5, "c") if isinstance(d, (r.UndoWanted, r.StopWanted))} == {3, 4}


# ── the run as a whole ───────────────────────────────────────────────────────────────────────────


def test_a_run_that_fails_after_a_join_undoes_its_branches_at_once_and_then_what_came_before() -> None:
    world = started(forks.pair_then_stop())
    world.done(1, "h")
    world.done(3, "a")
    back = world.done(4, "b")
    assert sorted(d.pos for d in back if isinstance(d, r.UndoWanted)) == [3, 4]
    assert world.undone(4) == []
    assert the(r.UndoWanted, world.undone(3)).pos == 1
    assert the(r.Ended, world.undone(1)).state == "compensated"


def test_a_run_that_fails_after_a_join_undoes_the_winner_and_waits_for_the_loser() -> None:
    world = started(forks.redundant_then_stop())
    back = world.done(2, "a")
    assert names(back) == ["JoinDecided", "StopWanted", "RollbackBegan"]
    undo = world.done(3, "b")  # the loser comes to rest; both are of one join
    assert sorted(d.pos for d in undo if isinstance(d, r.UndoWanted)) == [2, 3]


def test_a_cancel_inside_nested_joins_interrupts_each_branch_once() -> None:
    world = started(forks.nested())
    world.done(1, "h")
    assert set(phases(world)) == {1, 4, 6, 7, 8}
    assert the(r.StopWanted, world.done(6, "b")).pos == 7  # any_of is decided
    back = world.tell(r.Cancelled(world.now, "ann", ""))
    assert sorted(d.pos for d in back if isinstance(d, r.StopWanted)) == [4, 8]
    assert not world.machine.timers
    for pos in (4, 7):
        assert world.broke(pos) == []
    undo = world.done(8, "d")
    assert sorted(d.pos for d in undo if isinstance(d, r.UndoWanted)) == [6, 8]
    world.undone(6)
    assert the(r.UndoWanted, world.undone(8)).pos == 1


def test_a_join_in_a_join_in_time() -> None:
    world = started(forks.nested())
    world.done(1, "h")
    world.done(8, "d")
    world.done(7, "c")
    decided = world.done(4, "a")
    assert [d.pos for d in decided if isinstance(d, r.JoinDecided)] == [3, 2]
    assert value(world) == ["(('a', 'c'), 'd')"]


def test_a_deadline_around_joins_lets_go_of_all_that_is_open_in_them() -> None:
    world = started(forks.nested())
    world.done(1, "h")
    late = world.time_up(2)
    assert sorted(d.pos for d in late if isinstance(d, r.StopWanted)) == [4, 6, 7, 8]
    assert [d.pos for d in late if isinstance(d, r.JoinDecided)] == [2]


# ── pauses and messages ──────────────────────────────────────────────────────────────────────────


def told(world: World, text: str) -> list[r.Decision]:
    return world.tell(r.Told(world.now, "str", r.Raw(msgspec.json.encode(text)), "ann"))


def test_a_message_and_a_pause_are_branches() -> None:
    world = started(forks.told_or_late())
    told(world, "yes")
    assert value(world) == "yes" and not world.machine.timers
    world = started(forks.told_or_late())
    world.time_up(3)
    assert value(world) == "late"


def test_a_message_that_a_branch_waits_for_has_its_own_time() -> None:
    world = started(forks.word_in_time())
    wanted = the(r.ReceiveWanted, world.turns[0])
    assert (wanted.pos, wanted.until) == (2, world.now + 5) and world.machine.timers == {2: world.now + 5}
    assert world.time_up(2) == [] and not world.machine.timers
    world.broke(3)
    assert value(world) == ["TimeoutError", "StepFailed"]
    world = started(forks.word_in_time())
    world.done(3, "a")
    assert value(world) == ["a"] and not world.machine.timers


def test_a_message_that_is_there_already_decides_before_the_others_begin() -> None:
    world = started(forks.booking_or_word())
    told(world, "yes")
    decided = world.time_up(1)
    assert names(decided) == ["JoinWanted", "StepWanted", "ReceiveWanted", "JoinDecided", "StopWanted", "Returned"]
    assert value(world) == "yes"


def test_two_receives_of_one_type_get_a_message_each_in_their_order() -> None:
    world = started(forks.two_ears())
    told(world, "first")
    told(world, "second")
    assert value(world) == ["first", "second"]


def test_a_receive_that_lost_swallows_no_message() -> None:
    world = started(forks.lost_ear())
    world.done(3, "a")
    told(world, "still there")
    assert value(world) == "still there"


# ── what is awaited ──────────────────────────────────────────────────────────────────────────────


def test_an_argument_that_cannot_be_kept_begins_nothing() -> None:
    world = World(forks.unstorable())
    (only,) = world.start()
    assert isinstance(only, r.StepWanted) and only.step == "ask" and only.pos == 1


def test_the_same_call_twice_is_two_effects() -> None:
    world = World(forks.twice())
    first, second = (d for d in world.start() if isinstance(d, r.StepWanted))
    assert first.key != second.key and first.args == second.args


def test_a_join_that_is_never_awaited_names_one_of_its_calls() -> None:
    world = World(forks.forgotten())
    began = the(r.RollbackBegan, world.start())
    assert began.cause.type.endswith("NeverAwaited") and "book('forgotten')" in began.cause.message


def test_except_star_works_and_keeps_the_partial() -> None:
    world = started(forks.groups())
    world.broke(2)
    assert value(world) == ["BranchesFailed", "book", "True"]


def test_a_rule_that_was_changed_diverges_on_replay() -> None:
    world = started(forks.changing())
    world.done(2, "a")
    forks.rule["need"] = 2
    try:
        with pytest.raises(Diverged, match=r"recorded: JoinWanted.*need=1(?s:.*)asked: .*need=2"):
            world.crash()
    finally:
        forks.rule["need"] = 1


def test_a_decision_that_is_not_what_the_journal_says_diverges() -> None:
    world = started(forks.changing())
    world.done(2, "a")
    decided = world.turns[-1]
    at = next(number for number, record in enumerate(decided) if isinstance(record, r.JoinDecided))
    decided[at] = r.JoinDecided(1, True, (3,), (3,))
    with pytest.raises(Diverged, match="JoinDecided"):
        world.crash()


# ── mistakes at the call ─────────────────────────────────────────────────────────────────────────

call = shop.book("a")
bare = forks.send("x")

MISTAKES: list[tuple[str, Callable[[], Any]]] = [
    ("takes 1 to 10000 branches, not 0", lambda: all_of()),
    ("not 0", lambda: settle()),
    ("not 0", lambda: any_of()),
    ("not 0", lambda: race()),
    ("not 0", lambda: within(1, at_least=0)),
    ("not 0", lambda: quorum(1)),
    ("not 0", lambda: vote(agree=1)),
    ("n comes first", lambda: quorum(call, call)),  # type: ignore[arg-type]
    ("quorum.n=0", lambda: quorum(0, call)),
    ("quorum.n=2", lambda: quorum(2, call)),
    ("quorum.n=True", lambda: quorum(True, call)),
    ("within.at_least=3", lambda: within(1, call, call, at_least=3)),
    ("within.at_least=-1", lambda: within(1, call, at_least=-1)),
    ("vote.agree=2.*from 3 to 4: more than half", lambda: vote(call, call, call, call, agree=2)),
    ("vote.agree=6", lambda: vote(call, call, call, call, call, agree=6)),
    ("finite", lambda: within(math.nan, call)),
    ("finite", lambda: within(math.inf, call)),
    ("negative", lambda: within(-1, call)),
    ("within.* is 0", lambda: within(0, call)),
    ("seconds", lambda: within(timedelta(0), call)),
    ("not 'hold'. Give the call itself, without `await`", lambda: all_of(call, "hold")),  # type: ignore[call-overload]
    ("Call it: book", lambda: all_of(call, shop.book)),
    (r"put a \* before it", lambda: all_of([call, call])),  # type: ignore[call-overload]
    (r"put a \* before it", lambda: any_of(call for _ in range(2))),  # type: ignore[arg-type]
    ("'undo', 'keep' or 'cancel'", lambda: all_of(call, losers="drop")),  # type: ignore[call-overload]
    ("takes 1 to 10000", lambda: all_of(*[sleep(1)] * (MOST_BRANCHES + 1))),
    ("things are in it", lambda: all_of(*[all_of(*[sleep(1)] * MOST_BRANCHES)] * 10)),
]


@pytest.mark.parametrize(("said", "made"), MISTAKES)
def test_mistakes_are_refused_at_the_call(said: str, made: Callable[[], Any]) -> None:
    with pytest.raises(DefinitionError, match=said):
        made()


def test_a_coroutine_is_no_branch() -> None:
    async def other() -> None: ...

    coroutine = other()
    with pytest.raises(DefinitionError, match="without `await`"):
        all_of(coroutine)  # type: ignore[call-overload]
    coroutine.close()


def test_joins_are_not_nested_without_end() -> None:
    join: Any = any_of(call)
    for _ in range(MOST_DEPTH - 1):
        join = any_of(join)
    with pytest.raises(DefinitionError, match="more than 16 joins"):
        any_of(join)


EARLY: list[Callable[..., Any]] = [
    any_of,
    race,
    lambda *branches, **rest: quorum(1, *branches, **rest),
    lambda *branches, **rest: within(1, *branches, **rest),
    lambda *branches, **rest: vote(*branches, agree=len(branches), **rest),
]


@pytest.mark.parametrize("join", EARLY)
def test_a_step_without_undo_needs_a_word_about_losers(join: Callable[..., Any]) -> None:
    with pytest.raises(DefinitionError, match=r"step 'send' has no undo(?s:.*)Declare @send.undo"):
        join(call, bare)
    with pytest.raises(DefinitionError, match="step 'send' has no undo"):
        join(all_of(bare), call)
    assert join(bare, losers="undo").losers == "undo" and join(bare, losers="keep").losers == "keep"
    assert join(call, forks.ask("x"), shop.note("kept"), sleep(1), receive(str)).losers == "undo"


def test_the_others_wait_for_all_and_ask_nothing() -> None:
    assert all_of(bare).losers == "undo" and settle(bare).losers == "keep"


# ── the values ───────────────────────────────────────────────────────────────────────────────────


def test_joined_says_what_came() -> None:
    error = ValueError("no")
    found: Joined[str] = Joined((Ok("a"), Failed(error), None), (1, 0))
    assert (found.ok, found.lost, found.arrival) == (("a",), (2,), (1, 0)) and found.failed[0].error is error
    with pytest.raises(BranchesFailed) as caught:
        found.values()
    assert str(caught.value) == "1 of 3 branches failed: ValueError: no"
    assert caught.value.partial is found and caught.value.exceptions == (error,)
    assert Joined((Ok(1), None), (0,)).values() == (1,)


@pytest.mark.parametrize("kind", [BranchesFailed, AllFailed, QuorumImpossible, TooFewInTime, NoAgreement])
def test_errors_of_joins_are_groups_with_the_partial(kind: type[JoinFailed]) -> None:
    inner = [ValueError("a"), KeyError("b")]
    error = kind("no", inner, "partial")
    values, rest = error.split(ValueError)
    assert isinstance(values, kind) and values.exceptions == (inner[0],) and values.partial == "partial"
    assert isinstance(rest, kind) and isinstance(error, ExceptionGroup) and isinstance(error, AmendsError)
    (alone,) = kind("too late", [], None).exceptions
    assert "no branch failed" in str(alone)


def test_a_join_reads_as_it_is_written() -> None:
    assert repr(any_of(call, forks.ask("b"))) == "any_of(book('a'), ask('b'))"
    assert repr(all_of(*[call] * 6)).endswith(", …)")


def test_timers_are_told_in_their_order_and_once() -> None:
    timers = Timers()
    timers[1], timers[2], timers[3], timers[4] = 30.0, 10.0, 20.0, 25.0
    timers[2] = 40.0
    assert timers.next_due == 20.0
    assert timers.ring(35.0) == [3, 4, 1] and timers.ring(35.0) == []
    del timers[3], timers[4], timers[1]
    timers[2] = 40.0
    timers.pop(2)
    assert timers.next_due is None and timers.ring(50.0) == []


def test_ten_thousand_branches_are_decided_in_one_go() -> None:
    world = started(forks.naps(MOST_BRANCHES))
    assert len(world.machine.timers) == MOST_BRANCHES
    for pos in world.machine.timers.ring(2_000.0):
        world.machine.receive(r.TimeUp(2_000.0, pos))
    assert world.machine.ended is not None and world.machine.ended.state == "completed"
