"""The SQLite store in a simulated world: its schema and its statements, on a database in memory and without threads."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from amends.errors import AmendsError
from amends.stores import files, sums
from amends.stores.lease import Watch
from amends.stores.pen import Pen
from amends.stores.roster import Roster
from amends.stores.sqlite import SQLiteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from amends.stores.port import Change, Store

T = TypeVar("T")


class InSQLite:
    """Implements `stores.House`."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(":memory:", isolation_level=None)
        sums.teach(self._database)
        _template().backup(self._database)
        self._alive: set[str] = set()

    def attach(self) -> Store:
        """See `House`."""
        return Inline(self._database, self._alive)

    def silence(self, store: Store) -> None:
        """See `House`."""
        assert isinstance(store, Inline)
        self._alive.discard(store.worker)

    def revive(self, store: Store) -> None:
        """See `House`."""
        assert isinstance(store, Inline)
        self._alive.add(store.worker)

    def bodies(self, run_id: str) -> list[bytes]:
        """See `House`."""
        query = "SELECT body FROM turns JOIN runs ON runs.no = run WHERE runs.id = ? ORDER BY seq"
        return [row[0] for row in self._database.execute(query, (run_id,))]

    def close(self) -> None:
        """See `House`."""
        self._database.close()


class Inline(SQLiteStore):
    """`SQLiteStore`, where a job runs at once in the thread that asks for it, in a transaction of its own."""

    def __init__(self, database: sqlite3.Connection, alive: set[str]) -> None:
        super().__init__("memory")
        self._database = database
        self._alive = alive
        self.worker = ""

    async def open(self, worker: str, *, lease: float | None) -> str:
        """See `Store.open`."""
        self._worker = self.worker = worker
        self._roster = None
        if lease is not None:
            self._roster = roster = Roster(worker, lease)
            roster._watch = _Known(self._alive)
            self._alive.add(worker)
            await self._write(roster.beat)
        return "explored"

    async def close(self) -> None:
        """See `Store.close`."""
        if self._roster is not None:
            await self._write(self._roster.leave)
        self._alive.discard(self.worker)

    def commit(self, change: Change) -> asyncio.Future[None]:
        """See `Store.commit`."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            done.set_result(self._at_once(lambda db: Pen(self.worker).write(db, change)))
        except AmendsError as refused:
            done.set_exception(refused)
        return done

    def _at_once(self, job: Callable[[sqlite3.Connection], T]) -> T:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            result = job(self._database)
        except BaseException:  # nothing of it stays, and the error goes on its way
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")
        return result

    async def _write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        return self._at_once(job)

    async def _read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        return job(self._database)

    def _demand_open(self) -> None:
        """It is open for as long as its world lasts."""


class _Known(Watch):
    """Knows who lives, instead of watching counters: a simulated world has no beats."""

    def __init__(self, alive: set[str]) -> None:
        super().__init__(0.0)
        self._alive = alive

    def is_dead(self, worker: str, beat: int | None, born: str, now: float) -> bool:
        """See `Watch`."""
        return worker not in self._alive

    def keep(self, workers: Iterable[str]) -> None:
        """There is nothing to forget."""


@cache
def _template() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:", isolation_level=None)
    files._migrate(Path("memory"), made)
    return made
