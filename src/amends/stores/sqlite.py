"""Journals in one SQLite file: write-ahead log, one writer thread, group commit; several processes may share the file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from amends.errors import EngineClosed, JournalDamaged, LetterSettled, RunClosed, UnknownRun
from amends.model.records import CLOSED, OPEN
from amends.stores import files, pen, sums
from amends.stores.faults import explain
from amends.stores.pen import RUN_COLUMNS as _RUN
from amends.stores.port import DAMAGED, Act, Change, Letter, LetterQuery, Mail, Run, RunQuery, Turn, verified
from amends.stores.reader import Reader
from amends.stores.roster import Roster
from amends.stores.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amends.errors import AmendsError
    from amends.stores.port import Durability

T = TypeVar("T")

LOOK = 4.0
"""Seconds between two looks of a writer that gives no signs of life: whether its event loop is still there."""

_LETTER = (
    "SELECT runs.id, letters.no, runs.saga, kind, step, error, opened_at, body, acted, by, note, acted_at "
    "FROM letters JOIN runs ON runs.no = letters.run"
)
_OPEN = ",".join(f"'{state}'" for state in OPEN)
_DAMAGED = f"saga != :damaged AND state IN ({_OPEN}) AND NOT {sums.INTACT}"


class SQLiteStore:
    """A store in the file `path`, which is made if it is not there, readable by its owner only."""

    def __init__(self, path: str | os.PathLike[str], *, durability: Durability = "full", busy: float = 30.0) -> None:
        self._path = Path(path).absolute()
        self._durability: Durability = durability
        self._busy = busy
        self._writer: Writer | None = None

    async def open(self, worker: str, *, lease: float | None) -> str:
        """See `Store.open`."""
        if self._writer is not None:
            raise EngineClosed("the store is open already; one object serves one worker.")
        self._worker = worker
        thread = ThreadPoolExecutor(1, thread_name_prefix="amends-reader")
        try:
            identity, writing, reading = await asyncio.get_running_loop().run_in_executor(thread, self._connect)
        except BaseException:  # it is not open then, and the error goes on its way
            thread.shutdown(wait=False)
            raise
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
            finally:
                await self._end(writer)

    async def _end(self, writer: Writer) -> None:
        self._writer = None
        await writer.close()
        await self._reader.close()

    async def create(self, run: Run, first: Turn | None) -> Run:
        """See `Store.create`."""

        def job(db: sqlite3.Connection) -> Run:
            no = pen.create(db, run)
            if no is None:
                return _known(_run(db, run.id))
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

    async def mail(self, run_id: str) -> list[Mail]:
        """See `Store.mail`."""
        columns = "mail.no, runs.id, body, mail.sum"
        query = f"SELECT {columns} FROM mail JOIN runs ON runs.no = run WHERE runs.id = ? ORDER BY mail.no"
        return await self._read(lambda db: [_opened(*row) for row in db.execute(query, (run_id,))])

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
        rows = await self._write(lambda db: roster.take(db, sagas, now, limit, _RUN))
        return [Run(*row) for row in rows]

    async def run(self, run_id: str) -> Run | None:
        """See `Store.run`."""
        return await self._read(lambda db: _run(db, run_id))

    async def journal(self, run_id: str) -> list[Turn]:
        """See `Store.journal`."""
        # The row is read first: turns may be added meanwhile, and more than the row knows of is right.
        row_of = f"SELECT length, no, {sums.INTACT}, {_RUN} FROM runs WHERE id = ?"
        turns_of = "SELECT seq, body, sum FROM turns WHERE run = ? ORDER BY seq"

        def read(db: sqlite3.Connection) -> list[Turn]:
            row = db.execute(row_of, (run_id,)).fetchone()
            if row is None:
                raise UnknownRun(f"there is no run {run_id!r} in {self._path}.")
            turns = [Turn(*turn) for turn in db.execute(turns_of, row[1:2])]
            if not row[2]:
                raise _damaged(run_id)
            try:
                verified(Run(*row[3:]), turns)
            except (TypeError, AttributeError) as error:  # a flipped bit can make text of bytes
                raise JournalDamaged(f"the journal of run {run_id!r} holds a value of another type: {error}") from error
            if len(turns) < row[0]:
                raise JournalDamaged(
                    f"run {run_id!r} has lost its end: turn {len(turns) + 1} is missing, {row[0]} were written. "
                    "Restore the file from a backup; other runs are not affected."
                )
            return turns

        return await self._read(read)

    async def runs(self, query: RunQuery) -> list[Run]:
        """See `Store.runs`."""
        where, values = ["1"], list[Any]()
        owners = () if query.owner is None else (query.owner,)
        parents = () if query.parent is None else (query.parent,)
        if query.roots:
            where.append("parent IS NULL")
        for column, wanted in (("state", query.states), ("saga", query.sagas), ("owner", owners), ("parent", parents)):
            if wanted:
                where.append(f"{column} IN ({','.join('?' * len(wanted))})")
                values += wanted
        sql = f"SELECT {sums.INTACT}, {_RUN} FROM runs WHERE {' AND '.join(where)} ORDER BY no DESC LIMIT ? OFFSET ?"
        return await self._read(lambda db: [_shown(*row) for row in db.execute(sql, (*values, query.limit, query.offset))])

    async def letters(self, query: LetterQuery) -> list[Letter]:
        """See `Store.letters`."""
        where, values = [{True: "acted IS NULL", False: "acted IS NOT NULL", None: "1"}[query.open]], list[Any]()
        if query.run_id is not None:
            where.append("runs.id = ?")
            values.append(query.run_id)
        sql = f"{_LETTER} WHERE {' AND '.join(where)} ORDER BY opened_at, runs.no, letters.no LIMIT ? OFFSET ?"
        return await self._read(lambda db: [Letter(*row) for row in db.execute(sql, (*values, query.limit, query.offset))])

    async def _write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        result: T = await self._open_writer().submit(job)
        return result

    async def _read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        self._demand_open()
        try:
            return await self._reader.read(job)
        except (sqlite3.Error, OverflowError) as error:
            raise self._explain(error) from error

    def _explain(self, error: BaseException) -> AmendsError:
        return explain(error, self._path)

    def _demand_open(self) -> None:
        if self._writer is None:
            raise EngineClosed("the store is not open.")

    def _open_writer(self) -> Writer:
        self._demand_open()
        assert self._writer is not None
        return self._writer


def _run(db: sqlite3.Connection, run_id: str) -> Run | None:
    row = db.execute(f"SELECT {sums.INTACT}, {_RUN} FROM runs WHERE id = ?", (run_id,)).fetchone()
    if row is not None and not row[0]:
        raise _damaged(run_id)
    return None if row is None else Run(*row[1:])


def _has_damaged(db: sqlite3.Connection) -> bool:
    return db.execute(f"SELECT 1 FROM runs WHERE {_DAMAGED} LIMIT 1", {"damaged": DAMAGED}).fetchone() is not None


def _set_aside(db: sqlite3.Connection) -> None:
    """Let open runs whose rows are damaged be claimed by whoever looks: their own saga's name may be what was changed."""
    db.execute(f"UPDATE runs SET saga = :damaged, owner = NULL, next_at = 0 WHERE {_DAMAGED}", {"damaged": DAMAGED})


def _shown(intact: int, *row: Any) -> Run:
    """A row as it is listed: what a damaged one says of its state cannot be believed."""
    run = Run(*row)
    return run if intact else msgspec.structs.replace(run, state="needs_attention", outcome=None)


def _damaged(run_id: str) -> JournalDamaged:
    return JournalDamaged(
        f"the row of run {run_id!r} is not what was written: its checksum does not match. "
        "Restore the file from a backup; other runs are not affected."
    )


def _opened(no: int, run_id: str, body: bytes, total: bytes) -> Mail:
    if not isinstance(body, bytes) or sums.row_sum(body) != total:
        raise JournalDamaged(
            f"message {no} to run {run_id!r} is not what was posted: its checksum does not match. "
            "Restore the file from a backup; other runs are not affected."
        )
    return Mail(no, run_id, body)


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
