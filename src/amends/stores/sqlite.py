"""Journals in one SQLite file: write-ahead log, one writer thread, group commit; several processes may share the file."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

from amends.errors import EngineClosed, LetterSettled, RunClosed, StoreError, UnknownRun
from amends.model.records import CLOSED, OPEN
from amends.stores import files, pen, sums
from amends.stores.pen import RUN_COLUMNS
from amends.stores.port import DAMAGED, Act, Change, Run, Turn, demand_durability
from amends.stores.reader import Reader, connected
from amends.stores.roster import Roster
from amends.stores.view import SQLiteView, row_of
from amends.stores.writer import Writer

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Callable, Sequence

    from amends.stores.port import Durability

T = TypeVar("T")

log = logging.getLogger("amends.engine")

LOOK = 4.0
"""Seconds between two looks of a writer that gives no signs of life: whether its event loop is still there."""

_OPEN = ",".join(f"'{state}'" for state in OPEN)
_DAMAGED = f"saga != :damaged AND state IN ({_OPEN}) AND NOT {sums.INTACT}"


class SQLiteStore(SQLiteView):
    """A store in the file `path`, which is made if it is not there, readable by its owner only."""

    def __init__(self, path: str | os.PathLike[str], *, durability: Durability = "full", busy: float = 30.0) -> None:
        super().__init__(path, busy=busy)
        demand_durability(durability)
        self._durability: Durability = durability
        self._writer: Writer | None = None

    async def open(self, worker: str, *, lease: float | None) -> str:
        """See `Store.open`."""
        self._demand_new()
        self._worker = worker
        (identity, writing, reading), thread = await connected(self._connect)
        self._roster = roster = None if lease is None else Roster(worker, lease)
        self._reader = Reader(reading, thread)
        beat, every = (None, LOOK) if roster is None else (roster.beat, roster.every)
        self._writer = Writer(writing, pen.Pen(worker), beat=beat, every=every, explain=self._explain)
        if roster is not None:
            try:
                await self._write(roster.beat)
                if await self._read(_has_damaged):
                    await self._write(_set_aside)
            except BaseException:  # it is not open then, and the error goes on its way
                await self._end(self._writer)
                raise
        return identity

    def _connect(self) -> tuple[str, sqlite3.Connection, sqlite3.Connection]:
        self._path = files.located(self._path)
        identity, writing = files.opened(self._path, self._durability, self._busy)
        try:
            return identity, writing, files.connect(self._path, self._durability, self._busy)
        except BaseException:  # half open is not open; the error goes on its way
            writing.close()
            raise

    async def close(self) -> None:
        """See `Store.close`."""
        if self._writer is not None:
            writer = self._writer
            try:
                if self._roster is not None:
                    await self._write(self._roster.leave)
            except StoreError as error:  # what its user was doing matters more than how soon others take over
                log.warning("the store could not be left in order; others take its runs over after the lease: %s", error)
            finally:
                await self._end(writer)

    async def _end(self, writer: Writer) -> None:
        self._writer = None
        await writer.close()
        await super().close()

    async def create(self, run: Run, first: Turn | None) -> Run:
        """See `Store.create`."""

        def job(db: sqlite3.Connection) -> Run:
            no = pen.create(db, run)
            if no is None:
                return _known(row_of(db, run.id))
            if first is not None:
                db.execute("INSERT INTO turns VALUES (?,?,?,?)", (no, first.seq, first.body, first.sum))
            return run

        return await self._write(job)

    def commit(self, change: Change) -> asyncio.Future[None]:
        """See `Store.commit`."""
        if self._writer is None:
            refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            refused.set_exception(EngineClosed("the store is not open."))
            return refused
        return self._writer.submit(change)

    async def post(self, run_id: str, body: bytes, act: Act | None = None) -> None:
        """See `Store.post`."""

        def job(db: sqlite3.Connection) -> None:
            row = pen.address(db, run_id)
            if row is None:
                raise UnknownRun(f"there is no run {run_id!r} in {self._path}. `amends ps` lists those that are there.")
            if row[1] in CLOSED:
                raise RunClosed(f"run {run_id!r} has ended: it is {row[1]}, and takes no more messages.")
            if act is not None:
                _settle_letter(db, row[0], run_id, act)
            pen.deliver(db, row, body)

        await self._write(job)

    async def mailed(self) -> list[str]:
        """See `Store.mailed`."""
        query = "SELECT DISTINCT runs.id FROM mail JOIN runs ON runs.no = mail.run WHERE owner = ?"
        return await self._read(lambda db: [row[0] for row in db.execute(query, (self._worker,))])

    async def claim(self, sagas: Sequence[str], *, now: float, limit: int) -> list[Run]:
        """See `Store.claim`."""
        self._demand_open()
        roster = self._roster
        if roster is None or limit <= 0 or not await self._read(lambda db: roster.has_work(db, sagas, now)):
            return []
        rows = await self._write(lambda db: roster.take(db, sagas, now, limit, RUN_COLUMNS))
        return [Run(*row) for row in rows]

    async def _write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        result: T = await self._open_writer().submit(job)
        return result

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise EngineClosed("the store is not open.")
        return self._writer


def _has_damaged(db: sqlite3.Connection) -> bool:
    return db.execute(f"SELECT 1 FROM runs WHERE {_DAMAGED} LIMIT 1", {"damaged": DAMAGED}).fetchone() is not None


def _set_aside(db: sqlite3.Connection) -> None:
    """Let open runs whose rows are damaged be claimed by whoever looks: their own saga's name may be what was changed."""
    db.execute(f"UPDATE runs SET saga = :damaged, owner = NULL, next_at = 0 WHERE {_DAMAGED}", {"damaged": DAMAGED})


def _known(run: Run | None) -> Run:
    assert run is not None, "the row was updated a moment ago"
    return run


def _settle_letter(db: sqlite3.Connection, run_no: int, run_id: str, act: Act) -> None:
    letter = db.execute("SELECT acted, by FROM letters WHERE run = ? AND no = ?", (run_no, act.no)).fetchone()
    if letter is None:
        raise UnknownRun(f"there is no dead letter {run_id}#{act.no}. `amends dlq list` lists those that wait.")
    if letter[0] is not None:
        raise LetterSettled(f"letter {run_id}#{act.no} was {letter[0]} by {letter[1]} already; nothing was done.")
    db.execute(
        "UPDATE letters SET acted = ?, by = ?, note = ?, acted_at = ? WHERE run = ? AND no = ?",
        (act.acted, act.by, act.note, act.at, run_no, act.no),
    )
