"""Compares the outside ledger with the journal. It shares nothing with the engine: plain SQL, JSON and a hash.

The ledger says what happened in the world, the journal says what should have. Each order is either fully done or net
zero; each key took effect once, for what the journal wrote down before it was asked; what was done was undone in reverse;
nothing is open, and nothing in the journal was altered.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

FORWARD = ("reserve", "charge", "ship", "confirm")
UNDO = {"reserve": "release", "charge": "refund", "ship": "unship", "confirm": "retract"}
IN_THE_WORLD = {"completed": "done", "compensated": "net zero"}
TELLING = {
    "DeadLettered": "it needed the operator",
    "Recovered": "its worker was killed",
    "Checked": "the answers were lost, and the world was asked",
}

Line = dict[str, Any]


@dataclass
class Audit:
    """What was found; `wrong` is empty when all is well."""

    wrong: list[str] = field(default_factory=list[str])
    states: Counter[str] = field(default_factory=Counter[str])
    effects: int = 0
    undos: int = 0
    recoveries: int = 0
    retries: int = 0
    checks: int = 0
    cancelled: int = 0
    turns: int = 0
    letters: int = 0
    examples: dict[str, str] = field(default_factory=dict[str, str])
    """An order for each of the things that are worth a look."""


@dataclass
class Story:
    """One run, as its journal tells it."""

    order: str
    state: str
    asked: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])  # step and key by position
    undo_keys: dict[int, str] = field(default_factory=dict[int, str])
    done: set[int] = field(default_factory=set[int])
    undone: list[int] = field(default_factory=list[int])
    stuck: set[int] = field(default_factory=set[int])  # their undo became a dead letter, and came when a person said so
    ended: list[str] = field(default_factory=list[str])

    def what(self, pos: int) -> tuple[str, str]:
        """The step at a position and its key, also where the journal does not hold them."""
        return self.asked.get(pos, (f"what stands at {pos}", ""))

    def undo_of(self, pos: int) -> str:
        """The operation that undoes the step at a position."""
        step, _ = self.what(pos)
        return UNDO.get(step, f"undo of {step}")


def audit(store: Path, ledger: Path, orders: int) -> Audit:
    """Check everything, and say what is wrong."""
    found = Audit()
    world = _read_ledger(ledger, found)
    try:
        stories = _read_journal(store, found)
    except sqlite3.DatabaseError as error:
        found.wrong.append(f"the journal cannot be read: {error}")
        return found
    for story in stories:
        found.states[story.state] += 1
        lines = world.pop(story.order, [])
        found.wrong += [f"{story.order}: {wrong}" for wrong in (*_check_world(story, lines), *_compare(story, lines, found))]
    found.wrong += [f"{order}: the world knows it, the journal does not" for order in world]
    if len(stories) != orders:
        found.wrong.append(f"{orders} orders were placed, the journal holds {len(stories)}")
    return found


def _read_ledger(ledger: Path, found: Audit) -> dict[str, list[Line]]:
    """The effects of each order, in the order in which they happened."""
    world: dict[str, list[Line]] = defaultdict(list)
    keys: Counter[str] = Counter()
    for number, text in enumerate(ledger.read_text().splitlines(), start=1):
        try:
            line: Line = json.loads(text)
        except ValueError:
            found.wrong.append(f"the ledger's line {number} is not JSON")
            continue
        if line["seq"] != number:
            found.wrong.append(f"the ledger's line {number} says that it is line {line['seq']}")
        if "misuse" in line:
            found.wrong.append(f"{line['order']}: {line['op']} was asked under a key of something else: {line['misuse']}")
            continue
        keys[line["key"]] += 1
        found.effects += 1
        found.undos += line["undoes"] is not None
        world[line["order"]].append(line)
    found.wrong += [f"key {key} took effect {times} times" for key, times in keys.items() if times > 1]
    return world


def _read_journal(store: Path, found: Audit) -> list[Story]:
    db = sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)
    try:
        _check_nothing_waits(db, found)
        return [_read_run(db, row, found) for row in db.execute("SELECT no, id, saga, input, seed, state FROM runs")]
    finally:
        db.close()


def _read_run(db: sqlite3.Connection, row: Any, found: Audit) -> Story:
    """A run's story, and whether every turn of it is what was written: the chain of checksums, computed anew."""
    no, run_id, saga, given, seed, state = row
    story = Story(run_id, state)
    total = _link(b"", b"\0".join((run_id.encode(), saga.encode(), seed, given)))
    turns = db.execute("SELECT seq, body, sum FROM turns WHERE run = ? ORDER BY seq", (no,)).fetchall()
    for number, (seq, body, check) in enumerate(turns, start=1):
        found.turns += 1
        total = _link(total, body)
        if seq != number or check != total:
            found.wrong.append(f"{run_id}: turn {number} is not what was written")
            break
        for record in json.loads(body):
            _read_record(story, record, found)
    if not turns:
        found.wrong.append(f"{run_id}: it has no journal")
    return story


