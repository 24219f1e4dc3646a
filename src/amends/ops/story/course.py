"""How a story goes on with what happens to the run as a whole: its rollback, its letters, its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.model import records as r
from amends.ops.story.branches import leave
from amends.ops.story.causes import because
from amends.ops.story.steps import interrupt
from amends.ops.words import plus

if TYPE_CHECKING:
    from amends.ops.story.lines import Line, Story, Tellers


def _cancelled(story: Story, record: r.Cancelled) -> None:
    late = {"running": "", "compensating": "it rolls back already"}.get(story.state, "it had ended")
    story.add("event", f"cancel asked for by {record.by}", detail=record.reason, outcome=late)


def _rollback(story: Story, record: r.RollbackBegan) -> None:
    story.state, story.cause, story.why = "compensating", record.cause, record.why
    for line in story.steps.values():
        leave(story, line)
    story.add("rollback", "rollback began", detail=because(story))
    for told in story.unread:
        told.outcome = "never asked for"


def _lettered(story: Story, record: r.DeadLettered) -> None:
    line = story.add("letter", record.kind.replace("_", " "), letter=record.letter, detail=str(record.error))
    story.letters[record.letter] = line
    about = story.steps.get(record.pos)
    if about is not None:
        line.what = f"{line.what}, about {about.pos} {about.what}"
        about.letter = record.letter
        line.detail = "" if about.tries and about.tries[-1].error == line.detail else line.detail
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
        story.parked = True
        interrupt(story)
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


def _returned(story: Story, _: r.Returned) -> None:
    story.returned = True
    story.add("event", "it has its value; what its losers do is still open")


def _ended(story: Story, record: r.Ended) -> None:
    story.state, story.kept = record.state, record.kept
    end = story.add("end", record.state)
    if record.state == "completed":
        end.detail = bytes(record.result).decode()
    else:
        for line in story.steps.values():
            if line.kind == "step" and line.outcome.startswith("done") and not line.undo:
                line.undo = "nothing to undo"
    for kept in record.kept:
        line = story.steps[kept.pos]
        if not line.undo.startswith(("abandoned", "undone")):
            line.undo = "kept"
    for told in story.unread:
        told.outcome = "never asked for"


TELLERS: Tellers = {
    r.Cancelled: _cancelled,
    r.RollbackBegan: _rollback,
    r.DeadLettered: _lettered,
    r.Retried: _acted,
    r.Resolved: _acted,
    r.Abandoned: _acted,
    r.Answered: _acted,
    r.Returned: _returned,
    r.Ended: _ended,
}
