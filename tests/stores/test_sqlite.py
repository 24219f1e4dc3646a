"""What is special about writing to SQLite: group commit, and errors that say what to do and hurt nobody else."""

from __future__ import annotations

import asyncio
import gc
import logging
import sqlite3
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from amends.errors import EngineClosed, LeaseLost, StoreBusy, StoreError, UnknownRun
from amends.stores.port import Act
from amends.stores.sqlite import SQLiteStore
from tests.stores.rows import change, first, row, with_store


def test_turns_that_wait_share_one_commit(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> int:
        runs = [row(f"r{n}") for n in range(100)]
        await asyncio.gather(*(store.create(run, first(run)) for run in runs))
        assert store._writer is not None
        before = store._writer.commits
        await asyncio.gather(*(store.commit(change(run)) for run in runs))
        return store._writer.commits - before

    assert with_store(tmp_path / "a.db", work) <= 10


@pytest.mark.parametrize("neighbours", [1, 30])
def test_one_that_is_refused_does_not_fail_its_neighbours(tmp_path: Path, neighbours: int) -> None:
    async def work(store: SQLiteStore) -> None:
        good, bad = [row(f"good-{number}") for number in range(neighbours)], row("bad")
        await asyncio.gather(*(store.create(run, first(run)) for run in (bad, *good)))
        changes = (change(bad, epoch=7), *(change(run) for run in good))
        refused, *done = await asyncio.gather(*map(store.commit, changes), return_exceptions=True)
        assert isinstance(refused, LeaseLost) and done == [None] * neighbours
        assert len(await store.journal("bad")) == 1
        assert [len(await store.journal(run.id)) for run in good] == [2] * neighbours

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


def statements(store: SQLiteStore) -> list[str]:
    """What the writer says to SQLite from now on, without what it means to say."""
    said: list[str] = []
    assert store._writer is not None
    store._writer._connection.set_trace_callback(lambda sql: said.append(" ".join(sql.split()[:2])))
    return said


def test_turns_of_many_runs_are_one_statement_and_so_one_transaction(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> list[str]:
        runs = [row(f"r{n}") for n in range(100)]
        await asyncio.gather(*(store.create(run, first(run)) for run in runs))
        said = statements(store)
        await asyncio.gather(*(store.commit(change(run)) for run in runs))
        assert [len(await store.journal(run.id)) for run in runs] == [2] * 100
        return list(said)

    said = with_store(tmp_path / "a.db", work)
    assert set(said) == {"INSERT INTO"} and len(said) <= 10


def test_a_file_that_is_held_is_waited_for_once_by_all_that_wait(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> list[str]:
        runs = [row(f"r{n}") for n in range(20)]
        await asyncio.gather(*(store.create(run, first(run)) for run in runs))
        other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        said = statements(store)
        done = await asyncio.gather(*(store.commit(change(run)) for run in runs), return_exceptions=True)
        assert all(isinstance(error, StoreBusy) for error in done)
        other.close()
        return list(said)

    assert len(with_store(tmp_path / "a.db", work, busy=0.05)) <= 2


def test_a_store_that_is_not_open_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        store = SQLiteStore(tmp_path / "a.db")
        with pytest.raises(EngineClosed):
            await store.commit(change(row("r")))
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


def test_a_batch_that_cannot_begin_waits_once_and_not_once_for_each(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        said: list[str] = []
        assert store._writer is not None
        other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        store._writer._connection.set_trace_callback(said.append)
        made = [store.create(row(f"r{number}"), None) for number in range(50)]
        done = await asyncio.gather(*made, return_exceptions=True)
        store._writer._connection.set_trace_callback(None)
        other.execute("ROLLBACK")
        other.close()
        assert all(isinstance(each, StoreBusy) for each in done)
        assert sum("BEGIN" in each for each in said) <= 2

    with_store(tmp_path / "a.db", work, busy=0.05)


def test_what_is_said_to_be_written_can_be_read_by_others(tmp_path: Path) -> None:
    """Also when the commit takes its time."""

    async def work(store: SQLiteStore) -> None:
        assert store._writer is not None
        commits: list[str] = []

        def slow(sql: str) -> None:
            if sql == "COMMIT":
                time.sleep(0.1)  # the trace comes before the statement
                commits.append(sql)

        store._writer._connection.set_trace_callback(slow)
        await store.create(row("r"), first(row("r")))
        other = sqlite3.connect(tmp_path / "a.db")
        assert commits and other.execute("SELECT count(*) FROM turns").fetchone() == (1,)
        other.close()
        store._writer._connection.set_trace_callback(None)

    with_store(tmp_path / "a.db", work)


def test_a_job_that_breaks_fails_alone_whatever_it_raises(tmp_path: Path) -> None:
    def bad(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO meta VALUES ('half', 'done')")
        raise MemoryError("no more")

    async def work(store: SQLiteStore) -> None:
        done = await asyncio.gather(
            store.create(row("before"), None), store._write(bad), store.create(row("after"), None), return_exceptions=True
        )
        assert isinstance(done[1], StoreError) and "MemoryError" in str(done[1])
        assert done[0] == row("before") and done[2] == row("after")
        kept = await store._read(lambda db: db.execute("SELECT count(*) FROM meta WHERE name = 'half'").fetchone())
        assert kept == (0,), "nothing of it was written"

    with_store(tmp_path / "a.db", work)


def test_a_look_that_breaks_fails_alone(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        run = row("r")
        await store.create(run, None)
        looks = (store.run("r"), store.journal("none"), store._read(lambda db: db.execute("nonsense")), store.run("r"))
        before, unknown, broke, after = await asyncio.gather(*looks, return_exceptions=True)
        assert isinstance(unknown, UnknownRun) and isinstance(broke, StoreError)
        assert before == run == after

    with_store(tmp_path / "a.db", work)


def test_a_change_is_refused_as_a_whole_also_when_a_job_before_it_gives_its_run_away(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        given, other = row("given"), row("other")
        await asyncio.gather(store.create(given, first(given)), store.create(other, first(other)))
        assert store._writer is not None
        jobs = [store._writer.submit(job) for job in (store._roster.leave, change(given, touched=True))]
        done = await asyncio.gather(*jobs, return_exceptions=True)
        assert done[0] is None and isinstance(done[1], LeaseLost)
        assert len(await store.journal("given")) == 1, "nothing of it was written"

    with_store(tmp_path / "a.db", work)


def test_no_error_of_the_database_comes_out_raw(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        for sql in ("SELECT * FROM nothing", "INSERT INTO meta VALUES (NULL, NULL)", "nonsense"):
            for ask in (store._write, store._read):
                with pytest.raises(StoreError):
                    await ask(lambda db, sql=sql: db.execute(sql))  # type: ignore[misc]
        await store.create(row("r"), None)
        with pytest.raises(StoreError):
            await store.post("r", b"x", Act(2**70, "retried", "ann", "", 1.0))

    with_store(tmp_path / "a.db", work)


def test_nobody_waits_for_a_writer_that_has_died(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    async def work(store: SQLiteStore) -> None:
        writer = store._writer
        assert writer is not None

        def die(*_: object) -> None:
            raise MemoryError

        writer._write = die  # type: ignore[method-assign]
        with pytest.raises(StoreError, match="has stopped"):
            await store.create(row("in its hands"), None)
        await asyncio.to_thread(writer._thread.join)
        with pytest.raises(StoreError, match="has stopped"):
            await store.create(row("later"), None)
        told.append("both")

    with_store(tmp_path / "a.db", work)
    assert told == ["both"], "nobody was left to wait for ever"
    assert "could not be left in order" in caplog.text and "has stopped" in caplog.text


def test_what_is_asked_before_the_end_is_written_before_the_end(tmp_path: Path) -> None:
    async def asks(store: SQLiteStore) -> list[asyncio.Future[Any]]:
        for number in range(20):
            await store.create(row(f"r{number}"), first(row(f"r{number}")))
        return [store.commit(change(row(f"r{number}"))) for number in range(20)]

    async def main() -> None:
        store = SQLiteStore(tmp_path / "a.db")
        await store.open("me", lease=15)
        asked = await asks(store)
        await store.close()
        assert all(each.done() and each.exception() is None for each in asked)

    asyncio.run(main())


def test_what_is_asked_in_the_moment_of_the_end_is_written_before_it(tmp_path: Path) -> None:
    """Of one that gives no sign of life, and so has nothing of its own to write at the end."""

    async def main() -> None:
        store = SQLiteStore(tmp_path / "a.db")
        await store.open("client", lease=None)
        asked = [asyncio.ensure_future(store.create(row("r"), None)), asyncio.ensure_future(store.close())]
        assert (await asyncio.wait_for(asyncio.gather(*asked), 5))[0] == row("r")

    asyncio.run(main())


def test_whoever_stops_waiting_does_no_harm(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        run = row("r")
        await store.create(run, first(run))
        store.commit(change(run)).cancel()
        assert await store.create(row("other"), None) == row("other")
        assert len(await store.journal("r")) == 2, "it was asked for, so it is written"

    with_store(tmp_path / "a.db", work)


def test_a_store_left_behind_by_its_event_loop_stops_to_beat(tmp_path: Path) -> None:
    async def forget() -> threading.Thread:
        store = SQLiteStore(tmp_path / "a.db")
        await store.open("me", lease=0.04)
        assert store._writer is not None
        await store._reader.close()
        return store._writer._thread

    thread = asyncio.run(forget())
    thread.join(10)
    assert not thread.is_alive()
    gc.collect()


def test_signs_of_life_need_no_event_loop(tmp_path: Path) -> None:
    def beat() -> int:
        db = sqlite3.connect(tmp_path / "a.db")
        found: int = db.execute("SELECT beat FROM workers").fetchone()[0]
        db.close()
        return found

    async def work(store: SQLiteStore) -> None:
        before, end = beat(), time.monotonic() + 20
        while beat() < before + 3 and time.monotonic() < end:
            time.sleep(0.01)  # the loop is blocked on purpose
        assert beat() >= before + 3

    with_store(tmp_path / "a.db", work, lease=0.04)


def test_a_sign_of_life_that_fails_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work(store: SQLiteStore) -> None:
        writer = store._writer
        assert writer is not None
        true, broke = writer._beat, asyncio.Event()
        loop = asyncio.get_running_loop()

        def breaks_once(db: sqlite3.Connection) -> None:
            writer._beat = true
            loop.call_soon_threadsafe(broke.set)
            raise sqlite3.OperationalError("no")

        writer._beat = breaks_once
        await broke.wait()
        await store.create(row("r"), None)

    with caplog.at_level(logging.WARNING, "amends.store"):
        with_store(tmp_path / "a.db", work, lease=0.04)


@pytest.mark.parametrize("breaks", [False, True])
def test_a_sign_of_life_is_written_with_what_else_there_is_even_if_that_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks: bool
) -> None:
    later = 0.0
    monkeypatch.setattr("amends.stores.writer.time", SimpleNamespace(monotonic=lambda: time.monotonic() + later))

    def job(db: sqlite3.Connection) -> None:
        if breaks:
            raise MemoryError("no more")

    async def work(store: SQLiteStore) -> int:
        nonlocal later
        later = store._roster.every
        await asyncio.gather(store._write(job), return_exceptions=True)
        found: int = await store._write(lambda db: db.execute("SELECT beat FROM workers").fetchone()[0])
        return found

    assert with_store(tmp_path / "a.db", work, lease=3600) == 2, "that of its opening, and the one that was due"
