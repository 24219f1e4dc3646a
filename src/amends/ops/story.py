"""What happened in a run, told from its journal alone: no saga code is needed.

`tell` reads the records of a journal into a `Story`: one line for each thing that the saga asked for, with what became of
it and of its undo, and one for each thing that happened to the run, in the order of the journal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from amends.model import records as r
from amends.ops.words import plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LineKind: TypeAlias = Literal["step", "sleep", "receive", "message", "event", "rollback", "letter", "end"]

BROKEN: dict[str, str] = {"failed": "failed", "in_doubt": "in doubt", "unstorable": "done, result not storable"}

NOT_HAPPENED = "it did not happen"

CRASH = "the worker stopped during it, so its answer is lost"


@dataclass
class Try:
    """One call of a step, of its check or of its undo. Times are seconds from the start of the run."""

    what: Literal["attempt", "check", "undo"]
    number: int
    at: float
    said: str = ""
    error: str = ""
    ended: float | None = None
    pause: float = 0.0


@dataclass
class Line:
    """One line of a story. `outcome` is what became of it, `undo` what became of its undo; `until` is an instant."""

    at: float
    kind: LineKind
    what: str
    pos: int | None = None
    key: str = ""
    args: str = ""
    outcome: str = ""
    result: str = ""
    detail: str = ""
    undo: str = ""
    until: float | None = None
    tries: list[Try] = field(default_factory=list)
    letter: int | None = None

    @property
    def busy(self) -> Try | None:
        """The call that is under way, as far as the journal knows."""
        return self.tries[-1] if self.tries and self.tries[-1].ended is None else None

    def count(self, what: str) -> int:
        """How many tries of one sort there were."""
        return sum(1 for each in self.tries if each.what == what)


@dataclass
class Story:
    """A run's story. `lines` is all of it, `steps` the lines that have a position, `unread` the messages not asked for."""

    lines: list[Line] = field(default_factory=list)
    steps: dict[int, Line] = field(default_factory=dict)
    state: r.State = "running"
    why: str = ""
    cause: r.Failure | None = None
    kept: tuple[r.Kept, ...] = ()
    result: Any = None
    letters: dict[int, Line] = field(default_factory=dict)
    unread: list[Line] = field(default_factory=list)
    waiting: Line | None = None
    turns: int = 0
    recoveries: int = 0
    start: float = 0.0
    now: float = 0.0

    def add(self, kind: LineKind, what: str, **rest: Any) -> Line:
        """Go on with another line."""
        line = Line(self.now, kind, what, **rest)
        self.lines.append(line)
        if line.pos is not None:
            self.steps[line.pos] = line
        return line


def tell(turns: Iterable[list[r.Record]]) -> Story:
    """The story of a journal."""
    story = Story()
    for turn in turns:
        story.turns += 1
        for record in turn:
            if isinstance(record, r.Fact):
                story.start = story.start or record.at
                story.now = record.at - story.start
            teller = _TELLERS.get(type(record))
            if teller is not None:
                teller(story, record)
    return story


# ── steps ────────────────────────────────────────────────────────────────────────────────────────


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
        line.undo = "no answer yet"
    else:
        line.outcome = "no answer yet" if what == "attempt" else "in doubt, being checked"


def _step_done(story: Story, record: r.StepDone) -> None:
    line = _over(story, record.pos, "done")
    line.outcome, line.result = "done", bytes(record.result).decode()
    if line.count("attempt") > 1:
        line.outcome = f"done on attempt {record.attempt}"


def _step_broke(story: Story, record: r.StepBroke) -> None:
    line = _over(story, record.pos, BROKEN[record.outcome], str(record.error))
    line.outcome = "in doubt" if record.outcome == "failed" and _in_doubt(line) else BROKEN[record.outcome]


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
    line.outcome = "done, a check found" if record.happened else "did not happen"
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
    story.steps[record.pos].outcome = "being interrupted"


def _recovered(story: Story, _: r.Recovered) -> None:
    story.recoveries += 1
    story.add("event", "taken over: the worker before had stopped")
    _interrupt(story)


def _interrupt(story: Story) -> None:
    """What was under way is over, and its answers are lost."""
    for pos, line in story.steps.items():
        call = line.busy
        if call is None:
            continue
        _over(story, pos, BROKEN["in_doubt"] if call.what == "attempt" else "interrupted", CRASH)
        if call.what == "undo":
            line.undo = "undo interrupted"
        else:
            line.outcome = "in doubt"


# ── time and messages ────────────────────────────────────────────────────────────────────────────


def _timer_wanted(story: Story, record: r.TimerWanted) -> None:
    line = story.steps.get(record.pos)
    if line is not None:
        line.until = record.until
        line.tries[-1].pause = max(0.0, record.until - story.start - story.now)
    elif record.pos:
        story.waiting = story.add("sleep", "sleep", pos=record.pos, outcome="sleeping", until=record.until)


def _receive_wanted(story: Story, record: r.ReceiveWanted) -> None:
    line = story.add("receive", f"receive {record.name}", pos=record.pos, outcome="no message yet", until=record.until)
    story.waiting = line
    _hand_over(story, record.name)


