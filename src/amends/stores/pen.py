"""How changes of runs are written to an SQLite file: the turns of many runs in one statement, and then what else there is.

Every statement that writes for a run demands the run's epoch and owner itself, so that nothing of a zombie's comes in.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from amends.errors import LeaseLost, StoreError
from amends.model.records import CLOSED
from amends.stores import sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from amends.stores.port import Change, Run

RUN_COLUMNS = "id, saga, input, seed, created_at, state, owner, epoch, next_at, outcome, closed_at, parent"
_COLUMNS = len(RUN_COLUMNS.split(", "))

_CREATE = f"INSERT INTO runs ({RUN_COLUMNS}, sum) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING"
# A turn that is refused finds no run, and a turn without a run cannot be: then nothing of the statement is written.
_APPEND = """
INSERT INTO turns (run, seq, body, sum)
SELECT runs.no, new.column3, new.column4, new.column5 FROM (VALUES {}) AS new
LEFT JOIN runs ON runs.id = new.column1 AND runs.epoch = new.column2 AND runs.owner = ?
AND (new.column3 = 1 OR EXISTS (SELECT 1 FROM turns AS old WHERE old.run = runs.no AND old.seq = new.column3 - 1))
WHERE new.column1 IS NOT NULL
"""
_UPDATE = (
    "UPDATE runs SET state = :state, next_at = :next_at, outcome = :outcome, closed_at = :closed_at, owner = :owner,"
    " length = max(length, (SELECT coalesce(max(seq), 0) FROM turns WHERE run = runs.no)),"
    f" sum = {sums.SUM.format(state=':state', outcome=':outcome')} WHERE id = :id AND epoch = :epoch AND owner = :me"
)
_LETTER_COLUMNS = ("no", "kind", "step", "error", "opened_at", "body", "acted", "by", "note", "acted_at")
_LETTER = "INSERT OR REPLACE INTO letters SELECT no,?,?,?,?,?,?,?,?,?,? FROM runs WHERE id = ?"
_FREE = (
    "WITH RECURSIVE nested (id) AS (SELECT id FROM runs WHERE parent = :run"
    " UNION ALL SELECT runs.id FROM runs JOIN nested ON runs.parent = nested.id)"
    " UPDATE runs SET state = :state, closed_at = :closed_at, next_at = NULL, owner = NULL, epoch = epoch + 1,"
    f" sum = {sums.SUM.format(state=':state', outcome='outcome')}"
    " WHERE state = 'held' AND id IN nested"
)
_ADDRESS = "SELECT no, state, owner FROM runs WHERE id = ?"


class Pen:
    """Writes for one worker, within a transaction of the caller's."""

    def __init__(self, worker: str) -> None:
        self._worker = worker

    def is_plain(self, change: Change) -> bool:
        """Whether its turn is all that a change writes."""
        return not (change.writes_row or change.mail or change.letters or change.starts or change.posts or change.frees)

    def append(self, db: sqlite3.Connection, changes: Sequence[Change]) -> bool:
        """Append the turns of changes of different runs in one statement: of all of them, or of none if one is refused."""
        size = 1 << (len(changes) - 1).bit_length()
        values: list[Any] = []
        for change in changes:
            turn = change.turn
            assert turn is not None
            values += (change.run_id, change.epoch, turn.seq, turn.body, turn.sum)
        values += [None] * (5 * (size - len(changes)))
        try:
            db.execute(_append(size), (*values, self._worker))
        except sqlite3.IntegrityError:
            return False
        return True

    def write(self, db: sqlite3.Connection, change: Change) -> None:
        """Write one change, or raise why it is refused before anything of it is written."""
        if change.turn is not None and not self.append(db, [change]):
            raise self._refusal(db, change)
        self.finish(db, change)

    def finish(self, db: sqlite3.Connection, change: Change) -> None:
        """Write what a change holds besides its turn."""
        if change.writes_row:
            self._change_row(db, change)
        for letter in change.letters:
            db.execute(_LETTER, (*(getattr(letter, name) for name in _LETTER_COLUMNS), change.run_id))
        for number in change.mail:
            db.execute("DELETE FROM mail WHERE no = ?", (number,))
        if change.frees:
            db.execute(_FREE, {"run": change.run_id, "closed_at": change.closed_at, "state": "completed"})
        for run in change.starts:
            db.execute(_CREATE, row_of(run))
        for run_id, body in change.posts:
            row = address(db, run_id)
            if row is not None and row[1] not in CLOSED:
                deliver(db, row, body)

    def _change_row(self, db: sqlite3.Connection, change: Change) -> None:
        row = {
            "id": change.run_id,
            "epoch": change.epoch,
            "me": self._worker,
            "state": change.state,
            "next_at": _next_at(db, change),
            "outcome": change.outcome,
            "closed_at": change.closed_at,
            "owner": None if change.release or change.state in CLOSED else self._worker,
        }
        if not db.execute(_UPDATE, row).rowcount:
            raise self._refusal(db, change)

    def _refusal(self, db: sqlite3.Connection, change: Change) -> StoreError:
        """Why nothing of a change was written."""
        row = db.execute("SELECT epoch, owner FROM runs WHERE id = ?", (change.run_id,)).fetchone()
        if row != (change.epoch, self._worker):
            return LeaseLost(f"run {change.run_id!r} is driven by another worker; epoch {change.epoch} is over.")
        seq = 0 if change.turn is None else change.turn.seq
        return StoreError(f"turn {seq} of run {change.run_id!r} does not follow the last one. Read its journal again.")


def create(db: sqlite3.Connection, run: Run) -> int | None:
    """Write a new row; its number, or None when the id is taken."""
    added = db.execute(_CREATE, row_of(run))
    return added.lastrowid if added.rowcount else None


def row_of(run: Run) -> tuple[Any, ...]:
    """A row as it is written, with its checksum."""
    parent = None if run.parent is None else run.parent.encode()
    return (
        *msgspec.structs.astuple(run)[:_COLUMNS],
        sums.row_sum(run.id.encode(), run.saga.encode(), parent, run.state.encode(), run.outcome),
    )


def address(db: sqlite3.Connection, run_id: str) -> tuple[int, str, str | None] | None:
    """The number, the state and the driver of a run."""
    found: tuple[int, str, str | None] | None = db.execute(_ADDRESS, (run_id,)).fetchone()
    return found


def deliver(db: sqlite3.Connection, address: tuple[int, str, str | None], body: bytes) -> None:
    """Leave mail for a run, and let it be claimed at once when nobody drives it."""
    no, _, owner = address
    db.execute("INSERT INTO mail (run, body, sum) VALUES (?,?,?)", (no, body, sums.row_sum(body)))
    if owner is None:
        db.execute("UPDATE runs SET next_at = 0 WHERE no = ?", (no,))


@cache
def _append(size: int) -> str:
    """The statement for so many turns; sizes are powers of two, so that there are few statements to prepare."""
    return _APPEND.format(",".join(["(?,?,?,?,?)"] * size))


def _next_at(db: sqlite3.Connection, change: Change) -> float | None:
    """A run that is given up while mail waits is to be taken up at once."""
    if change.state in CLOSED:
        return None
    if change.release:
        waiting = "SELECT max(mail.no) FROM mail JOIN runs ON runs.no = mail.run WHERE runs.id = ?"
        newest = db.execute(waiting, (change.run_id,)).fetchone()[0]
        if newest is not None and newest > change.seen_mail and newest not in change.mail:
            return 0.0
    return change.next_at
