"""What is special about SQLite: group commit, errors that say what to do, and damage that is found."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from amends.errors import EngineClosed, JournalDamaged, LeaseLost, StoreBusy, StoreError, StoreUnusable
from amends.stores import lease
from amends.stores.port import Change, Run, Turn, chain, seal
from amends.stores.sqlite import SQLiteStore


def row(name: str) -> Run:
    return Run(name, "saga", b"{}", b"seed", 1.0, owner="me", epoch=1)


def first(run: Run, body: bytes = b"[]") -> Turn:
    return Turn(1, body, chain(seal(run), body))


def second(run: Run, body: bytes = b"[2]") -> Turn:
    return Turn(2, body, chain(first(run).sum, body))


def change(run: Run, **fields: Any) -> Change:
    return Change(run.id, fields.pop("epoch", 1), second(run, **fields), "running", touched=False)


def with_store(path: Path, work: Callable[[SQLiteStore], Awaitable[Any]], **options: Any) -> Any:
    async def main() -> Any:
        store = SQLiteStore(path, **options)
        await store.open("me", lease=15)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(asyncio.wait_for(main(), 30))


def test_turns_that_wait_share_one_commit(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> int:
        runs = [row(f"r{n}") for n in range(100)]
        await asyncio.gather(*(store.create(run, first(run)) for run in runs))
        assert store._writer is not None
        before = store._writer.commits
        await asyncio.gather(*(store.commit(change(run)) for run in runs))
        return store._writer.commits - before

    assert with_store(tmp_path / "a.db", work) <= 10


def test_one_that_is_refused_does_not_fail_its_neighbours(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        good, bad = row("good"), row("bad")
        await asyncio.gather(store.create(good, first(good)), store.create(bad, first(bad)))
        done = await asyncio.gather(store.commit(change(bad, epoch=7)), store.commit(change(good)), return_exceptions=True)
        assert isinstance(done[0], LeaseLost) and done[1] is None
        assert len(await store.journal("good")) == 2 and len(await store.journal("bad")) == 1

    with_store(tmp_path / "a.db", work)


def test_a_full_disk_is_told_and_work_goes_on_when_there_is_room(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        small, large = row("small"), row("large")
        await store.create(small, first(small))
        await store.create(large, first(large))
        assert store._writer is not None
        pages = await store._write(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
        await store._write(lambda db: db.execute(f"PRAGMA max_page_count={pages}").fetchone())
        done = await asyncio.gather(
            store.commit(change(large, body=b"x" * 100_000)), store.commit(change(small)), return_exceptions=True
        )
        assert isinstance(done[0], StoreError) and "room" in str(done[0]) and done[1] is None
        await store._write(lambda db: db.execute("PRAGMA max_page_count=100000").fetchone())
        await store.commit(change(large, body=b"x" * 100_000))
        assert len(await store.journal("large")) == 2

    with_store(tmp_path / "a.db", work)


def test_a_file_that_another_program_holds_is_told(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        run = row("r")
        await store.create(run, first(run))
        other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="Close it"):
            await store.commit(change(run))
        other.execute("ROLLBACK")
        other.close()
        await store.commit(change(run))

    with_store(tmp_path / "a.db", work, busy=0.05)


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


@pytest.mark.parametrize("name", ["a b.db", "what?.db", "a#b.db", "%41.db", "ü.db"])
def test_any_file_name_will_do(name: str, tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        await store.create(row("r"), first(row("r")))

    with_store(tmp_path / name, work)
    assert (tmp_path / name).exists()
    assert oct(os.stat(tmp_path / name).st_mode & 0o777) == "0o600"


def test_a_place_that_cannot_be_written_is_refused_with_the_cure() -> None:
    async def work(store: SQLiteStore) -> None: ...

    with pytest.raises(StoreUnusable, match=r"/proc/amends\.db"):
        with_store(Path("/proc/amends.db"), work)


def test_a_store_that_is_not_open_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        store = SQLiteStore(tmp_path / "a.db")
        with pytest.raises(EngineClosed):
            store.commit(change(row("r")))
        with pytest.raises(EngineClosed):
            await store.run("r")
        await store.close()

    asyncio.run(main())


def test_relaxed_durability_is_a_choice(tmp_path: Path) -> None:
    async def level(store: SQLiteStore) -> int:
        found: int = await store._write(lambda db: db.execute("PRAGMA synchronous").fetchone()[0])
        return found

    assert with_store(tmp_path / "a.db", level) == 2
    assert with_store(tmp_path / "a.db", level, durability="relaxed") == 1


def test_a_worker_is_judged_by_its_counter_and_the_observers_clock() -> None:
    watch = lease.Watch(10.0)
    assert not watch.is_dead("w", 1, "", 100.0)
    assert not watch.is_dead("w", 1, "", 109.9)
    assert watch.is_dead("w", 1, "", 110.0)
    assert not watch.is_dead("w", 2, "", 200.0), "it moved"
    assert watch.is_dead("w", None, "", 201.0), "it has given itself up"


def test_a_process_is_gone_only_when_that_is_certain() -> None:
    me = lease.birth()
    assert me and not lease.is_gone(me)
    place, _, _ = me.rpartition("/")
    assert lease.is_gone(f"{place}/{os.getpid()}:1"), "the number is taken by a younger process"
    assert lease.is_gone(f"{place}/4194999:1"), "there is no such process"
    assert not lease.is_gone(f"elsewhere/{os.getpid()}:1") and not lease.is_gone("")
