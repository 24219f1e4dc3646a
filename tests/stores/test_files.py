"""Opening: made private, recognised, never changed when it is not ours; each refusal says what to do."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from amends.errors import EngineClosed, StoreBusy, StoreError, StoreUnusable
from amends.stores import files
from amends.stores.faults import explain
from amends.stores.port import RunQuery
from amends.stores.sqlite import SQLiteStore
from tests.stores.rows import first, row, with_store


async def nothing(store: SQLiteStore) -> None:
    """Open and close."""


@pytest.mark.parametrize("name", ["a b.db", "what?.db", "a#b.db", "%41.db", "ü.db", "file:x?mode=ro"])
def test_any_file_name_will_do(name: str, tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        await store.create(row("r"), first(row("r")))

    with_store(tmp_path / name, work)
    assert sorted(each.name for each in tmp_path.iterdir()) == [name]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_only_the_owner_can_read_the_file_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    async def work(store: SQLiteStore) -> None:
        await store.create(row("r"), None)
        assert len(list(tmp_path.iterdir())) == 3
        for each in tmp_path.iterdir():
            assert oct(each.stat().st_mode & 0o777) == "0o600", each

    before = os.umask(umask)
    try:
        with_store(tmp_path / "a.db", work)
    finally:
        os.umask(before)


def test_a_link_is_followed_and_its_target_made_private(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    with_store(tmp_path / "link.db", nothing)
    assert oct((tmp_path / "real.db").stat().st_mode & 0o777) == "0o600"


def test_a_relative_path_means_the_same_file_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore("a.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    async def main() -> None:
        await store.open("me", lease=15)
        await store.close()

    asyncio.run(main())
    assert (tmp_path / "a.db").exists()


@pytest.mark.parametrize(
    ("place", "cure"),
    [
        ("", "Name a file in it"),
        ("none/a.db", r"no directory .*none\. Make it first"),
        ("/proc/amends.db", r"/proc/amends\.db cannot be made: .*name another place"),
        ("/proc/version", "cannot be written by this user|not an SQLite file|cannot be opened"),
        (":memory:", "MemoryStore"),
        ("pipe", "not a regular file"),
        ("a\0b", "null"),
        ("round/a.db", "Name another|name another|no directory"),
    ],
)
def test_a_place_that_will_not_do_is_refused_with_the_cure(place: str, cure: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    with pytest.raises(StoreUnusable, match=cure):
        with_store(tmp_path / place, nothing)


@pytest.mark.parametrize(
    "script",
    ["CREATE TABLE theirs (x)", "PRAGMA application_id = 7", "PRAGMA user_version = 3", "CREATE VIEW v AS SELECT 1"],
)
def test_a_file_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path, script: str) -> None:
    path = tmp_path / "theirs.db"
    theirs = sqlite3.connect(path)
    theirs.execute(script)
    theirs.commit()
    theirs.close()
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match="another program"):
        with_store(path, nothing)
    assert path.read_bytes() == before


def test_what_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ann, " * 1000)
    with pytest.raises(StoreUnusable, match="not an SQLite file"):
        with_store(path, nothing)
    assert path.read_text() == "Dear Ann, " * 1000


def test_an_empty_file_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    with_store(tmp_path / "a.db", nothing)


def test_a_newer_schema_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with_store(path, nothing)
    newer = sqlite3.connect(path, isolation_level=None)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match=r"schema 99.*Upgrade amends"):
        with_store(path, nothing)
    assert path.read_bytes() == before


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(StoreUnusable, match=r"3\.35 or newer"):
        with_store(tmp_path / "a.db", nothing)
    assert not (tmp_path / "a.db").exists()


def test_a_file_that_is_held_when_it_is_opened_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with_store(path, nothing)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreBusy, match="Close it"):
        with_store(path, nothing, busy=0.05)
    other.execute("ROLLBACK")
    other.close()
    with_store(path, nothing)


def test_a_file_is_opened_while_another_one_writes(tmp_path: Path) -> None:
    """Nothing is written to a file that is as it should be, so nobody waits for the one who writes."""
    identity, writing = files.opened(tmp_path / "a.db", "full", 0.0)
    writing.execute("BEGIN EXCLUSIVE")
    again, other = files.opened(tmp_path / "a.db", "full", 0.0)
    assert again == identity
    other.close()
    writing.close()


def test_a_log_that_grew_while_somebody_read_for_long_is_cut_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LOG_KEPT", 100_000)
    path, log = tmp_path / "a.db", tmp_path / "a.db-wal"
    _, writing = files.opened(path, "relaxed", 0.0)
    reading = files.connect(path, "relaxed", 0.0)
    reading.execute("BEGIN")
    reading.execute("SELECT * FROM meta").fetchall()
    for number in range(6):
        writing.execute("INSERT INTO meta VALUES (?, zeroblob(1000000))", (f"m{number}",))
    grown = log.stat().st_size
    reading.execute("COMMIT")
    for number in range(2):
        writing.execute("INSERT INTO meta VALUES (?, 'x')", (f"n{number}",))
    assert log.stat().st_size <= 100_000 < 5_000_000 < grown
    reading.close()
    writing.close()


def test_a_place_without_shared_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_patiently", lambda *_: "delete")
    with pytest.raises(StoreUnusable, match="Name a local place"):
        with_store(tmp_path / "a.db", nothing)


def test_the_identity_stays(tmp_path: Path) -> None:
    async def name(path: Path) -> str:
        store = SQLiteStore(path)
        found = await store.open("me", lease=15)
        await store.close()
        return found

    names = [asyncio.run(name(tmp_path / each)) for each in ("a.db", "a.db", "b.db")]
    assert names[0] == names[1] != names[2] and len(names[0]) == 32


def test_a_second_store_on_the_file_does_not_end_the_locks_of_the_first(tmp_path: Path) -> None:
    """Else a stranger that opens and closes the file takes itself for the last one, and removes the live log."""
    path = tmp_path / "a.db"
    stranger = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT * FROM runs'); db.close()"

    async def work(store: SQLiteStore) -> None:
        second = SQLiteStore(path)
        await second.open("second", lease=15)
        await second.close()
        subprocess.run([sys.executable, "-c", stranger, str(path)], check=True)
        assert (tmp_path / "a.db-wal").exists()
        await store.create(row("r"), None)

    with_store(path, work)


def test_a_file_that_is_only_read_is_not_written_to(tmp_path: Path) -> None:
    """Nor need it be possible to: the disk may be full, and somebody else may be writing."""

    async def work(store: SQLiteStore) -> None:
        await store.create(row("r"), first(row("r")))
        witness = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
        before = witness.execute("PRAGMA data_version").fetchone()
        witness.execute("BEGIN IMMEDIATE")
        reader = SQLiteStore(tmp_path / "a.db", busy=0.01)
        await reader.open("reader", lease=None)
        assert len(await reader.runs(RunQuery())) == len(await reader.journal("r")) == 1
        assert await reader.claim(("saga",), now=9e9, limit=1) == []
        await reader.close()
        witness.execute("ROLLBACK")
        assert witness.execute("PRAGMA data_version").fetchone() == before
        witness.close()

    with_store(tmp_path / "a.db", work)


def test_many_open_one_new_file_at_once(tmp_path: Path) -> None:
    async def main() -> set[str]:
        stores = [SQLiteStore(tmp_path / "a.db") for _ in range(8)]
        names = await asyncio.gather(*(store.open(f"w{number}", lease=15) for number, store in enumerate(stores)))
        await asyncio.gather(*(store.close() for store in stores))
        return set(names)

    assert len(asyncio.run(main())) == 1


def test_one_object_serves_one_worker(tmp_path: Path) -> None:
    async def work(store: SQLiteStore) -> None:
        with pytest.raises(EngineClosed, match="open already"):
            await store.open("again", lease=15)

    with_store(tmp_path / "a.db", work)


def test_a_file_that_cannot_be_opened_leaves_no_thread_waiting(tmp_path: Path) -> None:
    async def main() -> None:
        store = SQLiteStore(tmp_path)
        with pytest.raises(StoreError):
            await store.open("me", lease=15)
        await store.close()
        with pytest.raises(EngineClosed):
            await store.run("r")

    asyncio.run(main())


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE])
def test_a_full_disk_is_called_full(tmp_path: Path, code: int) -> None:
    """SQLite calls it a failed disk, when it is what workers share beside the file that finds no room."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    assert "there is no room" in str(explain(error, tmp_path / "a.db"))
