"""What a careful person writes without a library: results in SQLite, read before a run and written after each step.

As it ships, each step is a commit of its own. The variant "grouped" lets the steps of all runs that wait share one commit,
as a database does it within. Both keep nothing but results: no leases, no checksums, no retries, no doubt, no letters.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks import work
from benchmarks.peer import Order

SCHEMA = "CREATE TABLE results (run TEXT, step INTEGER, value TEXT, PRIMARY KEY (run, step)) WITHOUT ROWID"
INSERT = "INSERT INTO results VALUES (?,?,?)"


class Journal:
    """Results in a file; one thread writes."""

    def __init__(self, path: Path, *, grouped: bool) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute(SCHEMA)
        self._grouped = grouped
        self._waiting: list[tuple[tuple[str, int, str], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def load(self, run: str) -> dict[int, Any]:
        """What is known of a run: nothing when it is new, and all that it did when it is taken up after a crash."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._load, run)

    def _load(self, run: str) -> dict[int, Any]:
        rows = self._db.execute("SELECT step, value FROM results WHERE run = ?", (run,))
        return {step: json.loads(value) for step, value in rows}

    async def keep(self, run: str, step: int, value: Any) -> None:
        """Make a result durable."""
        row = (run, step, json.dumps(value))
        if not self._grouped:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, [row])
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((row, future))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await future

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, [row for row, _ in batch])
            for _, future in batch:
                future.set_result(None)
        self._writing = None

    def _commit(self, rows: list[tuple[str, int, str]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(INSERT, rows)
        self._db.execute("COMMIT")

    def close(self) -> None:
        self._thread.shutdown()
        self._db.close()


class Handwritten:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def many(self, run: str, steps: int) -> None:
        known = await self._journal.load(run)
        for number in range(steps):
            await self._step(run, known, number, lambda number=number: work.noop(number))

    async def undone(self, run: str) -> None:
        known = await self._journal.load(run)
        try:
            for number in range(work.STEPS - 1):
                await self._step(run, known, number, lambda number=number: work.noop(number))
            await self._step(run, known, work.STEPS - 1, work.fail)
        except work.Declined:
            for number in reversed(range(work.STEPS - 1)):
                await self._step(run, known, -number - 1, work.undo)

    async def _step(self, run: str, known: dict[int, Any], step: int, perform: Callable[[], Any]) -> Any:
        if step not in known:
            known[step] = perform()
            await self._journal.keep(run, step, known[step])
        return known[step]


@asynccontextmanager
async def opened(order: Order) -> AsyncIterator[Handwritten]:
    journal = Journal(order.place / "results.db", grouped=order.variant == "grouped")
    yield Handwritten(journal)
    journal.close()
