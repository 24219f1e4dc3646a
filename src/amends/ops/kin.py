"""The story of a run, with those of the runs nested in it as far as they are wanted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from amends.errors import StoreError, UnknownRun
from amends.model.child import position
from amends.ops.story import tell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from amends.engine.engine import Engine
    from amends.model.records import Record
    from amends.ops.story import Fan, Line, Story
    from amends.stores.port import Letter, Run

MOST_UNDER, MOST_ROWS = 20, 500
"""Nested runs that are listed under one run, and in all."""

MOST_STORIES = 50
"""Stories of nested runs that are told at once; each further one is a command away."""


@dataclass
class Kin:
    """A run's story, the stories of runs nested in it by their ids, and how many more of these are not told."""

    story: Story
    turns: list[list[Record]] = field(default_factory=list)
    nested: dict[str, Story] = field(default_factory=dict)
    untold: int = 0


async def kin(engine: Engine, run_id: str, *, nested: bool = False) -> Kin:
    """Read a run's story, and those of nested runs too if they are wanted; of a fan-out, its figures only.

    Raises:
        UnknownRun: there is no such run.
        JournalDamaged: its journal is not what was written.
    """
    turns = await engine.history(run_id)
    found = Kin(tell(turns), turns)
    await _count(engine, found.story)
    unread = [found.story] if nested else []
    while unread:
        story = unread.pop(0)
        for line in _runs(story):
            if len(found.nested) == MOST_STORIES:
                found.untold += 1
            elif (within := await _story(engine, line.run, story.start)) is not None:
                found.nested[line.run] = within
                unread.append(within)
    return found


@dataclass
class Nest:
    """A run's row, and those of the runs nested in it; `more`: there are more of them."""

    row: Run
    under: list[Nest] = field(default_factory=list)
    more: bool = False


async def roots_of(engine: Engine, letters: Iterable[Letter]) -> dict[str, str]:
    """The ids of the runs that the runs of letters are nested in, by their own."""
    found: dict[str, str] = {}
    for letter in letters:
        if letter.run_id not in found:
            found[letter.run_id] = await root_of(engine, await row_of(engine, letter.run_id))
    return found


async def row_of(engine: Engine, run_id: str) -> Run:
    """A run's row; raises `UnknownRun`."""
    await engine.get(run_id).status()
    row = await engine._store.run(run_id)
    assert row is not None
    return row


async def nests_of(engine: Engine, rows: Sequence[Run], *, tree: bool) -> list[Nest]:
    """The rows, and for a tree the rows of runs nested in them, a bounded number of them, the newest."""
    nests = [Nest(row) for row in rows]
    room, unread = MOST_ROWS, list(nests) if tree else []
    while unread:
        nest = unread.pop(0)
        found = await engine.list(parent=nest.row.id, limit=min(room, MOST_UNDER) + 1)
        nest.more = len(found) > min(room, MOST_UNDER)
        shown = found[: min(room, MOST_UNDER)]
        nest.under = [Nest(row) for row in sorted(shown, key=lambda row: position(row.id))]
        room -= len(shown)
        unread += nest.under
    return nests


async def root_of(engine: Engine, row: Run) -> str:
    """The id of the run that a run is nested in, however deep; its own if it is nested in none."""
    while row.parent is not None:
        above = await engine._store.run(row.parent)
        if above is None:
            return row.parent
        row = above
    return row.id


async def _count(engine: Engine, story: Story) -> None:
    """Look into the chunks that are at work: there are a few of them, whatever the number of items."""
    for line in story.steps.values():
        for pos, chunk in line.fan.at_work.items() if line.fan is not None else ():
            within = await _story(engine, chunk.run, story.start)
            if within is not None and line.fan is not None:
                _look_into(line.fan, pos, [each for each in within.steps.values() if each.join is not None])


def _look_into(fan: Fan, pos: int, items: Sequence[Line]) -> None:
    at_work = [line for line in items if line.at_work]
    failed = [line for line in items if line.ok is False and not line.at_work]
    done = sum(line.ok is True for line in items)
    fan.so_far(pos, done, len(at_work), [(line.error, line.args) for line in failed if line.error is not None])


async def _story(engine: Engine, run_id: str, since: float) -> Story | None:
    """A nested run's story, in the time of the run that it is nested in; None if it cannot be read."""
    try:
        story = tell(await engine.history(run_id), since=since)
    except (StoreError, UnknownRun):  # its own `show` says why; the rest is told all the same
        return None
    await _count(engine, story)
    return story


def _runs(story: Story) -> list[Line]:
    """The nested runs of a story that are worth their own: of chunks, those that need a person."""
    return [line for line in story.steps.values() if line.run and (line.kind == "run" or line.stuck)]
