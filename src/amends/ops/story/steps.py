"""How a story goes on with what is heard of a step: its attempts, its check, its undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from amends.model import records as r
from amends.ops.story.lines import Try
from amends.ops.words import plus

if TYPE_CHECKING:
    from amends.ops.story.lines import Line, Story, Tellers

BROKEN: dict[str, str] = {"failed": "failed", "in_doubt": "in doubt", "unstorable": "done, result not storable"}

INTERRUPTED = "interrupted"

BEING_INTERRUPTED = "being interrupted"

BEING_UNDONE = "being undone"

NOT_HAPPENED = "it did not happen"

CRASH = "the worker stopped during it, so its answer is lost"


def _step_wanted(story: Story, record: r.StepWanted) -> None:
    line = story.add("step", record.step, pos=record.pos, key=record.key, args=bytes(record.args).decode())
    _call(story, line, "attempt", 1)


def _retry_wanted(story: Story, record: r.RetryWanted) -> None:
    _call(story, story.steps[record.pos], "attempt", record.attempt)


def _check_wanted(story: Story, record: r.CheckWanted) -> None:
    _call(story, story.steps[record.pos], "check", record.attempt)


def _undo_wanted(story: Story, record: r.UndoWanted) -> None:
    _call(story, story.steps[record.pos], "undo", record.attempt)


def _call(story: Story, line: Line, what: Literal["attempt", "check", "undo"], number: int) -> None:
    line.tries.append(Try(what, number, story.now))
    line.until = None
    if what == "undo":
        line.undo = BEING_UNDONE
    else:
        line.ok = None
        line.outcome = "no answer yet" if what == "attempt" else "in doubt, being checked"


def _step_done(story: Story, record: r.StepDone) -> None:
    line = _over(story, record.pos, "done")
    line.outcome, line.ok, line.result = "done", True, bytes(record.result).decode()
    if line.count("attempt") > 1:
        line.outcome = f"done on attempt {record.attempt}"


def _step_broke(story: Story, record: r.StepBroke) -> None:
    line = _over(story, record.pos, BROKEN[record.outcome], str(record.error))
    line.outcome = "in doubt" if record.outcome == "failed" and _in_doubt(line) else BROKEN[record.outcome]
    line.ok, line.error = False, record.error
    if line.stopped and record.outcome == "in_doubt":
        line.tries[-1].said = line.outcome = INTERRUPTED
        line.ok = None


def _in_doubt(line: Line) -> bool:
    """Whether an answer was lost, and no check has found out since."""
    for each in reversed(line.tries):
        if each.what == "attempt" and each.said == BROKEN["in_doubt"]:
            return True
        if each.said == NOT_HAPPENED:
            return False
    return False


def _checked(story: Story, record: r.Checked) -> None:
    line = _over(story, record.pos, "it happened" if record.happened else NOT_HAPPENED)
    line.outcome, line.ok = ("done, a check found", True) if record.happened else ("did not happen", False)
    if record.happened:
        line.result = bytes(record.result).decode()


def _check_broke(story: Story, record: r.CheckBroke) -> None:
    _over(story, record.pos, "failed", str(record.error)).outcome = "in doubt"


def _undo_done(story: Story, record: r.UndoDone) -> None:
    line = _over(story, record.pos, "done")
    line.undo = f"undone at {plus(story.now)}"


def _undo_broke(story: Story, record: r.UndoBroke) -> None:
    line = _over(story, record.pos, "failed", str(record.error))
    line.undo = "undo failed"


def _over(story: Story, pos: int, said: str, error: str = "") -> Line:
    """The call under way at a position has come to its end."""
    line = story.steps[pos]
    last = line.tries[-1]
    last.said, last.error, last.ended = said, error, story.now
    return line


def _stop_wanted(story: Story, record: r.StopWanted) -> None:
    line = story.steps[record.pos]
    line.outcome, line.stopped = BEING_INTERRUPTED, True


def _recovered(story: Story, record: r.Recovered) -> None:
    story.recoveries += 1
    again = "taken up again, as its code fits its journal"
    before = "taken over: the worker before had left" if record.orderly else "taken over: the worker before had stopped"
    story.add("event", again if story.parked else before)
    story.parked = False
    interrupt(story)


def interrupt(story: Story) -> None:
    """What was under way is over, and its answers are lost."""
    for pos, line in story.steps.items():
        call = line.busy
        if call is None:
            continue
        _over(story, pos, BROKEN["in_doubt"] if call.what == "attempt" else INTERRUPTED, CRASH)
        if call.what == "undo":
            line.undo = "undo interrupted"
        else:
            line.outcome = "in doubt"


TELLERS: Tellers = {
    r.StepWanted: _step_wanted,
    r.RetryWanted: _retry_wanted,
    r.CheckWanted: _check_wanted,
    r.UndoWanted: _undo_wanted,
    r.StopWanted: _stop_wanted,
    r.StepDone: _step_done,
    r.StepBroke: _step_broke,
    r.Checked: _checked,
    r.CheckBroke: _check_broke,
    r.UndoDone: _undo_done,
    r.UndoBroke: _undo_broke,
    r.Recovered: _recovered,
}