def _hand_over(story: Story, name: str) -> None:
    """Give the oldest message of a name to the saga, if that waits for one."""
    line = story.waiting
    message = next((told for told in story.unread if told.what == name), None)
    if message is None or line is None or line.what != f"receive {name}":
        return
    story.unread.remove(message)
    message.outcome = f"taken at {line.pos}"
    line.outcome, line.detail = "received", message.detail
    if message.at < line.at:
        line.outcome = f"received, told at {plus(message.at)}"
    story.waiting = None


def _time_up(story: Story, record: r.TimeUp) -> None:
    line = story.steps.get(record.pos)
    if line is not None and line is story.waiting:
        line.outcome = "slept" if line.kind == "sleep" else "no message in time"
        story.waiting = None


def _told(story: Story, record: r.Told) -> None:
    message = story.add("message", record.name, args=bytes(record.body).decode(), detail=f"from {record.by}")
    message.outcome = "not asked for yet" if story.state == "running" else "never asked for"
    story.unread.append(message)
    _hand_over(story, record.name)


def _unreadable(story: Story, record: r.Unreadable) -> None:
    """The message that was just handed over is not of the right type: the saga waits on, or takes the next one."""
    line = story.steps[record.pos]
    message = next(each for each in reversed(story.lines) if each.outcome == f"taken at {record.pos}")
    message.outcome, message.detail = "set aside", f"{message.detail}; {record.why}"
    line.outcome, line.detail = "no message yet", ""
    story.waiting = line
    _hand_over(story, line.what.removeprefix("receive "))


# ── the run ──────────────────────────────────────────────────────────────────────────────────────


def _cancelled(story: Story, record: r.Cancelled) -> None:
    late = {"running": "", "compensating": "it rolls back already"}.get(story.state, "it had ended")
    story.add("event", f"cancel asked for by {record.by}", detail=record.reason, outcome=late)


def _rollback(story: Story, record: r.RollbackBegan) -> None:
    story.state, story.cause, story.why = "compensating", record.cause, record.why
    if story.waiting is not None:
        story.waiting.outcome, story.waiting = "given up", None
    story.add("rollback", "rollback began", detail=because(story))
    for told in story.unread:
        told.outcome = "never asked for"


def because(story: Story) -> str:
    """What turned the run back."""
    if story.cause is None:
        return ""
    return str(story.cause) if story.why == "failed" else story.cause.message


def _lettered(story: Story, record: r.DeadLettered) -> None:
    line = story.add("letter", record.kind.replace("_", " "), letter=record.letter, detail=str(record.error))
    story.letters[record.letter] = line
    about = story.steps.get(record.pos)
    if about is not None:
        line.what = f"{line.what}, about {about.pos} {about.what}"
        about.letter = record.letter
        line.detail = "" if about.tries[-1].error == line.detail else line.detail
        if record.kind == "undo_failed":
            about.undo = f"needs a person (#{record.letter})"
        elif record.kind == "in_doubt":
            about.outcome = f"in doubt, needs a person (#{record.letter})"
        elif record.kind == "unstorable":
            about.outcome = f"done, needs a person (#{record.letter})"


def _acted(story: Story, record: r.Retried | r.Resolved | r.Abandoned | r.Answered) -> None:
    story.letters.pop(record.letter, None)
    word, about = type(record).__name__.lower(), _about(story, record.letter)
    if isinstance(record, r.Answered):
        word = "answered: it happened," if record.happened else "answered: it did not happen,"
    line = story.add("event", f"letter #{record.letter} {word} by {record.by}", detail=getattr(record, "note", ""))
    if about is None:
        _interrupt(story)
        return
    about.letter = None
    if isinstance(record, r.Resolved):
        about.undo = f"done by hand at {plus(line.at)}"
    elif isinstance(record, r.Abandoned):
        about.undo = f"abandoned at {plus(line.at)}"
    elif isinstance(record, r.Answered):
        about.outcome, about.undo = ("happened" if record.happened else "did not happen") + f", says {record.by}", ""


def _about(story: Story, letter: int) -> Line | None:
    return next((line for line in story.steps.values() if line.letter == letter), None)


def _ended(story: Story, record: r.Ended) -> None:
    story.state, story.kept, story.waiting = record.state, record.kept, None
    story.result = msgspec.json.decode(record.result)
    end = story.add("end", record.state)
    if record.state == "completed":
        end.detail = bytes(record.result).decode()
    else:
        for line in story.steps.values():
            if line.kind == "step" and line.outcome.startswith("done") and not line.undo:
                line.undo = "nothing to undo"
    for kept in record.kept:
        if not story.steps[kept.pos].undo.startswith("abandoned"):
            story.steps[kept.pos].undo = "kept"
    for told in story.unread:
        told.outcome = "never asked for"


_TELLERS: dict[type[r.Record], Callable[[Story, Any], None]] = {
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
    r.TimerWanted: _timer_wanted,
    r.TimeUp: _time_up,
    r.ReceiveWanted: _receive_wanted,
    r.Told: _told,
    r.Unreadable: _unreadable,
    r.Cancelled: _cancelled,
    r.RollbackBegan: _rollback,
    r.DeadLettered: _lettered,
    r.Retried: _acted,
    r.Resolved: _acted,
    r.Abandoned: _acted,
    r.Answered: _acted,
    r.Ended: _ended,
}
