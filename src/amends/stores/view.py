"""An SQLite file as somebody sees it who only looks: all that can be read of it, and nothing is ever written."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import msgspec

from amends.errors import EngineClosed, JournalDamaged, StoreUnusable, UnknownRun
from amends.model import door
from amends.stores import files, sums
from amends.stores.faults import explain
from amends.stores.pen import RUN_COLUMNS
from amends.stores.port import Act, Change, Letter, LetterQuery, Mail, Run, RunQuery, Turn, verified
from amends.stores.reader import Reader, connected

if TYPE_CHECKING:
    import asyncio
    import os
    from collections.abc import Callable, Sequence

    from amends.errors import AmendsError

T = TypeVar("T")

_LETTER = (
    "SELECT runs.id, letters.no, runs.saga, kind, step, error, opened_at, body, acted, by, note, acted_at "
    "FROM letters JOIN runs ON runs.no = letters.run"
)


class SQLiteView:
    """The file `path`, to be looked at; neither it nor its folder need be writable, and the disk may be full."""

    def __init__(self, path: str | os.PathLike[str], *, busy: float = 30.0) -> None:
        self._path = Path(path).absolute()
        self._busy = door.seconds(busy, f"{type(self).__name__}(busy=...)")
        self._reader: Reader | None = None

    async def open(self, worker: str, *, lease: float | None) -> str:
        """See `Store.open`; whoever looks drives nothing, whatever its lease."""
        self._demand_new()
        (identity, reading), thread = await connected(self._look)
        self._reader = Reader(reading, thread)
        return identity

    def _look(self) -> tuple[str, sqlite3.Connection]:
        self._path = files.located(self._path)
        return files.viewed(self._path, self._busy)

    async def close(self) -> None:
        """See `Store.close`."""
        if self._reader is not None:
            reader, self._reader = self._reader, None
            await reader.close()

    # ── what only workers and clients do ─────────────────────────────────────────────────────────

    async def create(self, run: Run, first: Turn | None) -> Run:
        """Refused."""
        self._refuse()

    def commit(self, change: Change) -> asyncio.Future[None]:
        """Refused."""
        self._refuse()

    async def post(self, run_id: str, body: bytes, act: Act | None = None) -> None:
        """Refused."""
        self._refuse()

    async def claim(self, sagas: Sequence[str], *, now: float, limit: int) -> list[Run]:
        """Nothing is taken over."""
        return []

    async def mailed(self) -> list[str]:
        """Nothing is driven."""
        return []

    def _refuse(self) -> NoReturn:
        raise StoreUnusable(f"{self._path} is only looked at here: open an Engine on the path itself to write to it.")

    # ── what can be seen ─────────────────────────────────────────────────────────────────────────

    async def mail(self, run_id: str) -> list[Mail]:
        """See `Store.mail`."""
        columns = "mail.no, runs.id, body, mail.sum"
        query = f"SELECT {columns} FROM mail JOIN runs ON runs.no = run WHERE runs.id = ? ORDER BY mail.no"
        return await self._read(lambda db: [_opened(*row) for row in db.execute(query, (run_id,))])

    async def run(self, run_id: str) -> Run | None:
        """See `Store.run`."""
        return await self._read(lambda db: row_of(db, run_id))

    async def journal(self, run_id: str) -> list[Turn]:
        """See `Store.journal`."""
        # The row is read first: turns may be added meanwhile, and more than the row knows of is right.
        run_of = f"SELECT length, no, {sums.INTACT}, {RUN_COLUMNS} FROM runs WHERE id = ?"
        turns_of = "SELECT seq, body, sum FROM turns WHERE run = ? ORDER BY seq"

        def read(db: sqlite3.Connection) -> list[Turn]:
            row = db.execute(run_of, (run_id,)).fetchone()
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
        sql = f"SELECT {sums.INTACT}, {RUN_COLUMNS} FROM runs WHERE {' AND '.join(where)} ORDER BY no DESC LIMIT ? OFFSET ?"
        return await self._read(lambda db: [_shown(*row) for row in db.execute(sql, (*values, query.limit, query.offset))])

    async def letters(self, query: LetterQuery) -> list[Letter]:
        """See `Store.letters`."""
        where, values = [{True: "acted IS NULL", False: "acted IS NOT NULL", None: "1"}[query.open]], list[Any]()
        if query.run_id is not None:
            where.append("runs.id = ?")
            values.append(query.run_id)
        sql = f"{_LETTER} WHERE {' AND '.join(where)} ORDER BY opened_at, runs.no, letters.no LIMIT ? OFFSET ?"
        return await self._read(lambda db: [Letter(*row) for row in db.execute(sql, (*values, query.limit, query.offset))])

    async def _read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        self._demand_open()
        assert self._reader is not None
        try:
            return await self._reader.read(job)
        except (sqlite3.Error, OverflowError) as error:
            raise self._explain(error) from error

    def _explain(self, error: BaseException) -> AmendsError:
        return explain(error, self._path)

    def _demand_open(self) -> None:
        if self._reader is None:
            raise EngineClosed("the store is not open.")

    def _demand_new(self) -> None:
        if self._reader is not None:
            raise EngineClosed("the store is open already; one object serves one worker.")


def row_of(db: sqlite3.Connection, run_id: str) -> Run | None:
    """A run's row, if there is one; raises `JournalDamaged` when it is not as it was written."""
    row = db.execute(f"SELECT {sums.INTACT}, {RUN_COLUMNS} FROM runs WHERE id = ?", (run_id,)).fetchone()
    if row is not None and not row[0]:
        raise _damaged(run_id)
    return None if row is None else Run(*row[1:])


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
