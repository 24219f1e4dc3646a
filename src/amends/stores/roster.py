"""The workers of one SQLite file: who lives, what each of them drives, and what may be taken over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from amends.stores.lease import Pulse, Watch, birth

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_BEAT = "INSERT INTO workers VALUES (?, 1, ?) ON CONFLICT (id) DO UPDATE SET beat = beat + 1"
_LEAVE = (
    "UPDATE runs SET owner = NULL, next_at = CASE WHEN state IN ('running', 'compensating')"
    " OR (state IN ('needs_attention', 'held') AND EXISTS (SELECT 1 FROM mail WHERE run = runs.no)) THEN 0 ELSE next_at END"
    " WHERE owner = ?"
)
# The owners are found by leaps through their index: its size does not matter, only how many owners there are.
_OTHERS = """
WITH RECURSIVE owners (id) AS (
    SELECT min(owner) FROM runs WHERE owner IS NOT NULL
    UNION ALL
    SELECT (SELECT min(owner) FROM runs WHERE owner > owners.id) FROM owners WHERE owners.id IS NOT NULL
)
SELECT workers.id, beat, born, EXISTS (SELECT 1 FROM runs WHERE owner = workers.id) FROM workers WHERE workers.id != :me
UNION ALL
SELECT owners.id, NULL, '', 1 FROM owners
WHERE owners.id IS NOT NULL AND owners.id != :me AND owners.id NOT IN (SELECT id FROM workers)
"""
_DUE = "SELECT next_at, no, epoch, owner FROM runs WHERE owner IS NULL AND saga = ? AND next_at <= ? ORDER BY next_at LIMIT ?"
_LEFT = "SELECT next_at, no, epoch, owner FROM runs WHERE owner = ? AND saga IN ({}) LIMIT ?"
_TAKE = "UPDATE runs SET owner = ?, epoch = epoch + 1 WHERE no = ? AND epoch = ? AND owner IS ? RETURNING "
# An id that is no text any more gets the text that is shown for it, so that there is something to call it by.
_NAME = "UPDATE runs SET id = :id WHERE no = :no AND id != :id"
_REAP = "DELETE FROM workers WHERE id = ? AND NOT EXISTS (SELECT 1 FROM runs WHERE owner = workers.id)"


class Roster:
    """One worker's place among the others. Its methods are called within a transaction."""

    def __init__(self, worker: str, lease: float) -> None:
        self.worker = worker
        self.every = lease / 4
        self._born = birth()
        self._watch = Watch(lease)
        self._pulse = Pulse(self.every, time.monotonic())

    def beat(self, db: sqlite3.Connection) -> None:
        """Show that this worker lives; whoever was taken for dead, and wiped off, comes back this way."""
        db.execute(_BEAT, (self.worker, self._born))
        self._pulse.beat(time.monotonic())

    def leave(self, db: sqlite3.Connection) -> None:
        """Give up every run, so that others go on at once, and be gone."""
        db.execute(_LEAVE, (self.worker,))
        db.execute("DELETE FROM workers WHERE id = ?", (self.worker,))

    def has_work(self, db: sqlite3.Connection, sagas: Sequence[str], now: float) -> bool:
        """Whether a claim would change anything: a look that takes no lock."""
        return any(self._look(db, sagas, now, 1))

    def take(self, db: sqlite3.Connection, sagas: Sequence[str], now: float, limit: int, columns: str) -> list[Any]:
        """Take over what nobody drives any more; returns the rows as they are now."""
        rows: list[Any] = []
        free, idle = self._look(db, sagas, now, limit)
        for _, no, epoch, owner in free:
            taken = db.execute(_TAKE + columns, (self.worker, no, epoch, owner)).fetchall()
            for row in taken:
                db.execute(_NAME, {"id": row[0], "no": no})
            rows += [(*row, owner is None) for row in taken]
        for worker in idle:
            db.execute(_REAP, (worker,))
        return rows

    def _look(self, db: sqlite3.Connection, sagas: Sequence[str], now: float, limit: int) -> tuple[list[Any], list[str]]:
        """At most `limit` runs that are free, those that wait longest first; and the dead that are left with nothing."""
        free: list[Any] = []
        for saga in sagas:
            free += db.execute(_DUE, (saga, now, limit)).fetchall()
        free.sort(key=lambda row: row[:2])
        others = db.execute(_OTHERS, {"me": self.worker}).fetchall()
        clock = self._pulse.lived(time.monotonic())
        dead = [(worker, owns) for worker, beat, born, owns in others if self._watch.is_dead(worker, beat, born, clock)]
        self._watch.keep([other[0] for other in others])
        left = _LEFT.format(",".join("?" * len(sagas)))
        for worker, owns in dead:
            if owns and len(free) < limit:
                free += db.execute(left, (worker, *sagas, limit)).fetchall()
        return free[:limit], [worker for worker, owns in dead if not owns]
