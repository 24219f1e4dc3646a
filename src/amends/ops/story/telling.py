"""Reads the records of a journal into a story."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.model import records as r
from amends.ops.story.branches import TELLERS as BRANCHES
from amends.ops.story.course import TELLERS as COURSE
from amends.ops.story.lines import Story
from amends.ops.story.steps import TELLERS as STEPS
from amends.ops.story.waits import TELLERS as WAITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_TELLERS = {**STEPS, **WAITS, **BRANCHES, **COURSE}


def tell(turns: Iterable[Sequence[r.Record]], *, since: float = 0.0) -> Story:
    """The story of a journal, told from the instant `since`, or else from its own beginning."""
    story = Story(start=since)
    for turn in turns:
        story.turns += 1
        for record in turn:
            if isinstance(record, r.Fact):
                story.start = story.start or record.at
                story.now, story.rang = max(story.now, record.at - story.start), 0  # posted earlier is not done earlier
            teller = _TELLERS.get(type(record))
            if teller is not None:
                teller(story, record)
    return story
