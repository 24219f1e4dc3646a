"""What the database says of a storm's runs: what each was asked for, what its joins decided, and how it ended."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from amends.model.child import APART
from tests.storms.ledger import Line, root_of
from tests.storms.sagas import Path

Keys = dict[int, set[str]]


class Mark(NamedTuple):
    """One step of the way from a run to an effect of it: `stage` is the position of the whole that `pos` is a part of, and
    `lost` says that its join did without it."""

    stage: int
    pos: int
    lost: bool


@dataclass
class Story:
    """One run: what was asked for at which position, under which key."""

    run: str
    saga: str
    state: str
    owner: str | None
    result: Any
    forward: Keys = field(default_factory=lambda: defaultdict[int, set[str]](set))
    back: Keys = field(default_factory=lambda: defaultdict[int, set[str]](set))
    ended: list[str] = field(default_factory=list[str])
    held: bool = False
    given_up: bool = False
    """Whether one call cost ten workers their lives, and that has made a difference."""
    joins: dict[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])
    lost: set[int] = field(default_factory=set[int])

    def mark(self, pos: int) -> Mark:
        """Where a position stands among the others."""
        stage, lost = pos, pos in self.lost
        while (join := next((join for join, parts in self.joins.items() if stage in parts), None)) is not None:
            stage, lost = join, lost or join in self.lost
        return Mark(stage, pos, lost)


class Tree:
    """A run that is nested in none, and all that are nested in it."""

    def __init__(self, root: Story, nested: list[Story]) -> None:
        self.root = root
        self.runs = {story.run: story for story in (root, *nested)}
        self.given_up = any(story.given_up for story in self.runs.values())

    def path(self, line: Line) -> Path:
        """Where what a line tells has happened."""
        return (*map(int, line.run.split(APART)[1:]), line.pos)

    def way(self, line: Line) -> tuple[Mark, ...]:
        """The same, with what the journals say of each position on the way."""
        path = self.path(line)
        parts = line.run.split(APART)
        return tuple(self.runs[APART.join(parts[: depth + 1])].mark(pos) for depth, pos in enumerate(path))


def trees(db: sqlite3.Connection, counts: Counter[str]) -> list[Tree]:
    """All that the database has."""
    rows = db.execute("SELECT no, id, saga, state, owner, outcome FROM runs").fetchall()
    nested: dict[str, list[Story]] = defaultdict(list)
    roots: list[Story] = []
    for row in rows:
        story = _story(db, row, counts)
        if root_of(story.run) == story.run:
            roots.append(story)
        else:
            nested[root_of(story.run)].append(story)
    return [Tree(root, nested[root.run]) for root in roots]


def _story(db: sqlite3.Connection, row: Any, counts: Counter[str]) -> Story:
    no, run, saga, state, owner, outcome = row
    story = Story(run, saga, state, owner, json.loads(outcome or b"{}").get("result"))
    for (body,) in db.execute("SELECT body FROM turns WHERE run = ? ORDER BY seq", (no,)):
        counts["turns"] += 1
        story.given_up |= b"WorkerDied" in body
        for record in json.loads(body):
            _tell(story, record, counts)
    return story


def _tell(story: Story, record: list[Any], counts: Counter[str]) -> None:
    match record:
        case ["StepWanted", pos, _, key, _]:
            story.forward[pos].add(key)
        case ["UndoWanted", pos, _, key]:
            story.back[pos].add(key)
        case ["JoinWanted", pos, _, branches, *_]:
            story.joins[pos] = tuple(branches)
        case ["JoinDecided", pos, met, _, winners]:
            counts["joins"] += 1
            story.lost |= set(story.joins[pos]).difference(winners if met else ())
        case ["Held", *_]:
            story.held = True
        case ["Ended", end, *_]:
            story.ended.append(end)
        case ["Recovered" | "DeadLettered" as name, *_]:
            counts[name] += 1
        case _:
            pass
