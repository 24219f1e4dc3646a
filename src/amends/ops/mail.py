"""What was posted to a run and is not yet taken up, in words: from people, and from the runs that it is kin to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.model import records as r
from amends.ops.words import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from amends.ops.story import Story

MOST = 5
"""Pieces of mail that are named; the rest are counted."""


def posted(mail: Sequence[r.Fact], story: Story) -> str:
    """All mail in a sentence; none, if there is none. `story` may be empty, if the journal cannot be read."""
    if not mail:
        return ""
    said = [_piece(fact, story) for fact in mail[:MOST]]
    more = f", and {len(mail) - MOST} more" if len(mail) > MOST else ""
    return f"Posted, and not yet taken up: {', '.join(said)}{more}."


def _piece(fact: r.Fact, story: Story) -> str:
    match fact:
        case r.Told(name=name, by=by):
            return f"message {plain(name)} from {plain(by)}"
        case r.Cancelled(by=by):
            return f"cancel by {plain(by)}"
        case r.Retried(by=by) | r.Resolved(by=by) | r.Abandoned(by=by) | r.Answered(by=by):
            return f"{type(fact).__name__.lower()} by {plain(by)}"
        case r.Unwound(by=by):
            return f"that run {by}, which it is nested in, takes it back"
        case r.ChildDone(pos=pos):
            return f"the value of {_nested(pos, story)}"
        case r.ChildClosed(pos=pos):
            return f"that {_nested(pos, story)} was rolled back"
        case r.ChildStuck(pos=pos, letters=letters):
            return f"that {_nested(pos, story)} {'needs a person' if letters else 'goes on again'}"
        case _:  # nothing else is posted; whatever it is, the rest is told all the same
            return type(fact).__name__


def _nested(pos: int, story: Story) -> str:
    line = story.steps.get(pos)
    return f"run {line.run}" if line is not None else f"the run nested at {pos}"
