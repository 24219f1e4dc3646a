"""One paragraph: what a run waits for, why, and what a person can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.model.records import CLOSED
from amends.ops.words import when

if TYPE_CHECKING:
    from amends.ops.story import Line, Story
    from amends.stores.port import Letter, Run


def explain(run: Run, story: Story, letters: list[Letter], now: float) -> str:
    """Why a run stands where it stands."""
    parts = [_stands(run, story)]
    for letter in letters:
        about = f" about step {letter.step!r}" if letter.step else ""
        parts.append(f"Dead letter {letter.id}{about} ({letter.kind.replace('_', ' ')}) waits for a person: {letter.error}")
        parts.append(f"See `amends dlq show '{letter.id}'` for the whole context and what can be done.")
    if run.state not in CLOSED and not letters:
        parts.append(_waits(run, story, now))
    return " ".join(part for part in parts if part)


def _stands(run: Run, story: Story) -> str:
    said = f"Run {run.id} of saga {run.saga} is {run.state.replace('_', ' ')}."
    if story.cause is not None:
        said += f" It was turned back ({story.why}) by {story.cause}."
    if story.kept:
        said += " Left in the world: " + ", ".join(f"{kept.step} ({kept.why})" for kept in story.kept) + "."
    return said


def _waits(run: Run, story: Story, now: float) -> str:
    busy = [line for line in story.steps.values() if line.outcome == "running" or line.undo in ("undoing", "undo failed")]
    if busy:
        return _busy(busy[-1], now) + _driver(run)
    if story.waiting is not None:
        line = story.waiting
        if line.what == "sleep":
            return f"It sleeps until {when(line.until, now)}."
        limit = f", until {when(line.until, now)}" if line.until is not None else ""
        name = line.what.removeprefix("receive ")
        return f"It waits for a message {name}{limit}: `amends tell {run.id} {name} JSON` sends one."
    paused = [line for line in story.steps.values() if line.until is not None]
    if paused:
        return _busy(paused[-1], now) + _driver(run)
    return _driver(run).strip()


def _busy(line: Line, now: float) -> str:
    doing = f"undoing step {line.what!r}, attempt {line.undo_attempts}" if line.undo else f"at step {line.what!r}"
    if not line.undo:
        doing += f", attempt {line.attempts}"
    error = f", after {line.error}" if line.error else ""
    pause = f"; the next attempt is due {when(line.until, now)}" if line.until is not None and line.until > now else ""
    return f"It is {doing}{error}{pause}."


def _driver(run: Run) -> str:
    if run.owner:
        return f" Worker {run.owner} drives it."
    return f" No worker drives it now; `amends worker MODULE` with saga {run.saga!r} takes it up."