def _read_record(story: Story, record: list[Any], found: Audit) -> None:
    match record:
        case ["StepWanted", pos, step, key, _]:
            story.asked[pos] = step, key
        case ["StepDone", _, pos, _, _] | ["Checked", _, pos, _, True, _]:
            story.done.add(pos)
        case ["UndoWanted", pos, _, key]:
            story.undo_keys[pos] = key
        case ["UndoDone", _, pos, _]:
            story.undone.append(pos)
        case ["DeadLettered", _, pos, *_]:
            story.stuck.add(pos)
        case ["Ended", state, *_]:
            story.ended.append(state)
        case _:
            pass
    if record[0] in TELLING:
        found.examples.setdefault(TELLING[record[0]], story.order)
    found.recoveries += record[0] == "Recovered" and not record[3]
    found.retries += record[0] == "RetryWanted"
    found.checks += record[0] == "Checked"


def _check_nothing_waits(db: sqlite3.Connection, found: Audit) -> None:
    for (said,) in db.execute("PRAGMA integrity_check"):
        if said != "ok":
            found.wrong.append(f"the journal's file is damaged: {said}")
    found.letters = db.execute("SELECT count(*) FROM letters").fetchone()[0]
    for what, sql in {
        "dead letters are open": "SELECT count(*) FROM letters WHERE acted IS NULL",
        "dead letters were ended by nobody": "SELECT count(*) FROM letters WHERE acted IS NOT NULL AND coalesce(by, '') = ''",
        "messages were not read": "SELECT count(*) FROM mail",
        "runs are still driven": "SELECT count(*) FROM runs WHERE owner IS NOT NULL",
    }.items():
        count = db.execute(sql).fetchone()[0]
        if count:
            found.wrong.append(f"{count} {what}")


def _check_world(story: Story, lines: list[Line]) -> list[str]:
    """What the world did for one order, by itself and beside the state that the journal gives it."""
    wrong: list[str] = []
    standing: list[Line] = []  # what was done and not undone
    late = {story.undo_of(pos) for pos in story.stuck}
    forward = [line["op"] for line in lines if line["undoes"] is None]
    if forward != list(FORWARD[: len(forward)]):
        wrong.append(f"done out of order: {', '.join(forward)}")
    turned = False
    for line in lines:
        if line["undoes"] is None:
            standing.append(line)
            if turned:
                wrong.append(f"{line['op']} after the rollback began")
            continue
        turned = True
        place = next((n for n, done in enumerate(standing) if done["key"] == line["undoes"]), None)
        if place is None:
            wrong.append(f"{line['op']} of something that was not there")
            continue
        undone = standing.pop(place)
        if UNDO[undone["op"]] != line["op"]:
            wrong.append(f"{undone['op']} was undone by {line['op']}")
        if any(UNDO[after["op"]] not in late for after in standing[place:]):
            wrong.append(f"{line['op']} before what came after it was undone")
    wrong += _check_end(story, [line["op"] for line in standing], turned)
    return wrong


def _check_end(story: Story, standing: list[str], turned: bool) -> list[str]:
    """Whether the order came to the end that its journal claims."""
    world = "done" if standing == list(FORWARD) and not turned else "net zero" if not standing else "neither"
    wrong: list[str] = []
    if story.ended != [story.state]:
        wrong.append(f"it is {story.state}, and its last turn says {story.ended or 'nothing'}")
    if story.state not in IN_THE_WORLD:
        wrong.append(f"it is still {story.state}" if not story.ended else f"it ended {story.state}")
    elif IN_THE_WORLD[story.state] != world:
        wrong.append(f"the journal says {story.state}; in the world stands {', '.join(standing) or 'nothing'}")
    return wrong


def _compare(story: Story, lines: list[Line], found: Audit) -> list[str]:
    """Effect by effect: nothing in the world that was not asked for, nothing missing that the journal counts on."""
    wrong: list[str] = []
    happened = {line["key"]: line["op"] for line in lines}
    intended = {key: step for step, key in story.asked.values()}
    intended |= {key: story.undo_of(pos) for pos, key in story.undo_keys.items()}
    for key, op in happened.items():
        if intended.get(key) != op:
            wrong.append(f"{op} happened under key {key}, which the journal has for {intended.get(key, 'nothing')}")
    for pos in sorted(story.done):
        step, key = story.what(pos)
        if key not in happened:
            wrong.append(f"the journal says that {step} was done; the world does not")
    for pos in story.undone:
        step, key = story.what(pos)
        if key not in happened:
            found.cancelled += 1
        elif story.undo_keys.get(pos) not in happened:
            wrong.append(f"the journal says that {step} was undone; the world does not")
    in_turn = [pos for pos in story.undone if pos not in story.stuck]
    if in_turn != sorted(in_turn, reverse=True):
        wrong.append(f"the journal undid positions {in_turn}, which is not in reverse")
    return wrong


def _link(before: bytes, body: bytes) -> bytes:
    return blake2b(body, digest_size=8, key=before).digest()
