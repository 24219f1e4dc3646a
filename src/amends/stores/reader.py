"""The one thread that reads an SQLite file: what is asked for at the same time is one trip to it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from amends.errors import EngineClosed
from amends.stores.answering import answer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from amends.stores.answering import Came

    Job: TypeAlias = Callable[[sqlite3.Connection], Any]

T = TypeVar("T")


async def connected(connect: Callable[[], T]) -> tuple[T, ThreadPoolExecutor]:
    """What `connect` returns, called in a thread of its own, and that thread for a `Reader`; none is left if it fails."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="amends-reader")
    try:
        return await asyncio.get_running_loop().run_in_executor(thread, connect), thread
    except BaseException:  # nothing is open then, and the error goes on its way
        thread.shutdown(wait=False)
        raise


class Reader:
    """Runs jobs that only read, on its own connection."""

    def __init__(self, connection: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._wanted: list[tuple[Job, asyncio.Future[Any]]] = []
        self._closed = False

    async def read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """What a job finds; raises what the job raises."""
        future: asyncio.Future[T] = self._loop.create_future()
        if not self._wanted:
            self._loop.call_soon(self._fetch)
        self._wanted.append((job, future))
        return await future

    async def close(self) -> None:
        """Finish what is under way, then end the thread."""
        self._closed = True
        self._fetch()
        await asyncio.to_thread(self._thread.shutdown)
        self._connection.close()

    def _fetch(self) -> None:
        wanted, self._wanted = self._wanted, []
        if self._closed:
            refusal = EngineClosed("the store is not open.")
            answer([future for _, future in wanted], [(None, refusal)] * len(wanted))
        elif wanted:
            jobs = [job for job, _ in wanted]
            found = self._loop.run_in_executor(self._thread, _each_of, jobs, self._connection)
            found.add_done_callback(partial(_found, [future for _, future in wanted]))


def _each_of(jobs: list[Job], connection: sqlite3.Connection) -> list[Came]:
    came: list[Came] = []
    for job in jobs:
        try:
            came.append((job(connection), None))
        except BaseException as error:  # it is told to the one who asked, and the others get theirs
            came.append((None, error))
    return came


def _found(asked: list[asyncio.Future[Any]], done: asyncio.Future[list[Came]]) -> None:
    error = done.exception()
    answer(asked, done.result() if error is None else [(None, error)] * len(asked))
