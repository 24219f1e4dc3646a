"""What a run waits for without a person's doing, in words; and what a person can do about it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, TypeAlias

from amends.ops import figures
from amends.ops.words import plain, sentence, span, when

if TYPE_CHECKING:
    from amends.ops.story import Line, Story
    from amends.stores.port import Run

Phrase: TypeAlias = tuple[str, list[str]]
"""What is waited for, and commands."""

MOST = 5
"""Things waited for at once that are named; the rest are counted."""


def waits_for(story: Story, run: Run, now: float) -> Phrase:
    """What it waits for, in a sentence or two; an empty one if it waits for nothing."""
    fans = [line for line in story.steps.values() if line.fan is not None and line.fan.until is None and line.fan.at_work]
    lines = [line for line in story.open if line.kind != "chunk"]
    phrases = [_fan(line, now - story.start) for line in fans]
    phrases += [_open(line, story, run, now) for line in lines]
    phrases += [_body(line, story, run, now) for line in story.waiting.values()]
    if not phrases:
        return "", []
    said = [phrase for phrase, _ in phrases[:MOST]]
    if len(phrases) > MOST:
        said.append(f"and {len(phrases) - MOST} more")
    commands = [command for _, commands in phrases[:MOST] for command in commands]
    return f"{_before(story)}{_listed(said)}{_unread(story)}{_deadline(story, now)}", commands


def _before(story: Story) -> str:
    if story.waits_for_losers and story.state == "running":
        return "It has its value, and closes when what its losers do is at an end: it waits for "
    join = next((line for line in story.steps.values() if _undecided(line)), None)
    if join is None or join.rule is None or join.fan is not None:
        return "It waits for "
    return f"In {join.what} at {join.pos} ({figures.stands(story.under(join), len(join.rule.parts))}) it waits for "


def _undecided(line: Line) -> bool:
    return line.rule is not None and line.rule.decided is None


def _listed(said: list[str]) -> str:
    return sentence("; ".join(said))


def _open(line: Line, story: Story, run: Run, now: float) -> Phrase:
    if line.run:
        doing = "to be rolled back" if line.undo else "to end"
        return f"run {line.run} of saga {line.what} {doing}", [f"amends why {shlex.quote(line.run)}"]
    show = [f"amends show {shlex.quote(run.id)}"]
    return (_busy(line, story, now) if line.busy else _paused(line, now)), show


def _busy(line: Line, story: Story, now: float) -> str:
    call = line.busy
    assert call is not None
    what = {"attempt": "the answer of step", "check": "the check of step", "undo": "the undo of step"}[call.what]
    since = span(now - story.start - call.at)
    before = next((each.error for each in reversed(line.tries) if each.error), "")
    after = f", before that: {plain(before)}" if before else ""
    return f"{what} {line.what!r}, attempt {call.number}, asked for {since} ago{after}"


def _paused(line: Line, now: float) -> str:
    last = line.tries[-1]
    what = {"attempt": "attempt of step", "check": "check of step", "undo": "attempt of the undo of step"}[last.what]
    due = when(line.until or now, now)
    return f"the next {what} {line.what!r}, due {due}, for attempt {last.number} did not answer well: {plain(last.error)}"


def _fan(line: Line, now: float) -> Phrase:
    assert line.fan is not None
    runs = [f"amends why {shlex.quote(chunk.run)}" for chunk in line.fan.at_work.values()]
    return f"each({line.fan.fn}) at {line.pos}: {figures.far(line.fan, now)}", runs[:1]


def _body(line: Line, story: Story, run: Run, now: float) -> Phrase:
    at = shlex.quote(run.id)
    cancel = f"amends cancel {at} --reason TEXT"
    if line.kind == "sleep":
        return f"the end of its pause: it sleeps until {when(line.until or now, now)}, as its saga says", [cancel]
    name = line.what.removeprefix("receive ")
    limit = f", at most until {when(line.until, now)}" if line.until is not None else ""
    return f"a message {name}{limit}", [f"amends tell {at} {shlex.quote(name)} JSON", cancel]


def _deadline(story: Story, now: float) -> str:
    """What the run's deadline means, and whether it comes before all that is waited for."""
    if story.due is None:
        return ""
    limits = [line.until for line in (*story.waiting.values(), *story.open) if line.until is not None]
    if limits and story.due < min(limits):
        return f" Its deadline comes first, {when(story.due, now)}: it is rolled back then."
    return f" It is rolled back if it has not ended by its deadline, {when(story.due, now)}."


def _unread(story: Story) -> str:
    others = sorted({told.what for told in story.unread})
    return f" Told, and not asked for yet: {', '.join(others)}." if others and story.waiting else ""
