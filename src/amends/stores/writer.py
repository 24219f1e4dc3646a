"""The one thread that writes to an SQLite file: all that waits shares one transaction, and so one fsync."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

from amends.errors import AmendsError, EngineClosed, StoreBusy, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    Job: TypeAlias = Callable[[sqlite3.Connection], Any]
    Waiting: TypeAlias = tuple[Job, asyncio.Future[Any]]

MOST_AT_ONCE = 1000
"""Jobs in one transaction, so that others get their turn with the file."""


class Writer:
    """Runs jobs on its own connection. A job that refuses raises an `AmendsError` before it has written anything."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], *, beat: Job, every: float) -> None:
        self._connect = connect
        self._beat = beat
        self._every = every
        self._loop = asyncio.get_running_loop()
        self._waiting: SimpleQueue[Waiting | None] = SimpleQueue()
        self._closing = False
        self.commits = 0
        self._thread = threading.Thread(target=self._work, name="amends-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> asyncio.Future[Any]:
        """Run a job in the next transaction; the future is done once that is durable."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._closing:
            future.set_exception(EngineClosed("the store is closed."))
        else:
            self._waiting.put((job, future))
        return future

    async def close(self) -> None:
        """Finish what waits, then end the thread."""
        self._closing = True
        self._waiting.put(None)
        while self._thread.is_alive():
            await asyncio.sleep(0.001)

    def _work(self) -> None:
        connection = self._connect()
        due = time.monotonic() + self._every
        closing = False
        while not closing:
            batch, closing = self._take(max(0.0, due - time.monotonic()))
            beats = time.monotonic() >= due
            if batch or beats:
                self._write(connection, batch, beats)
            if beats:
                due = time.monotonic() + self._every
        connection.close()

    def _take(self, patience: float) -> tuple[list[Waiting], bool]:
        """All that waits, as soon as anything does; and whether the end was asked for."""
        batch: list[Waiting] = []
        try:
            waiting = self._waiting.get(timeout=patience)
            while waiting is not None:
                batch.append(waiting)
                if len(batch) == MOST_AT_ONCE:
                    return batch, False
                waiting = self._waiting.get_nowait()
        except Empty:
            return batch, False
        return batch, True

    def _write(self, connection: sqlite3.Connection, batch: list[Waiting], beats: bool) -> None:
        try:
            settled = self._transact(connection, [job for job, _ in batch], beats)
        except BaseException as error:  # whatever it is, those who wait are told, and the thread lives on
            if len(batch) > 1:
                for waiting in batch:
                    self._write(connection, [waiting], False)
                return
            settled = [(None, error)] * len(batch)
        if batch:
            results = [(future, *came) for (_, future), came in zip(batch, settled, strict=True)]
            try:
                self._loop.call_soon_threadsafe(_settle, results)
            except RuntimeError:  # the event loop is closed: nobody waits any more
                pass

    def _transact(
        self, connection: sqlite3.Connection, jobs: list[Job], beats: bool
    ) -> list[tuple[Any, BaseException | None]]:
        settled: list[tuple[Any, BaseException | None]] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                try:
                    settled.append((job(connection), None))
                except AmendsError as refused:
                    settled.append((None, refused))
            if beats:
                self._beat(connection)
            connection.execute("COMMIT")
        except BaseException:  # nothing of a batch that failed may stay; the error goes on its way
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self.commits += 1
        return settled


def _settle(results: list[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
    for future, value, error in results:
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(explain(error))


def explain(error: BaseException) -> AmendsError:
    """An error of the database in amends' words: what happened, and what to do."""
    if isinstance(error, AmendsError):
        return error
    text = str(error)
    if "locked" in text or "busy" in text:
        said: AmendsError = StoreBusy(
            f"another program held the file for too long ({text}). Close it (an open transaction in a database shell, a "
            "backup that copies the file); amends tries again."
        )
    elif "full" in text:
        said = StoreError(f"there is no room to write the journal ({text}). Make room on the disk; amends tries again.")
    elif "readonly" in text or "read-only" in text:
        said = StoreError(f"the file cannot be written ({text}). Give this user the right to write it and its folder.")
    elif isinstance(error, sqlite3.DatabaseError) and ("malformed" in text or "not a database" in text):
        said = StoreError(f"the file is damaged ({text}). Restore it from a backup; see docs/operating.md.")
    else:
        said = StoreError(f"the journal could not be read or written: {type(error).__name__}: {text}")
    said.__cause__ = error
    return said
