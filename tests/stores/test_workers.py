"""Several workers on one file, as real processes: killed, stopped, woken, and all at once."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from amends.errors import LeaseLost
from amends.stores.port import Change, Run
from amends.stores.sqlite import SQLiteStore
from tests.stores.rows import change, first, row, second, with_store


class Worker:
    """The other end of `tests.stores.worker`."""

    def __init__(self, path: Path, name: str, lease: float) -> None:
        command = [sys.executable, "-m", "tests.stores.worker", str(path), name, str(lease)]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def hears(self) -> str:
        assert self.child.stdout is not None
        return self.child.stdout.readline().strip()

    def ask(self, line: str) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def does(self, line: str) -> Any:
        self.ask(line)
        return json.loads(self.hears())


@contextmanager
def workers(path: Path, *names: str, lease: float = 15) -> Iterator[list[Worker]]:
    started = [Worker(path, name, lease) for name in names]
    try:
        assert [each.hears() for each in started] == ["open"] * len(names)
        yield started
    finally:
        for each in started:
            each.child.kill()
            each.child.communicate()


async def claimed(store: SQLiteStore) -> list[Run]:
    """Look until there is something to take: a worker that stands still is given the length of its lease."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        rows = await store.claim(("saga",), now=9.0, limit=10)
        if rows:
            return rows
        await asyncio.sleep(0.02)
    return []


async def names(store: SQLiteStore) -> list[str]:
    found: list[str] = await store._read(lambda db: [row[0] for row in db.execute("SELECT id FROM workers ORDER BY id")])
    return found


def test_processes_that_open_a_new_file_at_once_share_it(tmp_path: Path) -> None:
    with workers(tmp_path / "a.db", "a", "b", "c", "d") as started:
        for number, each in enumerate(started):
            assert each.does(f"create r{number}") == f"r{number}"


def test_processes_never_take_the_same_run(tmp_path: Path) -> None:
    path = tmp_path / "a.db"

    async def make(store: SQLiteStore) -> None:
        for number in range(60):
            await store.create(row(f"r{number}", owner=None), None)

    with_store(path, make)
    taken: list[str] = []
    with workers(path, "a", "b") as started:
        for _ in range(10):
            for each in started:
                each.ask("claim 3")
            for each in started:
                taken += json.loads(each.hears())
    assert len(taken) == len(set(taken)) == 60


def test_the_runs_of_a_killed_process_are_taken_at_once(tmp_path: Path) -> None:
    """Its lease has an hour to go, but the process is certainly gone: the first look takes them, and wipes it off."""

    async def work(store: SQLiteStore) -> None:
        with workers(tmp_path / "a.db", "killed", lease=3600) as (killed,):
            killed.does("create r1")
            killed.does("create r2")
            assert await store.claim(("saga",), now=9.0, limit=10) == []
            killed.child.kill()
            killed.child.wait()
            assert [run.id for run in await store.claim(("saga",), now=9.0, limit=1)] == ["r1"]
            assert [(run.id, run.epoch) for run in await store.claim(("saga",), now=9.0, limit=9)] == [("r2", 2)]
        assert await store.claim(("saga",), now=9.0, limit=10) == [] == await store.claim(("saga",), now=9.0, limit=10)
        assert await names(store) == ["me"] and not store._roster._watch._seen, "nothing of it is remembered"

    with_store(tmp_path / "a.db", work, lease=3600)


def test_a_dead_worker_whose_sagas_are_not_known_here_keeps_its_runs(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        with workers(tmp_path / "a.db", "killed") as (killed,):
            killed.does("create r1")
            killed.child.kill()
            killed.child.wait()
        assert store._writer is not None
        assert await store.claim(("other",), now=9.0, limit=1) == []
        before = store._writer.commits
        assert await store.claim(("other",), now=9.0, limit=1) == []
        assert store._writer.commits == before, "a look that finds nothing writes nothing"
        assert await names(store) == ["killed", "me"]

    with_store(tmp_path / "a.db", work, lease=3600)


def test_a_stopped_process_is_fenced_when_it_wakes(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        with workers(tmp_path / "a.db", "zombie", lease=0.4) as (zombie,):
            zombie.does("create r1")
            zombie.child.send_signal(signal.SIGSTOP)
            (taken,) = await claimed(store)
            assert (taken.id, taken.owner, taken.epoch) == ("r1", "me", 2)
            while "zombie" in await names(store):
                await store.claim(("saga",), now=9.0, limit=1)  # it owns nothing any more, and is wiped off
            zombie.child.send_signal(signal.SIGCONT)
            assert zombie.does("commit r1") == "LeaseLost"
            assert len(await store.journal("r1")) == 1 and await store.run("r1") == taken
            assert zombie.does("create r2") == "r2"
            assert await names(store) == ["me", "zombie"], "it is back, as somebody who owns nothing of before"
            await store.commit(Change("r1", 2, second(row("r1")), "running", next_at=1.0, release=True))
            assert zombie.does("claim 5") == ["r1"]

    with_store(tmp_path / "a.db", work, lease=0.4)


def test_a_takeover_is_refused_to_the_old_driver_in_one_process_too(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        run = row("r")
        await store.create(run, first(run))
        await store._write(lambda db: db.execute("UPDATE runs SET epoch = 2, owner = 'other'"))
        for late in (change(run), change(run, epoch=2)):
            try:
                await store.commit(late)
            except LeaseLost:
                pass
            else:
                raise AssertionError("it was written")
        assert len(await store.journal("r")) == 1

    with_store(tmp_path / "a.db", work)


def test_looking_for_work_uses_the_indexes(tmp_path: Path) -> None:
    """No look and no claim reads through all runs, however many wait."""

    async def work(store: SQLiteStore) -> None:
        await store.create(row("due", owner=None), None)
        await store.create(row("owned", owner="gone"), None)
        said: list[str] = []

        def job(db: Any) -> list[str]:
            db.set_trace_callback(said.append)
            store._roster.take(db, ("saga",), 9.0, 10, "no")
            db.set_trace_callback(None)
            asked = [sql for sql in said if "runs" in sql]
            return [line[3] for sql in asked for line in db.execute(f"EXPLAIN QUERY PLAN {sql}")]

        plan = await store._write(job)
        assert any("runs_due" in line for line in plan) and any("runs_owned" in line for line in plan)
        assert not [line for line in plan if line.startswith("SCAN runs") and "min" not in line], plan

    with_store(tmp_path / "a.db", work)


def test_a_worker_shows_that_it_lives_itself_and_nobody_else(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        await store._write(lambda db: db.execute("INSERT INTO workers VALUES ('other', 5, '')"))
        for _ in range(3):
            await store._write(store._roster.beat)
        beats = dict(await store._read(lambda db: db.execute("SELECT id, beat FROM workers").fetchall()))
        assert beats == {"me": 4, "other": 5}

    with_store(tmp_path / "a.db", work, lease=3600)
