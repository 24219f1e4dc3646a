"""What happened in a run, told from its journal alone: no saga code is needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from amends.model import records as r

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass
class Line:
    """One line of a story: a step with what became of it, or something else that happened. `at` is seconds from the start."""

    at: float
    what: str
    pos: int | None = None
    key: str = ""
    args: str = ""
    outcome: str = "running"
    attempts: int = 1
    undo: str = ""
    undo_attempts: int = 0
    error: str = ""
    until: float | None = None


@dataclass
class Story:
    """A run's story. `waits` are the things that are not settled, by position."""

    lines: list[Line] = field(default_factory=list)
    state: r.State = "running"
    cause: r.Failure | None = None
    why: str = ""
    kept: tuple[r.Kept, ...] = ()
    result: Any = None
    letters: dict[int, r.DeadLettered] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    steps: dict[int, Line] = field(default_factory=dict)
    waiting: Line | None = None
    turns: int = 0
    recoveries: int = 0
    start: float = 0.0


def tell(turns: Iterable[list[r.Record]]) -> Story:
    """The story of a journal."""
    story = Story()
    at = 0.0
    for turn in turns:
        story.turns += 1
        for record in turn:
            if isinstance(record, r.Fact):
                story.start = story.start or record.at
                at = record.at - story.start
            teller = _TELLERS.get(type(record))
            if teller is not None:
                teller(story, record, at)
    return story


def _step_wanted(story: Story, record: r.StepWanted, at: float) -> None:
    line = Line(at, record.step, record.pos, record.key, bytes(record.args).decode())
    story.steps[record.pos] = line
    story.lines.append(line)


def _retry_wanted(story: Story, record: r.RetryWanted, _: float) -> None:
    line = story.steps[record.pos]
    line.attempts, line.outcome, line.until = record.attempt, "running", None


def _step_done(story: Story, record: r.StepDone | r.Checked, _: float) -> None:
    line = story.steps[record.pos]
    if isinstance(record, r.Checked):
        line.outcome = "done (a check found it)" if record.happened else "did not happen (checked)"
    else:
        line.outcome = "done"


def _step_broke(story: Story, record: r.StepBroke, _: float) -> None:
    line = story.steps[record.pos]
    line.error = str(record.error)
    line.outcome = {"failed": "failed", "in_doubt": "in doubt", "unstorable": "done, but not storable"}[record.outcome]


def _check_wanted(story: Story, record: r.CheckWanted, _: float) -> None:
    story.steps[record.pos].outcome = "in doubt, being checked"


def _undo_wanted(story: Story, record: r.UndoWanted, _: float) -> None:
    line = story.steps[record.pos]
    line.undo, line.undo_attempts, line.until = "undoing", record.attempt, None


def _undo_done(story: Story, record: r.UndoDone, _: float) -> None:
    story.steps[record.pos].undo = "undone"


def _undo_broke(story: Story, record: r.UndoBroke, _: float) -> None:
    line = story.steps[record.pos]
    line.undo, line.error = "undo failed", str(record.error)


def _timer_wanted(story: Story, record: r.TimerWanted, at: float) -> None:
    if record.pos in story.steps:
        story.steps[record.pos].until = record.until
    elif record.pos:
        line = Line(at, "sleep", record.pos, outcome="waiting", until=record.until)
        story.steps[record.pos] = story.waiting = line
        story.lines.append(line)


def _receive_wanted(story: Story, record: r.ReceiveWanted, at: float) -> None:
    line = Line(at, f"receive {record.name}", record.pos, outcome="waiting", until=record.until)
    story.steps[record.pos] = story.waiting = line
    story.lines.append(line)
    if record.name in story.unread:
        _received(story, record.name)


def _received(story: Story, name: str) -> None:
    story.unread.remove(name)
    if story.waiting is not None:
        story.waiting.outcome, story.waiting = "received", None


def _time_up(story: Story, record: r.TimeUp, _: float) -> None:
    if story.waiting is not None and story.waiting.pos == record.pos:
        story.waiting.outcome = "over" if story.waiting.what == "sleep" else "no message in time"
        story.waiting = None


def _told(story: Story, record: r.Told, at: float) -> None:
    story.lines.append(Line(at, f"told {record.name} by {record.by}", outcome=""))
    story.unread.append(record.name)
    if story.waiting is not None and story.waiting.what == f"receive {record.name}":
        _received(story, record.name)


def _unreadable(story: Story, record: r.Unreadable, at: float) -> None:
    story.lines.append(Line(at, "a message was set aside", outcome="", error=record.why))


def _cancelled(story: Story, record: r.Cancelled, at: float) -> None:
    story.lines.append(Line(at, f"cancelled by {record.by}" + (f": {record.reason}" if record.reason else ""), outcome=""))


def _recovered(story: Story, _: r.Recovered, at: float) -> None:
    story.recoveries += 1
    story.lines.append(Line(at, "taken over after a crash", outcome=""))


def _rollback(story: Story, record: r.RollbackBegan, at: float) -> None:
    story.state, story.cause, story.why, story.waiting = "compensating", record.cause, record.why, None
    story.lines.append(Line(at, f"rollback began: {record.cause}", outcome=""))


def _lettered(story: Story, record: r.DeadLettered, at: float) -> None:
    story.letters[record.letter] = record
    story.lines.append(Line(at, f"dead letter #{record.letter} ({record.kind})", outcome="", error=str(record.error)))


def _acted(story: Story, record: Any, at: float) -> None:
    story.letters.pop(record.letter, None)
    note = f": {record.note}" if getattr(record, "note", "") else ""
    word = type(record).__name__.lower()
    story.lines.append(Line(at, f"letter #{record.letter} {word} by {record.by}{note}", outcome=""))


def _ended(story: Story, record: r.Ended, at: float) -> None:
    story.state, story.kept, story.waiting = record.state, record.kept, None
    story.result = msgspec.json.decode(record.result)
    story.lines.append(Line(at, record.state.replace("_", " "), outcome=""))


_TELLERS: dict[type[r.Record], Callable[[Story, Any, float], None]] = {
    r.StepWanted: _step_wanted,
    r.RetryWanted: _retry_wanted,
    r.StepDone: _step_done,
    r.Checked: _step_done,
    r.StepBroke: _step_broke,
    r.CheckWanted: _check_wanted,
    r.UndoWanted: _undo_wanted,
    r.UndoDone: _undo_done,
    r.UndoBroke: _undo_broke,
    r.TimerWanted: _timer_wanted,
    r.ReceiveWanted: _receive_wanted,
    r.TimeUp: _time_up,
    r.Told: _told,
    r.Unreadable: _unreadable,
    r.Cancelled: _cancelled,
    r.Recovered: _recovered,
    r.RollbackBegan: _rollback,
    r.DeadLettered: _lettered,
    r.Retried: _acted,
    r.Resolved: _acted,
    r.Abandoned: _acted,
    r.Answered: _acted,
    r.Ended: _ended,
}
