"""Bytes that were changed or lost outside of amends are found, and never handed out as a journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from amends.errors import JournalDamaged, StoreError
from amends.stores.sqlite import SQLiteStore
from tests.stores.rows import change, first, row, with_store


def test_every_flipped_bit_of_a_turn_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.db"

    async def make(store: SQLiteStore) -> None:
        run = row("r")
        await store.create(run, first(run))
        await store.commit(change(run))

    async def damaged(store: SQLiteStore) -> bool:
        try:
            await store.journal("r")
        except JournalDamaged:
            return True
        return False

    with_store(path, make)

    async def flip(store: SQLiteStore) -> int:
        found = 0
        for table, column in (("turns", "body"), ("turns", "sum"), ("runs", "input"), ("runs", "seed")):
            (value,) = await store._write(lambda db, c=column, t=table: db.execute(f"SELECT {c} FROM {t}").fetchone())
            for bit in range(len(value) * 8):
                wrong = bytearray(value)
                wrong[bit // 8] ^= 1 << bit % 8
                for new, expected in ((bytes(wrong), True), (value, False)):
                    sql = f"UPDATE {table} SET {column} = ?" + (" WHERE seq = 1" if table == "turns" else "")
                    await store._write(lambda db, s=sql, n=new: db.execute(s, (n,)))
                    assert await damaged(store) is expected
                found += 1
        return found

    assert with_store(path, flip) == (2 + 8 + 2 + 4) * 8


def test_a_missing_turn_is_found(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        run = row("r")
        await store.create(run, first(run))
        await store.commit(change(run))
        await store._write(lambda db: db.execute("DELETE FROM turns WHERE seq = 1"))
        with pytest.raises(JournalDamaged):
            await store.journal("r")

    with_store(tmp_path / "a.db", work)


def test_a_turn_with_another_number_is_found(tmp_path: Path) -> None:
    """Its number is no part of its checksum, and the order of the turns is the same."""

    async def work(store: SQLiteStore) -> None:
        run = row("r")
        await store.create(run, first(run))
        await store.commit(change(run))
        await store._write(lambda db: db.execute("UPDATE turns SET seq = 3 WHERE seq = 2"))
        with pytest.raises(JournalDamaged, match="turn 2 of run 'r'"):
            await store.journal("r")

    with_store(tmp_path / "a.db", work)


def test_a_lost_end_is_found(tmp_path: Path) -> None:
    """What was there when the row was last written must still be there: the chain alone cannot tell."""

    async def work(store: SQLiteStore) -> None:
        run = row("r")
        await store.create(run, first(run))
        await store.commit(change(run, touched=True))
        for missing in (2, 1):
            await store._write(lambda db, seq=missing: db.execute("DELETE FROM turns WHERE seq = ?", (seq,)))
            with pytest.raises(JournalDamaged, match=f"turn {missing} is missing, 2 were written"):
                await store.journal("r")

    with_store(tmp_path / "a.db", work)


def test_every_byte_flipped_in_the_file_is_found_or_harmless(tmp_path: Path) -> None:
    """The whole of a stored turn, SQLite's own bytes around it included."""
    path = tmp_path / "a.db"
    body = b"[the body of the turn]"

    async def make(store: SQLiteStore) -> list[object]:
        run = row("r")
        await store.create(run, first(run))
        await store.commit(change(run, body=body, touched=True))
        return list(await store.journal("r"))

    written = with_store(path, make)
    whole = path.read_bytes()
    place = whole.index(body)
    found = 0
    for offset in range(place - 12, place + len(body) + 8):
        wrong = bytearray(whole)
        wrong[offset] ^= 0xFF
        path.write_bytes(wrong)
        for rest in tmp_path.glob("a.db-*"):
            rest.unlink()

        async def read(store: SQLiteStore) -> list[object]:
            return list(await store.journal("r"))

        try:
            assert with_store(path, read) == written
        except StoreError:
            found += 1
    assert found >= len(body) + 8


def test_other_runs_are_not_affected(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        for name in ("good", "bad"):
            await store.create(row(name), first(row(name)))
        sql = "UPDATE turns SET body = 'text' WHERE run = (SELECT no FROM runs WHERE id = 'bad')"
        await store._write(lambda db: db.execute(sql))
        with pytest.raises(JournalDamaged, match="run 'bad'"):
            await store.journal("bad")
        await store.commit(change(row("good")))
        assert len(await store.journal("good")) == 2

    with_store(tmp_path / "a.db", work)
