"""Compares the ledger with the database when a storm is over, and gives each thing that is wrong a name and a sentence."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from amends import AmendsError, Engine
from tests.storms.ledger import Ledger, Line, replayed, root_of, standing
from tests.storms.sagas import DONE, Path
from tests.storms.stories import Mark, Story, Tree, trees
from tests.storms.worker import Place

CLOSED = ("completed", "compensated")


@dataclass(frozen=True)
class Finding:
    """A name for the kind of defect, and a sentence about this one."""

    name: str
    sentence: str


@dataclass
class Audit:
    """What was found, and what there was to look at."""

    findings: list[Finding] = field(default_factory=list[Finding])
    counts: Counter[str] = field(default_factory=Counter[str])

    @property
    def names(self) -> set[str]:
        """The kinds of defects."""
        return {finding.name for finding in self.findings}


def audit(place: Place) -> Audit:
    """Check everything, by plain SQL and by the public API."""
    found = Audit()
    ledger = Ledger(place.pages)
    known = _read(place, found)
    for run in place.acknowledged.read_text().split() if place.acknowledged.exists() else ():
        found.counts["acknowledged"] += 1
        if run not in {tree.root.run for tree in known}:
            found.findings.append(Finding("lost", f"{run} was acknowledged and is not there"))
    for run in sorted(ledger.roots() - {tree.root.run for tree in known}):
        found.findings.append(Finding("lost", f"the world knows {run}, the database does not"))
    for tree in known:
        lines = ledger.page(tree.root.run)
        found.findings += [
            Finding("lost", f"the world knows {run}, the database does not") for run in _strangers(tree, lines)
        ]
        lines = [line for line in lines if line.run in tree.runs]
        _count(tree, lines, found)
        found.findings += [*_keys(tree, lines), *_order(tree, lines), *_ends(tree), *_world(tree, lines)]
    asyncio.run(_ask_amends(place, known, found))
    return found


def _read(place: Place, found: Audit) -> list[Tree]:
    db = sqlite3.connect(place.store)
    try:
        for (said,) in db.execute("PRAGMA integrity_check"):
            if said != "ok":
                found.findings.append(Finding("damaged file", f"SQLite says: {said}"))
        for what, sql in {
            "dead letters wait": "SELECT count(*) FROM letters WHERE acted IS NULL",
            "messages were not read": "SELECT count(*) FROM mail JOIN runs ON runs.no = run WHERE closed_at IS NULL",
        }.items():
            if count := db.execute(sql).fetchone()[0]:
                found.findings.append(Finding("stuck", f"{count} {what}"))
        return trees(db, found.counts)
    finally:
        db.close()


def _strangers(tree: Tree, lines: list[Line]) -> set[str]:
    return {line.run for line in lines} - set(tree.runs)


def _count(tree: Tree, lines: list[Line], found: Audit) -> None:
    found.counts["runs"] += 1
    found.counts["nested runs"] += len(tree.runs) - 1
    found.counts[tree.root.state] += 1
    found.counts["given up"] += tree.given_up
    found.counts["calls"] += len(lines)
    effects = [(line.op, line.own) for line in lines if line.op in ("do", "undo")]
    found.counts["effects"] += len(set(effects))
    found.counts["calls repeated"] += len(effects) - len(set(effects))
    took = [line for line in replayed(lines)[1] if line.op == "do"]
    found.counts["losers that took effect"] += sum(any(mark.lost for mark in tree.way(line)) for line in took)


# ── what must hold ──────────────────────────────────────────────────────────────────────────────


def _keys(tree: Tree, lines: list[Line]) -> Iterator[Finding]:
    """One key for each position, in the world as in the journal."""
    used: dict[tuple[str, int, bool], set[str]] = defaultdict(set)
    for line in lines:
        used[line.run, line.pos, line.op == "undo"].add(line.own)
    for (run, pos, back), keys in used.items():
        story = tree.runs[run]
        what = f"{run}: position {pos}{' (undo)' if back else ''}"
        if len(keys) > 1:
            yield Finding("doubled key", f"{what} was called under {len(keys)} keys")
        if not keys <= (story.back if back else story.forward)[pos]:
            yield Finding("unasked", f"{what} was called under a key that the journal does not have")
    for story in tree.runs.values():
        for pos, keys in (*story.forward.items(), *story.back.items()):
            if len(keys) > 1:
                yield Finding("doubled key", f"{story.run}: the journal has {len(keys)} keys for position {pos}")


def _order(tree: Tree, lines: list[Line]) -> Iterator[Finding]:
    """Forward in the order of the saga, back in reverse, and no way forward once it goes back.

    Branches of a join have no order among each other, and a nested run stands where it is nested. What lost may take effect
    late and is undone whenever it is found, but before anything is that the join was built on.
    """
    there, told = replayed(lines)
    done = [line for line in told if line.op == "do"]
    undone = [line for line in told if line.op == "undo"]
    for first, then in combinations(done, 2):
        one, other = _parting(tree.way(first), tree.way(then))
        if one.stage > other.stage and not other.lost:
            yield Finding("out of order", f"{_what(tree, first)} took effect before {_what(tree, then)}")
    for first, then in combinations(undone, 2):
        one, other = _parting(tree.way(first), tree.way(then))
        if one.stage < other.stage and not one.lost:
            yield Finding("out of order", f"{_what(tree, first)} was undone before {_what(tree, then)}")
    rollback = next((line for line in undone if not any(mark.lost for mark in tree.way(line))), None)
    for line in lines[len(lines) if rollback is None else lines.index(rollback) :]:
        if line.op == "do" and line.key in there:
            yield Finding("out of order", f"{_what(tree, line)} took effect after the rollback began")


def _parting(one: Sequence[Mark], other: Sequence[Mark]) -> tuple[Mark, Mark]:
    """Where two ways part."""
    return next(((a, b) for a, b in zip(one, other, strict=False) if a.pos != b.pos), (one[-1], one[-1]))


def _what(tree: Tree, line: Line) -> str:
    return f"{tree.root.run} at {'/'.join(map(str, tree.path(line)))}"


def _ends(tree: Tree) -> Iterator[Finding]:
    """All have ended as they should, and the rows agree with the journals."""
    root = tree.root
    for story in tree.runs.values():
        if story.state not in CLOSED or story.owner is not None:
            yield Finding("stuck", f"{story.run} is {story.state}, driven by {story.owner or 'nobody'}")
        if not _agrees(story):
            yield Finding("at odds", f"{story.run} is {story.state} by its row, and {story.ended} by its journal")
        if story.state == "completed" != root.state:
            yield Finding("wrong end", f"{story.run} ended {story.state}, and {root.run} {root.state}")
    right = (root.state == "completed") == (root.saga in DONE) or (root.state == "compensated" and tree.given_up)
    if root.state in CLOSED and not right:
        yield Finding("wrong end", f"{root.run} ended {root.state}")


def _agrees(story: Story) -> bool:
    """A nested run that keeps its value is completed with its owner, without a turn of its own."""
    if root_of(story.run) != story.run and story.state == "completed":
        return story.held and not story.ended
    return story.ended == [story.state]


def _world(tree: Tree, lines: list[Line]) -> Iterator[Finding]:
    """The world is as the run says: all that was wanted, no loser, nothing of what was compensated."""
    root, left = tree.root, standing(lines)
    there = {tree.path(line) for line in left.values()}
    choice = DONE.get(root.saga, []) if root.state == "completed" else [set[Path]()]
    wanted = min(choice, key=lambda paths: len(paths ^ there), default=set[Path]())
    if missing := wanted - there:
        yield Finding("missing", f"{root.run} has no effect at {sorted(missing)}")
    if more := there - wanted:
        yield Finding("left over", f"{root.run} left its effects at {sorted(more)}")
    value = root.result if root.state == "completed" else []
    if gone := {key for key in ([value] if isinstance(value, str) else value) if key not in left}:
        yield Finding("empty promise", f"{root.run} returned {len(gone)} effects that do not stand")


async def _ask_amends(place: Place, known: list[Tree], found: Audit) -> None:
    """What everybody can see: each run is listed as it is in the database, and each journal can be read."""
    async with Engine(place.store, drive=False, durability=place.durability) as engine:
        listed: dict[str, str] = {}
        while page := await engine.list(limit=1000, offset=len(listed)):
            listed |= {row.id: row.state for row in page}
        if listed != {story.run: story.state for tree in known for story in tree.runs.values()}:
            found.findings.append(Finding("at odds", "the API lists other runs or states than the database has"))
        for letter in await engine.dlq.list():
            found.findings.append(Finding("stuck", f"dead letter {letter.id} waits: {letter.error}"))
        for run in listed:
            try:
                await engine.history(run)
            except AmendsError as error:
                found.findings.append(Finding("damaged journal", f"{run}: {error}"))
