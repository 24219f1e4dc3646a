"""Journals in one SQLite file: write-ahead log, one writer thread, group commit; several processes may share the file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from amends.errors import EngineClosed, JournalDamaged, LeaseLost, LetterSettled, RunClosed, StoreError, UnknownRun
from amends.model.records import CLOSED, OPEN
from amends.stores import files, sums
from amends.stores.faults import explain
from amends.stores.port import DAMAGED, Act, Change, Letter, LetterQuery, Mail, Run, RunQuery, Turn, verified
from amends.stores.roster import Roster
from amends.stores.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amends.errors import AmendsError
    from amends.stores.port import Durability

T = TypeVar("T")

_RUN = "id, saga, input, seed, created_at, state, owner, epoch, next_at, outcome, closed_at, parent"
_CREATE = f"INSERT INTO runs ({_RUN}, sum) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING"
_LETTER = (
    "SELECT runs.id, letters.no, runs.saga, kind, step, error, opened_at, body, acted, by, note, acted_at "
    "FROM letters JOIN runs ON runs.no = letters.run"
)
_LETTER_COLUMNS = ("no", "kind", "step", "error", "opened_at", "body", "acted", "by", "note", "acted_at")
_FREE = (
    "WITH RECURSIVE nested (id) AS (SELECT id FROM runs WHERE parent = ?1"
    " UNION ALL SELECT runs.id FROM runs JOIN nested ON runs.parent = nested.id)"
    " UPDATE runs SET state = ?3, closed_at = ?2, next_at = NULL, owner = NULL, epoch = epoch + 1,"
    f" sum = {sums.SUM.format(state='?3', outcome='outcome')}"
    " WHERE state = 'held' AND id IN nested"
)
_ADDRESS = "SELECT no, state, owner FROM runs WHERE id = ?"
_APPEND = (
    "INSERT INTO turns SELECT no,?,?,? FROM runs WHERE id = ? AND epoch = ? AND owner = ?"
    " AND ? = 1 + (SELECT coalesce(max(seq), 0) FROM turns WHERE run = runs.no)"
)
_UPDATE = (
    "UPDATE runs SET state = ?1, next_at = ?2, outcome = ?3, closed_at = ?4, owner = ?5,"
    f" sum = {sums.SUM.format(state='?1', outcome='?3')} WHERE id = ?6 AND epoch = ?7 AND owner = ?8"
)
_DAMAGED = f"saga != ?1 AND state IN ({','.join(f'?{number}' for number in range(2, 2 + len(OPEN)))}) AND NOT {sums.INTACT}"
_COUNT = (
    "INSERT INTO ends SELECT no, (SELECT coalesce(max(seq), 0) FROM turns WHERE run = runs.no) FROM runs WHERE id = ?"
    " ON CONFLICT (run) DO UPDATE SET length = max(length, excluded.length)"
)


class SQLiteStore:
    """A store in the file `path`, which is made if it is not there, readable by its owner only."""

    def __init__(self, path: str | os.PathLike[str], *, durability: Durability = "full", busy: float = 30.0) -> None:
        self._path = Path(path).absolute()
        self._durability: Durability = durability
        self._busy = busy
        self._writer: Writer | None = None

    async def open(self, worker: str, *, lease: float) -> str:
        """See `Store.open`."""
        if self._writer is not None:
            raise EngineClosed("the store is open already; one object serves one worker.")
        self._worker = worker
        reading = ThreadPoolExecutor(1, thread_name_prefix="amends-reader")
        try:
            identity, writing, self._reader = await asyncio.get_running_loop().run_in_executor(reading, self._connect)
        except BaseException:  # it is not open then, and the error goes on its way
            reading.shutdown(wait=False)
            raise
        self._roster = Roster(worker, lease)
        self._reading = reading
        self._writer = Writer(writing, beat=self._roster.beat, every=self._roster.every, explain=self._explain)
        try:
            await self._write(self._roster.beat)
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
                await self._write(self._roster.leave)
            finally:
                await self._end(writer)

    async def _end(self, writer: Writer) -> None:
        self._writer = None
        await writer.close()
        await asyncio.to_thread(self._reading.shutdown)
        self._reader.close()

    async def create(self, run: Run, first: Turn | None) -> Run:
        """See `Store.create`."""

        def job(db: sqlite3.Connection) -> Run:
            added = db.execute(_CREATE, _row_of(run))
            if not added.rowcount:
                return _known(_run(db, run.id))
            if first is not None:
                db.execute("INSERT INTO turns VALUES (?,?,?,?)", (added.lastrowid, first.seq, first.body, first.sum))
            return run

        return await self._write(job)

    def commit(self, change: Change) -> asyncio.Future[None]:
        """See `Store.commit`."""
        if self._writer is None:
            refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            refused.set_exception(EngineClosed("the store is not open."))
            return refused
        return self._writer.submit(lambda db: self._commit(db, change))

    def _commit(self, db: sqlite3.Connection, change: Change) -> None:
        fence = (change.run_id, change.epoch, self._worker)
        turn, written = change.turn, 1
        closed = change.state in CLOSED
        if turn is not None:
            written = db.execute(_APPEND, (turn.seq, turn.body, turn.sum, *fence, turn.seq)).rowcount
        if written and (turn is None or change.touched or change.release or closed):
            owner = None if change.release or closed else self._worker
            row = (change.state, self._next_at(db, change), change.outcome, change.closed_at, owner)
            written = db.execute(_UPDATE, (*row, *fence)).rowcount
            if written:
                db.execute(_COUNT, (change.run_id,))
        if not written:
            raise _refusal(db, change, self._worker)
        for letter in change.letters:
            db.execute(
                "INSERT OR REPLACE INTO letters SELECT no,?,?,?,?,?,?,?,?,?,? FROM runs WHERE id = ?",
                (*(getattr(letter, name) for name in _LETTER_COLUMNS), change.run_id),
            )
        for number in change.mail:
            db.execute("DELETE FROM mail WHERE no = ?", (number,))
        if change.frees:
            db.execute(_FREE, (change.run_id, change.closed_at, "completed"))
        for run in change.starts:
            db.execute(_CREATE, _row_of(run))
        for run_id, body in change.posts:
            row = db.execute(_ADDRESS, (run_id,)).fetchone()
            if row is not None and row[1] not in CLOSED:
                _deliver(db, row, body)

    def _next_at(self, db: sqlite3.Connection, change: Change) -> float | None:
        """A run that is given up while mail waits is to be taken up at once."""
        if change.state in CLOSED:
            return None
        if change.release:
            waiting = "SELECT max(mail.no) FROM mail JOIN runs ON runs.no = mail.run WHERE runs.id = ?"
            newest = db.execute(waiting, (change.run_id,)).fetchone()[0]
            if newest is not None and newest > change.seen_mail and newest not in change.mail:
                return 0.0
        return change.next_at

    async def post(self, run_id: str, body: bytes, act: Act | None = None) -> None:
        """See `Store.post`."""

        def job(db: sqlite3.Connection) -> None:
            row = db.execute(_ADDRESS, (run_id,)).fetchone()
            if row is None:
                raise UnknownRun(f"there is no run {run_id!r} in {self._path}. `amends ps` lists those that are there.")
            if row[1] in CLOSED:
                raise RunClosed(f"run {run_id!r} has ended: it is {row[1]}, and takes no more messages.")
            if act is not None:
                _settle_letter(db, row[0], run_id, act)
            _deliver(db, row, body)

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
        if limit <= 0 or not await self._read(lambda db: self._roster.has_work(db, sagas, now)):
            return []
        rows = await self._write(lambda db: self._roster.take(db, sagas, now, limit, _RUN))
        return [Run(*row) for row in rows]

    async def run(self, run_id: str) -> Run | None:
        """See `Store.run`."""
        return await self._read(lambda db: _run(db, run_id))

    async def journal(self, run_id: str) -> list[Turn]:
        """See `Store.journal`."""
        # The row is read first: turns may be added meanwhile, and more than the row knows of is right.
        row_of = f"SELECT coalesce(length, 0), no, {sums.INTACT}, {_RUN} FROM runs LEFT JOIN ends ON run = no WHERE id = ?"
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
            return await asyncio.get_running_loop().run_in_executor(self._reading, job, self._reader)
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
    return db.execute(f"SELECT 1 FROM runs WHERE {_DAMAGED} LIMIT 1", (DAMAGED, *OPEN)).fetchone() is not None


def _set_aside(db: sqlite3.Connection) -> None:
    """Let open runs whose rows are damaged be claimed by whoever looks: their own saga's name may be what was changed."""
    db.execute(f"UPDATE runs SET saga = ?1, owner = NULL, next_at = 0 WHERE {_DAMAGED}", (DAMAGED, *OPEN))


