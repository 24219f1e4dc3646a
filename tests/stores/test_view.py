"""A file that is only looked at: it need not be writable, and nothing is ever written to it."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from amends.errors import EngineClosed, StoreBusy, StoreUnusable
from amends.stores import files
from amends.stores.port import Change, LetterQuery, RunQuery
from amends.stores.sqlite import SQLiteStore
from amends.stores.view import SQLiteView
from tests.stores.rows import first, row

NOBODY = 65534


def made(path: Path) -> None:
    """A store with one run, that its worker has closed."""

    async def main() -> None:
        store = SQLiteStore(path)
        await store.open("w", lease=15)
        await store.create(row("r"), first(row("r")))
        await store.close()

    asyncio.run(main())


def viewed(path: Path, look: Callable[[SQLiteView], Awaitable[None]], busy: float = 0.01) -> None:
    async def main() -> None:
        view = SQLiteView(path, busy=busy)
        await view.open("viewer", lease=None)
        try:
            await look(view)
        finally:
            await view.close()

    asyncio.run(main())


async def everything(view: SQLiteView) -> None:
    assert [run.id for run in await view.runs(RunQuery())] == ["r"]
    assert len(await view.journal("r")) == 1
    assert (found := await view.run("r")) is not None and found.id == "r"
    assert await view.mail("r") == await view.letters(LetterQuery()) == []


@contextmanager
def no_rights(folder: Path) -> Iterator[None]:
    """Nobody may write here, not even the one who may write everywhere."""
    for each in (*folder.iterdir(), folder):
        each.chmod(0o555 if each.is_dir() else 0o444)
    me = os.geteuid()
    if me == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(me)
        folder.chmod(0o700)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that others can reach."""
    with tempfile.TemporaryDirectory(prefix="amends-view-") as made:
        yield Path(made)


def test_a_file_is_seen_without_the_right_to_write(folder: Path) -> None:
    """As from a snapshot, or by somebody who may only look; nothing has the file open."""
    made(folder / "a.db")
    before = (folder / "a.db").read_bytes()
    with no_rights(folder):
        with pytest.raises(OSError, match="denied"):
            (folder / "b").touch()
        viewed(folder / "a.db", everything)
    assert [each.name for each in folder.iterdir()] == ["a.db"] and (folder / "a.db").read_bytes() == before


def test_what_a_worker_has_written_last_is_seen_without_the_right_to_write(folder: Path) -> None:
    """It is in the log beside the file, and the worker is still there."""

    async def main() -> None:
        store = SQLiteStore(folder / "a.db")
        await store.open("w", lease=15)
        await store.create(row("r"), first(row("r")))
        assert (folder / "a.db-wal").stat().st_size
        with no_rights(folder):
            view = SQLiteView(folder / "a.db")
            await view.open("viewer", lease=None)
            await everything(view)
        for each in folder.iterdir():
            each.chmod(0o600)
        await store.create(row("s"), first(row("s")))
        assert len(await view.runs(RunQuery())) == 2  # it is not held fast at what was there when it was opened
        await view.close()
        await store.close()

    asyncio.run(main())


def test_a_log_that_cannot_be_read_is_not_passed_over(folder: Path) -> None:
    """A run may have got on since: rather nothing is told than what is no longer so."""
    made(folder / "a.db")
    writer = sqlite3.connect(folder / "a.db")
    writer.execute("UPDATE runs SET state = 'completed'")
    writer.commit()
    copy = folder / "copy"
    copy.mkdir()
    for name in ("a.db", "a.db-wal"):
        shutil.copy(folder / name, copy / name)
    writer.close()
    folder.chmod(0o755)
    with no_rights(copy), pytest.raises(StoreUnusable, match=r"without a\.db-wal.*copy both to where you may write"):
        viewed(copy / "a.db", everything)


def test_a_file_is_seen_on_a_full_disk_when_no_worker_has_it_open(tmp_path: Path) -> None:
    made(tmp_path / "a.db")
    code = f"from tests.stores.test_view import *; viewed(Path({str(tmp_path / 'a.db')!r}), everything)"
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )


def test_a_view_writes_nothing_and_takes_nothing_over(tmp_path: Path) -> None:
    made(tmp_path / "a.db")
    orphan = Change("r", 0, None, "running")

    async def look(view: SQLiteView) -> None:
        for write in (lambda: view.create(row("s"), None), lambda: view.commit(orphan), lambda: view.post("r", b"{}")):
            with pytest.raises(StoreUnusable, match="only looked at"):
                await write()
        assert await view.claim(("saga",), now=9e9, limit=9) == await view.mailed() == []
        with pytest.raises(EngineClosed, match="open already"):
            await view.open("again", lease=None)
        await everything(view)

    viewed(tmp_path / "a.db", look)


def test_a_file_that_is_being_made_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    soon = threading.Timer(0.05, made, [tmp_path / "a.db"])
    soon.start()

    async def look(view: SQLiteView) -> None:
        assert len(await view.runs(RunQuery())) <= 1

    viewed(tmp_path / "a.db", look, busy=30)
    soon.join()


def test_nothing_is_seen_of_what_is_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is made of it either."""
    monkeypatch.setattr(files, "BEING_MADE", 0.02)
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("no database at all " * 100)
    with sqlite3.connect(tmp_path / "other") as other:
        other.execute("CREATE TABLE t (a)")
    other.close()
    said = {
        "missing": "is not there",
        ".": "not a regular file",
        "empty": "is empty",
        "text": "not an SQLite file",
        "other": "of another program",
    }
    for name, why in said.items():
        with pytest.raises(StoreUnusable, match=why):
            viewed(tmp_path / name, everything)
    assert (tmp_path / "empty").stat().st_size == 0 and not (tmp_path / "missing").exists()


def test_a_file_that_another_program_holds_is_busy(tmp_path: Path) -> None:
    made(tmp_path / "a.db")
    other = sqlite3.connect(tmp_path / "a.db")
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreBusy):
        viewed(tmp_path / "a.db", everything)
    other.close()
