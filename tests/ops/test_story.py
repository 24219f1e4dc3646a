"""Stories told from hand-made journals, and what `why` makes of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from amends.errors import Diverged
from amends.model import records as r
from amends.model.failure import failure_of
from amends.ops import diff, tables, words
from amends.ops.story import Story, tell
from amends.ops.why import Look, Why, explain
from amends.stores.port import Letter, Run
from tests.ops import test_drawing as drawings
from tests.ops.pages import blank, child, drawn, join

RESET = r.Failure("ConnectionError", "peer reset")
NO = r.Failure("shop.Declined", "no money")
DIED = "the worker stopped during it, so its answer is lost"


def raw(value: Any) -> r.Raw:
    return r.Raw(msgspec.json.encode(value))


def want(pos: int, step: str) -> r.StepWanted:
    return r.StepWanted(pos, step, f"key-{pos}", raw({"n": pos}))


def done(at: float, pos: int, attempt: int = 1) -> r.StepDone:
    return r.StepDone(at, pos, attempt, raw(f"r{pos}"))


def broke(at: float, pos: int, attempt: int, error: r.Failure, outcome: r.Outcome) -> r.StepBroke:
    return r.StepBroke(at, pos, attempt, error, outcome, True)


BEGUN: list[list[r.Record]] = [[r.Started(100.0), want(1, "reserve")], [done(101.0, 1), want(2, "charge")]]
TURNED: list[list[r.Record]] = [
    *BEGUN,
    [broke(102.0, 2, 1, NO, "failed"), r.RollbackBegan("failed", NO), r.UndoWanted(1, 1, "u1")],
]


def lines(story: Story) -> list[tuple[str, str, str]]:
    return [(line.what, line.outcome, line.undo) for line in story.lines]


def test_each_lost_attempt_stays_in_the_story_of_a_step_that_was_done_at_last() -> None:
    story = tell(
        [
            *BEGUN,
            [broke(102.0, 2, 1, RESET, "in_doubt"), r.TimerWanted(2, 105.0)],
            [r.TimeUp(105.0, 2), r.RetryWanted(2, 2)],
            [done(106.0, 2, 2), r.Ended("completed", raw("ok"), ())],
        ]
    )
    assert lines(story) == [("reserve", "done", ""), ("charge", "done on attempt 2", ""), ("completed", "", "")]
    first, second = story.steps[2].tries
    assert (first.said, first.error, first.ended, first.pause) == ("in doubt", "ConnectionError: peer reset", 2.0, 3.0)
    assert (second.said, second.at, second.ended) == ("done", 5.0, 6.0)
    assert story.steps[2].result == '"r2"' and story.lines[-1].detail == '"ok"' and story.state == "completed"


def test_an_undo_is_told_beside_the_step_that_it_undoes() -> None:
    story = tell([*TURNED, [r.UndoDone(104.0, 1, 1), r.Ended("compensated", r.NULL, ())]])
    assert lines(story) == [
        ("reserve", "done", "undone at +4.0 s"),
        ("charge", "failed", ""),
        ("rollback began", "", ""),
        ("compensated", "", ""),
    ]


def test_what_is_kept_and_what_needs_no_undo_is_said() -> None:
    kept = r.Kept(1, "reserve", "no undo is declared")
    turned = [*BEGUN[:1], [done(101.0, 1), want(2, "look")], [done(102.0, 2), want(3, "charge")]]
    end = [broke(103.0, 3, 1, NO, "failed"), r.RollbackBegan("failed", NO), r.Ended("partly_compensated", r.NULL, (kept,))]
    assert [line.undo for line in tell([*turned, end]).steps.values()] == ["kept", "nothing to undo", ""]


def test_a_later_refusal_does_not_clear_a_doubt_and_a_check_does() -> None:
    twice = [
        *BEGUN,
        [broke(102.0, 2, 1, RESET, "in_doubt"), r.RetryWanted(2, 2)],
        [broke(103.0, 2, 2, NO, "failed"), r.CheckWanted(2, 1)],
    ]
    assert tell(twice[:-1]).steps[2].outcome == "no answer yet"
    assert tell([*twice[:-1], [broke(103.0, 2, 2, NO, "failed")]]).steps[2].outcome == "in doubt"
    assert tell(twice).steps[2].outcome == "in doubt, being checked"
    assert tell([*twice, [r.CheckBroke(104.0, 2, 1, RESET, True)]]).steps[2].outcome == "in doubt"
    story = tell([*twice, [r.Checked(104.0, 2, 1, False, r.NULL), r.RetryWanted(2, 3)], [broke(105.0, 2, 3, NO, "failed")]])
    assert story.steps[2].outcome == "failed"
    assert tell([*twice, [r.Checked(104.0, 2, 1, True, raw("x"))]]).steps[2].outcome == "done, a check found"


def test_a_crash_ends_what_was_under_way() -> None:
    story = tell([*BEGUN, [r.Recovered(110.0, "w"), r.RetryWanted(2, 2)]])
    assert [(each.said, each.error) for each in story.steps[2].tries] == [("in doubt", DIED), ("", "")]
    assert story.recoveries == 1 and story.steps[2].busy is not None
    story = tell([*TURNED, [r.Recovered(110.0, "w")]])
    assert story.steps[1].undo == "undo interrupted" and story.steps[1].outcome == "done"


def test_a_letter_and_what_a_person_did_are_told() -> None:
    stuck = [*TURNED, [r.UndoBroke(103.0, 1, 1, RESET, False), r.DeadLettered(1, 1, "undo_failed", RESET)]]
    story = tell(stuck)
    assert story.steps[1].undo == "needs a person (#1)" and list(story.letters) == [1]
    assert story.lines[-1].what == "undo failed, about 1 reserve" and story.lines[-1].detail == ""
    story = tell([*stuck, [r.Resolved(200.0, 1, "ann", "by hand"), r.Ended("compensated", r.NULL, ())]])
    assert story.steps[1].undo == "done by hand at +100.0 s" and not story.letters
    assert story.lines[-2].what == "letter #1 resolved by ann" and story.lines[-2].detail == "by hand"
    kept = (r.Kept(1, "reserve", "by ann: so what"),)
    story = tell([*stuck, [r.Abandoned(200.0, 1, "ann", "so what"), r.Ended("abandoned", r.NULL, kept)]])
    assert story.steps[1].undo.startswith("abandoned at") and story.state == "abandoned"
    story = tell([*stuck, [r.Retried(200.0, 1, "ann"), r.UndoWanted(1, 2, "u1")], [r.UndoDone(201.0, 1, 2)]])
    assert story.steps[1].undo == "undone at +101.0 s"


def test_only_a_worker_that_has_stopped_is_said_to_have_stopped() -> None:
    parked = [[r.Stalled(103.0, "diverged", NO), r.DeadLettered(1, 0, "diverged", NO)], [r.Retried(104.0, 1, "ann")]]
    story = tell([*BEGUN, *parked, [r.Recovered(105.0, "w2")], [r.Recovered(106.0, "w3")], [r.Recovered(107.0, "w3", True)]])
    said = [line.what for line in story.lines if line.kind == "event"]
    assert said[1:2] == ["taken up again, as its code fits its journal"]
    assert said[2:] == ["taken over: the worker before had stopped", "taken over: the worker before had left"]


def test_a_doubt_that_a_person_answered() -> None:
    doubt = [
        *BEGUN,
        [
            broke(102.0, 2, 1, RESET, "in_doubt"),
            r.DeadLettered(1, 2, "in_doubt", RESET),
            r.RollbackBegan("failed", RESET),
        ],
    ]
    assert tell(doubt).steps[2].outcome == "in doubt, needs a person (#1)"
    story = tell([*doubt, [r.Answered(110.0, 1, "ann", False, r.NULL, "asked them")]])
    assert story.steps[2].outcome == "did not happen, says ann"
    story = tell([*doubt, [r.Answered(110.0, 1, "ann", True, raw("x"), ""), r.UndoWanted(2, 1, "u2")]])
    assert (story.steps[2].outcome, story.steps[2].undo) == ("happened, says ann", "being undone")


def receive(pos: int, name: str = "Yes", until: float | None = None) -> r.ReceiveWanted:
    return r.ReceiveWanted(pos, name, until)


def test_messages_told_before_and_after_they_are_asked_for_and_never() -> None:
    story = tell(
        [
            BEGUN[0],
            [r.Told(101.0, "Yes", raw(1), "ann")],
            [r.Told(101.5, "No", raw(2), "bob")],
            [done(102.0, 1), receive(2), receive(3)],
            [r.Told(105.0, "Yes", raw(3), "ann"), r.Ended("completed", r.NULL, ())],
        ]
    )
    told = [line.outcome for line in story.lines if line.kind == "message"]
    assert told == ["taken at 2", "never asked for", "taken at 3"]
    assert [story.steps[at].outcome for at in (2, 3)] == ["received, told at +1.0 s", "received"]
    assert [line.what for line in story.unread] == ["No"] and not story.waiting


def test_a_message_of_the_wrong_type_is_set_aside_and_the_saga_waits_on() -> None:
    begun = [BEGUN[0], [r.Told(101.0, "Yes", raw(1), "ann")]]
    asked = [done(102.0, 1), receive(2), r.Unreadable(2, 0, "it is no str")]
    story = tell([*begun, asked])
    assert story.lines[1].outcome == "set aside" and "it is no str" in story.lines[1].detail
    assert list(story.waiting) == [2] and story.steps[2].outcome == "no message yet"
    story = tell([*begun, [r.Told(101.5, "Yes", raw("a"), "ann")], asked])
    assert [line.outcome for line in story.lines if line.kind == "message"] == ["set aside", "taken at 2"]
    assert not story.waiting


def test_sleeps_and_waits_that_end_by_time_or_are_given_up() -> None:
    slept = [[r.Started(100.0), r.TimerWanted(1, 160.0)], [r.TimeUp(160.0, 1), receive(2, until=200.0)]]
    assert list(tell(slept[:1]).waiting) == [1]
    assert [line.outcome for line in tell(slept).lines] == ["slept", "no message yet"]
    assert tell([*slept, [r.TimeUp(200.0, 2)]]).steps[2].outcome == "no message in time"
    cause = r.Failure("Cancelled", "cancelled by ann: enough")
    story = tell([*slept, [r.Cancelled(170.0, "ann", "enough"), r.RollbackBegan("cancelled", cause)]])
    assert story.steps[2].outcome == "given up" and not story.waiting
    again = tell([*slept, [r.RollbackBegan("cancelled", cause)], [r.Cancelled(171.0, "bob", "")]])
    assert again.lines[-1].outcome == "it rolls back already"


# ── why ──────────────────────────────────────────────────────────────────────────────────────────


def why(turns: list[list[r.Record]], *letters: Letter, mail: tuple[r.Fact, ...] = (), gone: bool = False, **row: Any) -> Why:
    run = Run(**{"id": "o-1", "saga": "order", "input": b"{}", "seed": b"", "created_at": 100.0, "owner": "h:1:x"} | row)
    return explain(Look(run, tell(turns), letters, mail, gone, 110.0, "root"))


def letter(kind: r.LetterKind, *acts: str) -> Letter:
    body = msgspec.json.encode({"error": {}, "waits": "", "acts": acts, "attempts": 3, "key": "k17"})
    return Letter("o-1", 1, "order", kind, "charge", "ConnectionError: peer reset", 105.0, body)


def test_why_of_a_run_that_waits_for_a_step() -> None:
    found = why(BEGUN)
    assert "waits for the answer of step 'charge', attempt 1, asked for 9.0 s ago" in found.text
    assert "Worker h:1:x drives it" in found.text and "amends worker MODULE" not in found.commands
    for nobody in (why(BEGUN, owner=None), why(BEGUN, gone=True)):
        assert "amends worker MODULE" in nobody.commands
    assert "has died" in why(BEGUN, gone=True).text and "Nobody drives it" in why(BEGUN, owner=None).text


def test_why_of_a_pause_says_when_it_ends_and_what_went_wrong() -> None:
    found = why([*BEGUN, [broke(102.0, 2, 1, RESET, "in_doubt"), r.TimerWanted(2, 170.0)]])
    assert "in 60.0 s" in found.text and "ConnectionError: peer reset." in found.text


def test_what_a_message_set_off_is_no_earlier_than_the_worker_that_took_it_up() -> None:
    story = tell(
        [
            [r.Started(100.0), receive(1)],
            [r.Recovered(104.0, "w")],
            [r.Told(101.0, "Yes", raw(1), "ann"), r.Ended("completed", r.NULL, ())],
        ]
    )
    assert [(line.kind, line.at) for line in story.lines[1:]] == [("event", 4.0), ("message", 1.0), ("end", 4.0)]


def test_why_of_a_body_that_waits() -> None:
    found = why([[r.Started(100.0), receive(1, until=170.0)], [r.Told(101.0, "No", raw(2), "bob")]])
    assert "waits for a message Yes, at most until" in found.text and "not asked for yet: No" in found.text
    assert "amends tell o-1 Yes JSON" in found.commands
    assert "sleeps until" in why([[r.Started(100.0), r.TimerWanted(1, 160.0)]]).text
    assert "has not begun" in why([]).text


def test_why_names_what_is_posted_and_not_taken_up() -> None:
    found = why(BEGUN, mail=(r.Cancelled(1.0, "ann", "x"), r.Told(1.0, "Yes", raw(1), "bob")), owner=None)
    assert "not yet taken up: cancel by ann, message Yes from bob." in found.text


NESTED: list[list[r.Record]] = [[r.Started(100.0), child(2, "leg")]]


@pytest.mark.parametrize(
    ("piece", "said"),
    [
        (r.ChildDone(1.0, 2, raw(1)), "the value of run o-1//2."),
        (r.ChildClosed(1.0, 2, "compensated", NO, ()), "that run o-1//2 was rolled back."),
        (r.ChildStuck(1.0, 2, ("o-1//2#1",)), "that run o-1//2 needs a person."),
        (r.ChildStuck(1.0, 2, ()), "that run o-1//2 goes on again."),
        (r.Unwound(1.0, "root", "x"), "that run root, which it is nested in, takes it back."),
        (r.Retried(1.0, 1, "ann"), "retried by ann."),
    ],
)
def test_why_names_mail_that_is_not_from_a_person_too(piece: r.Fact, said: str) -> None:
    assert f"not yet taken up: {said}" in why(NESTED, mail=(piece,)).text
    unread = why([], letter("damaged"), mail=(r.ChildDone(1.0, 2, raw(1)),), state="needs_attention")
    assert "the value of the run nested at 2" in unread.text  # nothing is known of a journal that cannot be read


def test_of_much_mail_only_some_is_named() -> None:
    assert "bob, and 3 more." in why(BEGUN, mail=tuple(r.Told(1.0, "Yes", raw(1), "bob") for _ in range(8))).text


def test_why_and_show_say_what_the_deadline_means_and_whether_it_comes_first() -> None:
    asleep: list[list[r.Record]] = [[r.Started(100.0), r.TimerWanted(0, 160.0), r.TimerWanted(1, 3700.0)]]
    assert "Its deadline comes first, 1970-01-01 00:02:40Z (in 50.0 s): it is rolled back then." in why(asleep).text
    assert "by its deadline, 1970-01-01 00:02:40Z (in 50.0 s)" in drawn(asleep)
    awake: list[list[r.Record]] = [[r.Started(100.0), r.TimerWanted(0, 160.0), r.TimerWanted(1, 120.0)]]
    assert "It is rolled back if it has not ended by its deadline, 1970-01-01 00:02:40Z (in 50.0 s)." in why(awake).text
    rolls: list[list[r.Record]] = [[r.Started(100.0), r.TimerWanted(0, 105.0), want(1, "reserve")], [done(101.0, 1)]]
    rolls.append([r.TimeUp(105.0, 0), r.RollbackBegan("deadline", NO), r.UndoWanted(1, 1, "u1")])
    assert "its deadline" not in why(rolls).text and "its deadline" not in drawn(rolls)  # it is over and done with


@pytest.mark.parametrize(
    ("at", "said"),
    [(1e12, "the year 33658 (in 31689 years)"), (1e300, "the year 3e+292"), (float("inf"), "the year "), (-1e14, "ago)")],
)
def test_every_instant_can_be_told(at: float, said: str) -> None:
    assert said in words.when(at, 100.0)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("undo_failed", "still in the world"),
        ("in_doubt", "by its key k17"),
        ("unstorable", "took effect"),
        ("diverged", "Nothing was called"),
        ("damaged", "damaged"),
    ],
)
def test_why_of_each_kind_of_letter_says_what_a_person_can_do(kind: r.LetterKind, said: str) -> None:
    found = why(TURNED, letter(kind, "retry", "resolve"), state="needs_attention")
    assert said in found.text and "because: shop.Declined: no money." in found.text
    assert found.commands[:2] == ("amends dlq show 'o-1#1'", "amends dlq retry 'o-1#1'")
    assert not any("abandon" in command for command in found.commands)


def test_why_of_a_closed_run() -> None:
    assert "completed after 5.0 s; it waits for nothing" in why([], state="completed", closed_at=105.0).text
    ended = [*TURNED, [r.UndoDone(104.0, 1, 1), r.Ended("compensated", r.NULL, ())]]
    found = why(ended, state="compensated", closed_at=104.0)
    assert "rolled back" in found.text and "Nothing of it is left" in found.text and not found.commands


def diverged(run: str, recorded: str, asked: str, saga: str = "order") -> Letter:
    error = failure_of(Diverged(run, 3, recorded, asked))
    return Letter(run, 1, saga, "diverged", "", str(error), 105.0, msgspec.json.encode({"error": error, "acts": ["retry"]}))


RENAMED = (
    diverged("m1", "StepWanted(pos=2, step='a', args={\"step\":1})", "StepWanted(pos=2, step='b', args={})"),
    diverged("m2", "StepWanted(pos=5, step='a', args={})", 'StepWanted(pos=5, step=\'b\', args={"x":"name"})'),
)


def test_runs_that_one_change_of_the_code_has_stopped_stand_together() -> None:
    assert len({diff.alike(letter) for letter in RENAMED}) == 1
    others = [
        diverged("m3", "StepWanted(pos=2, step='a', args={})", "StepWanted(pos=2, step='c', args={})"),
        diverged("m4", "StepWanted(pos=2, step='a', args={})", "nothing more"),
        diverged("m5", "StepWanted(pos=2, step='a', args={})", "StepWanted(pos=2, step='b', args={})", "trip"),
    ]
    assert len({diff.alike(letter) for letter in (*RENAMED, *others)}) == 4
    page, text = blank(60)
    tables.letters(page, RENAMED, {"m1": "m1", "m2": "m2"}, 110.0)
    assert text.getvalue().startswith("diverged, 2, the first of them: ") and text.getvalue().count("recorded:") == 1
    assert max(len(line) for line in text.getvalue().splitlines()) <= 60


def test_a_diff_is_told_line_by_line() -> None:
    text = why(BEGUN, RENAMED[0], state="needs_attention").text
    shown = [
        line.strip()
        for line in drawn(
            [*BEGUN, [r.DeadLettered(1, 0, "diverged", failure_of(Diverged("m1", 3, "A()", "B()")))]]
        ).splitlines()
    ]
    assert "\n  - recorded: StepWanted(pos=2, step='a', args={\"step\":1})\n  + asked:    StepWanted(pos=2, step='b'" in text
    assert shown.index("- recorded: A()") + 1 == shown.index("+ asked:    B()")
    assert diff.lines("no\ndiff") == "no diff"


# ── words ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 ms"),
        (0.9999, "1.0 s"),
        (90, "90.0 s"),
        (300, "5 min"),
        (9000, "2.5 h"),
        (400_000, "4.6 days"),
        (1e8, "3.2 years"),
        (-3, "-3.0 s"),
    ],
)
def test_spans(seconds: float, said: str) -> None:
    assert words.span(seconds) == said


def test_text_of_others_cannot_command_the_terminal() -> None:
    assert words.plain("a\x1b[31m\nb\u202e\x9b1") == "a\\x1b[31m b\\u202e\\x9b1"
    assert words.printable("a\n\tb") == "a\n b" and words.plain("grün 漢字") == "grün 漢字"
    assert words.plus(4000) == "+1:06:40"


# ── branches ─────────────────────────────────────────────────────────────────────────────────────


def test_why_of_a_join_says_how_far_it_is_and_what_each_branch_waits_for() -> None:
    begun: list[list[r.Record]] = [
        [
            r.Started(100.0),
            join(1, "quorum", 4, 3),
            want(2, "ask"),
            child(3, "trip"),
            receive(4),
            r.TimerWanted(5, 130.0),
        ],
        [done(101.0, 2)],
    ]
    found = why(begun)
    assert "In quorum 3 of 4 at 1 (1 done, 3 at work) it waits for run o-1//3 of saga trip to end;" in found.text
    assert "; a message Yes; the end of its pause: it sleeps until" in found.text
    assert found.commands == ("amends why o-1//3", "amends tell o-1 Yes JSON", "amends cancel o-1 --reason TEXT")


def test_why_of_a_run_that_has_its_value_names_the_losers_that_are_open() -> None:
    text = why(drawings.LATE).text
    assert "It has its value, and closes when what its losers do is at an end: it waits for the undo of step 'far'" in text


def test_why_of_a_parent_leads_to_the_letter_of_the_nested_run() -> None:
    stuck = msgspec.structs.replace(letter("undo_failed", "retry"), run_id="o-1//8")
    found = why(drawings.TURNED, stuck, state="needs_attention")
    assert "about one thing. It is rolled back, because: all_of 3 at 2 failed: 5 ask: shop.Declined: no money; 6 trip: " in (
        found.text
    )
    assert "In run o-1//8, nested in it: The undo of step 'charge'" in found.text
    assert found.commands[:2] == ("amends dlq show 'o-1//8#1'", "amends dlq retry 'o-1//8#1'")


def test_a_cause_that_is_not_of_the_join_that_failed_last_is_told_in_its_own_words() -> None:
    caught = r.Failure("amends.errors.AllFailed", "every branch failed: no")
    turned = [*drawings.TURNED[:5], [r.JoinDecided(2, False, (3, 8), ()), r.RollbackBegan("failed", caught)]]
    assert "because: amends.errors.AllFailed: every branch failed: no." in why(turned).text


def test_why_says_once_what_many_nested_runs_need_a_person_for() -> None:
    stuck = [msgspec.structs.replace(letter("undo_failed", "retry"), run_id=f"o-1//{number}") for number in range(1, 6)]
    found = why(drawings.TURNED, *stuck, state="needs_attention")
    assert "about 5 things" in found.text and found.text.count("does not succeed") == 1
    assert "In runs o-1//1, o-1//2, o-1//3 and 2 more, nested in it: The undo" in found.text
    assert found.commands[-1] == "amends dlq list" and len(found.commands) == 7


def test_why_of_a_nested_run_names_the_run_that_it_is_nested_in() -> None:
    held = why([[r.Started(100.0), r.Held(raw(1), ())]], state="held", parent="root//1")
    assert "Until run root closes" in held.text and held.commands == ("amends why root",)
    assert "of saga order, nested in run root, is running" in why(BEGUN, parent="root//1").text


def test_why_of_a_fan_out_is_its_figures() -> None:
    found = why(drawings.FANNED)
    assert "each(price) at 1: 1,000 of 4,000 items ended, 997 done, 3 failed, 3,000 not started, 100 a second" in found.text
    assert "amends why o-1//3" in found.commands
