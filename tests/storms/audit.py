"""Compares the ledger with the database when a storm is over, and gives each thing that is wrong a name and a sentence."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from amends import AmendsError, Engine
from tests.storms.ledger import Ledger, Line, standing
from tests.storms.sagas import DONE
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


@dataclass
class Story:
    """One run, as the database has it: what was asked for at which position, under which key."""

    run: str
    saga: str
    state: str
    owner: str | None
    cause: str
    forward: dict[int, set[str]] = field(default_factory=lambda: defaultdict[int, set[str]](set))
    back: dict[int, set[str]] = field(default_factory=lambda: defaultdict[int, set[str]](set))
    ended: list[str] = field(default_factory=list[str])

    @property
    def given_up(self) -> bool:
        """Whether it turned back because one call cost ten workers their lives."""
        return "WorkerDied" in self.cause


def audit(place: Place) -> Audit:
    """Check everything, by plain SQL and by the public API."""
    found = Audit()
    ledger = Ledger(place.pages)
    stories = _read(place, found)
    known = {story.run for story in stories}
    for run in place.acknowledged.read_text().split():
        found.counts["acknowledged"] += 1
        if run not in known:
            found.findings.append(Finding("lost", f"{run} was acknowledged and is not there"))
    for run in sorted(ledger.runs() - known):
        found.findings.append(Finding("lost", f"the world knows {run}, the database does not"))
    for story in stories:
        lines = ledger.page(story.run)
        _count(story, lines, found)
        found.findings += [
            *_keys(story, lines),
            *_order(story, lines),
            *_end(story, lines),
        ]
    asyncio.run(_ask_amends(place, stories, found))
    return found


# ── the database ────────────────────────────────────────────────────────────────────────────────


def _read(place: Place, found: Audit) -> list[Story]:
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
        rows = db.execute("SELECT no, id, saga, state, owner, outcome FROM runs").fetchall()
        return [_story(db, row, found) for row in rows]
    finally:
        db.close()


def _story(db: sqlite3.Connection, row: Any, found: Audit) -> Story:
    no, run, saga, state, owner, outcome = row
    cause = (json.loads(outcome or b"{}").get("cause") or {}).get("type", "")
    story = Story(run, saga, state, owner, cause)
    for (body,) in db.execute("SELECT body FROM turns WHERE run = ? ORDER BY seq", (no,)):
        found.counts["turns"] += 1
        for record in json.loads(body):
            match record:
                case ["StepWanted", pos, _, key, _]:
                    story.forward[pos].add(key)
                case ["UndoWanted", pos, _, key]:
                    story.back[pos].add(key)
                case ["Ended", end, *_]:
                    story.ended.append(end)
                case ["Recovered" | "DeadLettered" as name, *_]:
                    found.counts[name] += 1
                case _:
                    pass
    return story


def _count(story: Story, lines: list[Line], found: Audit) -> None:
    found.counts["runs"] += 1
    found.counts[story.state] += 1
    found.counts["given up"] += story.given_up
    found.counts["calls"] += len(lines)
    effects = [(line.op, line.own) for line in lines if line.op in ("do", "undo")]
    found.counts["effects"] += len(set(effects))
    found.counts["calls repeated"] += len(effects) - len(set(effects))


# ── what must hold ──────────────────────────────────────────────────────────────────────────────


def _keys(story: Story, lines: list[Line]) -> Iterator[Finding]:
    """One key for each position, in the world as in the journal."""
    used: dict[tuple[int, bool], set[str]] = defaultdict(set)
    for line in lines:
        used[line.pos, line.op == "undo"].add(line.own)
    for (pos, back), keys in used.items():
        asked = (story.back if back else story.forward)[pos]
        what = f"{story.run}: position {pos}{' (undo)' if back else ''}"
        if len(keys) > 1:
            yield Finding("doubled key", f"{what} was called under {len(keys)} keys")
        if not keys <= asked:
            yield Finding("unasked", f"{what} was called under a key that the journal does not have")
    for pos, keys in (*story.forward.items(), *story.back.items()):
        if len(keys) > 1:
            yield Finding("doubled key", f"{story.run}: the journal has {len(keys)} keys for position {pos}")


def _order(story: Story, lines: list[Line]) -> Iterator[Finding]:
    """Forward in the order of the saga, back in reverse, and no way forward once it goes back."""
    done: dict[int, int] = {}
    undone: dict[int, int] = {}
    for number, line in enumerate(lines):
        if line.op in ("do", "undo"):
            (done if line.op == "do" else undone).setdefault(line.pos, number)
    if [*done] != sorted(done):
        yield Finding("out of order", f"{story.run} took effect at positions {[*done]}, in this order")
    if [*undone] != sorted(undone, reverse=True):
        yield Finding("out of order", f"{story.run} was undone at positions {[*undone]}, in this order")
    there = standing(lines)
    for line in lines[min(undone.values(), default=len(lines)) :]:
        if line.op == "do" and line.key in there:
            yield Finding("out of order", f"{story.run} took effect at {line.pos} after its rollback began")


def _end(story: Story, lines: list[Line]) -> Iterator[Finding]:
    """It has ended as it should, its row and its journal agree, and the world is as they say."""
    if story.state not in CLOSED or story.owner is not None:
        yield Finding("stuck", f"{story.run} is {story.state}, driven by {story.owner or 'nobody'}")
    if story.ended != [story.state]:
        yield Finding("at odds", f"{story.run} is {story.state} by its row, and {story.ended} by its journal")
    wanted = DONE.get(story.saga, set()) if not story.given_up else set()
    if story.state in CLOSED and (story.state == "completed") != bool(wanted):
        yield Finding("wrong end", f"{story.run} ended {story.state}")
    there = {line.pos for line in standing(lines).values()}
    if missing := wanted - there:
        yield Finding("missing", f"{story.run} has no effect at positions {sorted(missing)}")
    if left := there - wanted:
        yield Finding("left over", f"{story.run} left its effects at positions {sorted(left)}")


async def _ask_amends(place: Place, stories: list[Story], found: Audit) -> None:
    """What everybody can see: each run is listed as it is in the database, and each journal can be read."""
    async with Engine(place.store, drive=False, durability=place.durability) as engine:
        listed: dict[str, str] = {}
        while page := await engine.list(limit=1000, offset=len(listed)):
            listed |= {row.id: row.state for row in page}
        if listed != {story.run: story.state for story in stories}:
            found.findings.append(Finding("at odds", "the API lists other runs or states than the database has"))
        for letter in await engine.dlq.list():
            found.findings.append(Finding("stuck", f"dead letter {letter.id} waits: {letter.error}"))
        for run in listed:
            try:
                await engine.history(run)
            except AmendsError as error:
                found.findings.append(Finding("damaged journal", f"{run}: {error}"))
