"""Journals in one SQLite file: write-ahead log, one writer thread, group commit; several processes may share the file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from amends.errors import EngineClosed, JournalDamaged, LeaseLost, LetterSettled, RunClosed, UnknownRun
from amends.model.records import CLOSED
from amends.stores import files
from amends.stores.lease import Watch, birth
from amends.stores.port import Act, Change, Letter, LetterQuery, Mail, Run, RunQuery, Turn, verified
from amends.stores.writer import Writer, explain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amends.stores.port import Durability

T = TypeVar("T")

_RUN = "id, saga, input, seed, created_at, state, owner, epoch, next_at, outcome, closed_at"
_LETTER = (
    "SELECT runs.id, letters.no, runs.saga, kind, step, error, opened_at, body, acted, by, note, acted_at "
    "FROM letters JOIN runs ON runs.no = letters.run"
)
_LETTER_COLUMNS = ("no", "kind", "step", "error", "opened_at", "body", "acted", "by", "note", "acted_at")
_CLAIM = "UPDATE runs SET owner = ?, epoch = epoch + 1 WHERE no = ? AND epoch = ? AND owner IS ?"


class SQLiteStore:
    """A store in the file `path`, which is made if it is not there, readable by its owner only."""

    def __init__(self, path: str | os.PathLike[str], *, durability: Durability = "full", busy: float = 30.0) -> None:
        self._path = Path(path)
        self._durability: Durability = durability
        self._busy = busy
        self._worker = ""
        self._writer: Writer | None = None
        self._reader: sqlite3.Connection | None = None
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="amends-reader")

    async def open(self, worker: str, *, lease: float) -> str:
        """See `Store.open`."""
        self._worker = worker
        self._watch = Watch(lease)
        identity = await asyncio.to_thread(files.prepare, self._path, self._durability, self._busy)
        self._reader = files.connect(self._path, self._durability, self._busy)
        self._writer = Writer(
            lambda: files.connect(self._path, self._durability, self._busy), beat=self._beat, every=lease / 4
        )
        await self._write(self._beat)
        return identity

    async def close(self) -> None:
        """See `Store.close`."""
        if self._writer is not None:
            try:
                await self._write(self._give_up)
            finally:
                await self._writer.close()
                self._writer = None
        if self._reader is not None:
            self._reader.close()
        self._reading.shutdown()

    async def create(self, run: Run, first: Turn | None) -> Run:
        """See `Store.create`."""

        def job(db: sqlite3.Connection) -> Run:
            values = (*(getattr(run, name) for name in run.__struct_fields__),)
            added = db.execute(f"INSERT OR IGNORE INTO runs ({_RUN}) VALUES (?,?,?,?,?,?,?,?,?,?,?)", values)
            if not added.rowcount:
                return _run(db, run.id) or run
            if first is not None:
                db.execute("INSERT INTO turns VALUES (?,?,?,?)", (added.lastrowid, first.seq, first.body, first.sum))
            return run

        return await self._write(job)

    def commit(self, change: Change) -> asyncio.Future[None]:
        """See `Store.commit`."""
        return self._open_writer().submit(lambda db: self._commit(db, change))

    def _commit(self, db: sqlite3.Connection, change: Change) -> None:
        fence = (change.run_id, change.epoch, self._worker)
        turn, written = change.turn, 1
        if turn is not None:
            written = db.execute(
                "INSERT INTO turns SELECT no,?,?,? FROM runs WHERE id = ? AND epoch = ? AND owner = ?"
                " AND ? = 1 + (SELECT coalesce(max(seq), 0) FROM turns WHERE run = runs.no)",
                (turn.seq, turn.body, turn.sum, *fence, turn.seq),
            ).rowcount
        if written and (turn is None or change.touched or change.release):
            owner = None if change.release else self._worker
            row = (change.state, self._next_at(db, change), change.outcome, change.closed_at, owner)
            written = db.execute(
                "UPDATE runs SET state=?, next_at=?, outcome=?, closed_at=?, owner=? WHERE id=? AND epoch=? AND owner=?",
                (*row, *fence),
            ).rowcount
        if not written:
            raise LeaseLost(f"run {change.run_id!r} is driven by another worker; epoch {change.epoch} is over.")
        for letter in change.letters:
            db.execute(
                "INSERT OR REPLACE INTO letters SELECT no,?,?,?,?,?,?,?,?,?,? FROM runs WHERE id = ?",
                (*(getattr(letter, name) for name in _LETTER_COLUMNS), change.run_id),
            )
        for number in change.mail:
            db.execute("DELETE FROM mail WHERE no = ?", (number,))

    def _next_at(self, db: sqlite3.Connection, change: Change) -> float | None:
        """A run that is given up while mail waits is to be taken up at once."""
        if change.release and change.closed_at is None:
            waiting = "SELECT max(mail.no) FROM mail JOIN runs ON runs.no = mail.run WHERE runs.id = ?"
            newest = db.execute(waiting, (change.run_id,)).fetchone()[0]
            if newest is not None and newest > change.seen_mail and newest not in change.mail:
                return 0.0
        return change.next_at

    async def post(self, run_id: str, body: bytes, act: Act | None = None) -> None:
        """See `Store.post`."""

        def job(db: sqlite3.Connection) -> None:
            row = db.execute("SELECT no, state, owner FROM runs WHERE id = ?", (run_id,)).fetchone()
            if row is None:
                raise UnknownRun(f"there is no run {run_id!r} in {self._path}. `amends ps` lists those that are there.")
            if row[1] in CLOSED:
                raise RunClosed(f"run {run_id!r} has ended: it is {row[1]}, and takes no more messages.")
            if act is not None:
                _settle_letter(db, row[0], run_id, act)
            db.execute("INSERT INTO mail (run, body) VALUES (?,?)", (row[0], body))
            if row[2] is None:
                db.execute("UPDATE runs SET next_at = 0 WHERE no = ?", (row[0],))

        await self._write(job)

    async def mail(self, run_id: str) -> list[Mail]:
        """See `Store.mail`."""
        query = "SELECT mail.no, runs.id, body FROM mail JOIN runs ON runs.no = run WHERE runs.id = ? ORDER BY mail.no"
        return await self._read(lambda db: [Mail(*row) for row in db.execute(query, (run_id,))])

    async def mailed(self) -> list[str]:
        """See `Store.mailed`."""
        query = "SELECT DISTINCT runs.id FROM mail JOIN runs ON runs.no = mail.run WHERE owner = ?"
        return await self._read(lambda db: [row[0] for row in db.execute(query, (self._worker,))])

    async def claim(self, sagas: Sequence[str], *, now: float, limit: int) -> list[Run]:
        """See `Store.claim`."""
        if not await self._read(lambda db: self._candidates(db, sagas, now, 1)):
            return []

        def job(db: sqlite3.Connection) -> list[Run]:
            taken: list[Run] = []
            for no, run_id, epoch, owner in self._candidates(db, sagas, now, limit):
                if db.execute(_CLAIM, (self._worker, no, epoch, owner)).rowcount:
                    taken.append(_known(_run(db, run_id)))
            return taken

        return await self._write(job)

    def _candidates(self, db: sqlite3.Connection, sagas: Sequence[str], now: float, limit: int) -> list[Any]:
        names = ",".join("?" * len(sagas))
        due = db.execute(
            f"SELECT no, id, epoch, owner FROM runs WHERE owner IS NULL AND next_at <= ? AND saga IN ({names})"
            " ORDER BY next_at LIMIT ?",
            (now, *sagas, limit),
        ).fetchall()
        owners = "SELECT DISTINCT owner FROM runs WHERE owner IS NOT NULL AND owner != ?"
        for (owner,) in db.execute(owners, (self._worker,)).fetchall():
            beat, born = db.execute("SELECT beat, born FROM workers WHERE id = ?", (owner,)).fetchone() or (None, "")
            if self._watch.is_dead(owner, beat, born, time.monotonic()):
                due += db.execute(
                    f"SELECT no, id, epoch, owner FROM runs WHERE owner = ? AND saga IN ({names}) LIMIT ?",
                    (owner, *sagas, limit),
                ).fetchall()
        return due[:limit]

    async def run(self, run_id: str) -> Run | None:
        """See `Store.run`."""
        return await self._read(lambda db: _run(db, run_id))

    async def journal(self, run_id: str) -> list[Turn]:
        """See `Store.journal`."""
        query = "SELECT seq, body, sum FROM turns WHERE run = (SELECT no FROM runs WHERE id = ?) ORDER BY seq"

        def read(db: sqlite3.Connection) -> list[Turn]:
            turns = [Turn(*row) for row in db.execute(query, (run_id,))]
            row = _run(db, run_id)
            if row is None:
                raise UnknownRun(f"there is no run {run_id!r} in {self._path}.")
            try:
                return verified(row, turns)
            except TypeError as error:  # a flipped bit can make text of bytes
                raise JournalDamaged(f"the journal of run {run_id!r} holds a value of another type: {error}") from error

        return await self._read(read)

    async def runs(self, query: RunQuery) -> list[Run]:
        """See `Store.runs`."""
        where, values = ["1"], list[Any]()
        for column, wanted in (("state", query.states), ("saga", query.sagas)):
            if wanted:
                where.append(f"{column} IN ({','.join('?' * len(wanted))})")
                values += wanted
        sql = f"SELECT {_RUN} FROM runs WHERE {' AND '.join(where)} ORDER BY no DESC LIMIT ? OFFSET ?"
        return await self._read(lambda db: [Run(*row) for row in db.execute(sql, (*values, query.limit, query.offset))])

    async def letters(self, query: LetterQuery) -> list[Letter]:
        """See `Store.letters`."""
        where = {True: "acted IS NULL", False: "acted IS NOT NULL", None: "1"}[query.open]
        sql = f"{_LETTER} WHERE {where} AND runs.id = coalesce(?, runs.id) ORDER BY opened_at, letters.no LIMIT ? OFFSET ?"
        values = (query.run_id, query.limit, query.offset)
        return await self._read(lambda db: [Letter(*row) for row in db.execute(sql, values)])

    def _beat(self, db: sqlite3.Connection) -> None:
        db.execute(
            "INSERT INTO workers VALUES (?, 1, ?) ON CONFLICT (id) DO UPDATE SET beat = beat + 1",
            (self._worker, birth()),
        )

    def _give_up(self, db: sqlite3.Connection) -> None:
        db.execute(
            "UPDATE runs SET owner = NULL, next_at = CASE state WHEN 'needs_attention' THEN next_at ELSE 0 END"
            " WHERE owner = ?",
            (self._worker,),
        )
        db.execute("DELETE FROM workers WHERE id = ?", (self._worker,))

    async def _write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        result: T = await self._open_writer().submit(job)
        return result

    async def _read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        reader = self._reader
        if reader is None or self._writer is None:
            raise EngineClosed("the store is not open.")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reading, job, reader)
        except sqlite3.Error as error:
            raise explain(error) from error

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise EngineClosed("the store is not open.")
        return self._writer


def _run(db: sqlite3.Connection, run_id: str) -> Run | None:
    row = db.execute(f"SELECT {_RUN} FROM runs WHERE id = ?", (run_id,)).fetchone()
    return None if row is None else Run(*row)


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
