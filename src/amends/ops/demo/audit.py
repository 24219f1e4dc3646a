"""Compares the outside ledger with the journal. It shares nothing with the engine: plain SQL, JSON and a hash."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

FORWARD = ("reserve", "charge", "ship", "confirm")
UNDO = {"reserve": "release", "charge": "refund", "ship": "unship", "confirm": "retract"}


@dataclass
class Audit:
    """What was found; `wrong` is empty when all is well."""

    wrong: list[str] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    effects: int = 0
    undos: int = 0
    recoveries: int = 0
    retries: int = 0
    turns: int = 0
    letters: int = 0


def audit(store: Path, ledger: Path, orders: int) -> Audit:
    """Check every order: fully done or net zero, each key once, undone in reverse, nothing open, nothing altered."""
    found = Audit()
    by_order: dict[str, list[str]] = {}
    keys: Counter[str] = Counter()
    for line in ledger.read_text().splitlines():
        entry = json.loads(line)
        found.effects += 1
        keys[entry["key"]] += 1
        by_order.setdefault(entry["order"], []).append(entry["op"])
    found.wrong += [f"key {key} took effect {times} times" for key, times in keys.items() if times > 1]
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT no, id, saga, input, seed, state FROM runs").fetchall()
        open_letters = db.execute("SELECT count(*) FROM letters WHERE acted IS NULL").fetchone()[0]
        found.letters = db.execute("SELECT count(*) FROM letters").fetchone()[0]
        for row in rows:
            found.states[row[5]] += 1
            _check_journal(db, row, found)
            by_hand = {step for (step,) in db.execute("SELECT step FROM letters WHERE run = ?", (row[0],))}
            _check_order(row[1], row[5], by_order.pop(row[1], []), by_hand, found)
    db.close()
    found.wrong += [f"the ledger knows order {order}, and the journal does not" for order in by_order]
    if len(rows) != orders:
        found.wrong.append(f"{orders} orders were placed, and the journal holds {len(rows)}")
    if open_letters:
        found.wrong.append(f"{open_letters} dead letters are open")
    return found


def _check_order(order: str, state: str, done: list[str], by_hand: set[str], found: Audit) -> None:
    """What the world did for one order, beside what the journal says became of it.

    The undo of a step that became a dead letter comes when the operator says so; all others in reverse order.
    """
    forward = [op for op in done if op in FORWARD]
    undone = [op for op in done if op not in FORWARD]
    found.undos += len(undone)
    if forward != list(FORWARD[: len(forward)]):
        found.wrong.append(f"{order}: done out of order: {forward}")
    if state == "completed":
        if forward != list(FORWARD) or undone:
            found.wrong.append(f"{order}: the journal says completed, the world says {done}")
    elif state == "compensated":
        in_order = [UNDO[op] for op in reversed(forward) if op not in by_hand]
        late = sorted(UNDO[op] for op in forward if op in by_hand)
        if undone[: len(in_order)] != in_order or sorted(undone[len(in_order) :]) != late:
            found.wrong.append(f"{order}: {forward} was undone as {undone}")
        if done[: len(forward)] != forward:
            found.wrong.append(f"{order}: something was done after the rollback began: {done}")
    else:
        found.wrong.append(f"{order}: still {state}")


def _check_journal(db: sqlite3.Connection, row: Any, found: Audit) -> None:
    """Every turn is what was written: the chain of checksums, computed anew."""
    no, run_id, saga, given, seed, _ = row
    total = _link(b"", b"\0".join((run_id.encode(), saga.encode(), seed, given)))
    turns = db.execute("SELECT seq, body, sum FROM turns WHERE run = ? ORDER BY seq", (no,)).fetchall()
    for number, (seq, body, check) in enumerate(turns, start=1):
        found.turns += 1
        total = _link(total, body)
        if seq != number or check != total:
            found.wrong.append(f"{run_id}: turn {number} is not what was written")
            return
        kinds = [record[0] for record in json.loads(body)]
        found.recoveries += kinds.count("Recovered")
        found.retries += kinds.count("RetryWanted")
    if not turns:
        found.wrong.append(f"{run_id}: it has no journal")


def _link(before: bytes, body: bytes) -> bytes:
    return blake2b(body, digest_size=8, key=before).digest()