def _shown(intact: int, *row: Any) -> Run:
    """A row as it is listed: what a damaged one says of its state cannot be believed."""
    run = Run(*row)
    return run if intact else msgspec.structs.replace(run, state="needs_attention", outcome=None)


def _damaged(run_id: str) -> JournalDamaged:
    return JournalDamaged(
        f"the row of run {run_id!r} is not what was written: its checksum does not match. "
        "Restore the file from a backup; other runs are not affected."
    )


def _row_of(run: Run) -> tuple[Any, ...]:
    parent = None if run.parent is None else run.parent.encode()
    return (
        *msgspec.structs.astuple(run),
        sums.row_sum(run.id.encode(), run.saga.encode(), parent, run.state.encode(), run.outcome),
    )


def _deliver(db: sqlite3.Connection, address: tuple[int, str, str | None], body: bytes) -> None:
    """Leave mail for a run, and let it be claimed at once when nobody drives it."""
    no, _, owner = address
    db.execute("INSERT INTO mail (run, body, sum) VALUES (?,?,?)", (no, body, sums.row_sum(body)))
    if owner is None:
        db.execute("UPDATE runs SET next_at = 0 WHERE no = ?", (no,))


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


def _refusal(db: sqlite3.Connection, change: Change, worker: str) -> StoreError:
    """Why nothing of a change was written."""
    row = db.execute("SELECT epoch, owner FROM runs WHERE id = ?", (change.run_id,)).fetchone()
    if row != (change.epoch, worker):
        return LeaseLost(f"run {change.run_id!r} is driven by another worker; epoch {change.epoch} is over.")
    seq = 0 if change.turn is None else change.turn.seq
    return StoreError(f"turn {seq} of run {change.run_id!r} does not follow the last one. Read its journal again.")


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
