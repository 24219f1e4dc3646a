"""Single bits of stored rows that are flipped: each is found, its run is set aside, and the others go on."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from amends import Engine
from amends.errors import JournalDamaged
from amends.stores.sqlite import SQLiteStore
from tests.model import shop

WATCHED = (
    ("turns", "body"),
    ("turns", "sum"),
    ("runs", "input"),
    ("runs", "seed"),
    ("runs", "saga"),
    ("runs", "state"),
    ("runs", "outcome"),
    ("runs", "sum"),
    ("mail", "body"),
    ("mail", "sum"),
)
"""What checksums cover."""

RUNS = 5


class Flip(NamedTuple):
    """Bit `bit` of one column of one row, which belongs to a run."""

    table: str
    column: str
    rowid: int
    run_id: str
    bit: int


async def fill(path: Path) -> None:
    """Runs that wait in the middle of their sagas, one that is over, and a message that nobody has read."""
    async with Engine(path, sagas=[shop.patient, shop.order], poll=0.02) as engine:
        await engine.run(shop.order("a", "ok"), id="over")
        for number in range(RUNS):
            await engine.start(shop.patient(), id=f"run-{number}")
    async with Engine(path, drive=False) as engine:
        await engine.tell(f"run-{RUNS - 1}", 17)


def chosen(db: sqlite3.Connection, number: int, luck: Random) -> list[Flip]:
    """`number` bits: of each column as many, and of its values drawn by luck."""
    flips: list[Flip] = []
    stored = {watched: db.execute(_STORED[watched[0]].format(watched[1])).fetchall() for watched in WATCHED}
    for at in range(number):
        table, column = WATCHED[at % len(WATCHED)]
        rowid, run_id, length = luck.choice(stored[table, column])
        flips.append(Flip(table, column, rowid, run_id, luck.randrange(length * 8)))
    return flips


_STORED = {
    "runs": "SELECT no, id, length(CAST({0} AS BLOB)) FROM runs WHERE {0} IS NOT NULL",
    "mail": "SELECT mail.no, id, length(mail.{}) FROM mail JOIN runs ON runs.no = run",
    "turns": "SELECT run * 1000 + seq, id, length(turns.{}) FROM turns JOIN runs ON no = run",
}


def flipped(db: sqlite3.Connection, flip: Flip) -> Any:
    """Flip a bit where it is stored; returns what was there."""
    where = "no = :row" if flip.table != "turns" else "run = :row / 1000 AND seq = :row % 1000"
    sql = f"SELECT {flip.column}, typeof({flip.column}), CAST({flip.column} AS BLOB) FROM {flip.table} WHERE {where}"
    before, kind, raw = db.execute(sql, {"row": flip.rowid}).fetchone()
    wrong = bytearray(raw)
    wrong[flip.bit // 8] ^= 1 << flip.bit % 8
    cast = "CAST(:wrong AS TEXT)" if kind == "text" else ":wrong"
    db.execute(f"UPDATE {flip.table} SET {flip.column} = {cast} WHERE {where}", {"row": flip.rowid, "wrong": bytes(wrong)})
    return before


def restore(db: sqlite3.Connection, flip: Flip, before: Any) -> None:
    """Put back what was there."""
    where = "no = :row" if flip.table != "turns" else "run = :row / 1000 AND seq = :row % 1000"
    db.execute(f"UPDATE {flip.table} SET {flip.column} = :before WHERE {where}", {"row": flip.rowid, "before": before})


def undetected(path: Path, number: int, seed: int) -> tuple[list[Flip], Counter[str]]:
    """The flips that a store did not find, of `number` that were tried one by one; and how many there were of each kind."""
    missed: list[Flip] = []
    tried: Counter[str] = Counter()

    async def main() -> None:
        store = SQLiteStore(path)
        await store.open("reader", lease=1000.0)
        for flip in flips:
            before = flipped(db, flip)
            for run_id in {flip.run_id, "run-0", "run-1"}:
                damaged = await _is_damaged(store, run_id)
                if damaged is not (run_id == flip.run_id):
                    missed.append(flip)
            restore(db, flip, before)
            tried[f"{flip.table}.{flip.column}"] += 1
        await store.close()

    db = sqlite3.connect(path, isolation_level=None)
    try:
        flips = chosen(db, number, Random(seed))
        asyncio.run(main())
    finally:
        db.close()
    return missed, tried


async def _is_damaged(store: SQLiteStore, run_id: str) -> bool:
    try:
        await store.journal(run_id)
        await store.mail(run_id)
    except JournalDamaged:
        return True
    return False


def set_aside(path: Path, table: str, column: str, seed: int) -> tuple[set[str], int]:
    """Flip one bit of an open run for good, and drive: the runs that were set aside as damaged, and how many went on."""

    async def main() -> tuple[set[str], int]:
        went_on = 0
        async with Engine(path, sagas=[shop.patient, shop.order], poll=0.02, lease=0.5) as engine, asyncio.timeout(20):
            while not (aside := {letter.run_id for letter in await engine.dlq.list() if letter.kind == "damaged"}):
                await asyncio.sleep(0.02)
            assert len(await engine.list(states=("needs_attention",))) == 1
            for number in range(RUNS):
                if f"run-{number}" != flip.run_id:
                    await engine.cancel(f"run-{number}", reason="enough", by="the test")
                    assert (await engine.get(f"run-{number}").outcome()).state == "compensated"
                    went_on += 1
        return aside, went_on

    db = sqlite3.connect(path, isolation_level=None)
    luck = Random(seed)
    stored = [row for row in db.execute(_STORED[table].format(column)).fetchall() if row[1] != "over"]
    rowid, run_id, length = luck.choice(stored)
    flip = Flip(table, column, rowid, run_id, luck.randrange(length * 8))
    flipped(db, flip)
    db.execute("UPDATE runs SET next_at = 0 WHERE owner IS NULL AND closed_at IS NULL")
    db.close()
    return asyncio.run(main())
