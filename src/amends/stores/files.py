"""Opens SQLite files: made private, recognised as ours, and brought to the newest schema."""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
import time
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from amends.errors import StoreUnusable
from amends.stores import sums
from amends.stores.faults import explain, is_busy

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from amends.stores.port import Durability

APPLICATION_ID = 0x616D6E64  # "amnd"
OLDEST = (3, 35, 0)

LOG_KEPT = 16 << 20
"""Bytes of the write-ahead log that stay on the disk when it begins anew, after somebody read for long while others wrote."""

BEING_MADE = 1.0
"""Seconds for which whoever only looks waits, when a worker may be making the file right now."""

_making = threading.Lock()


def located(path: Path) -> Path:
    """Where the file really is: SQLite follows links too, and would make their target readable for everybody."""
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise StoreUnusable(f"{str(path)!r} is not a path that can be used: {error}. Name another place.") from error


def opened(path: Path, durability: Durability, busy: float) -> tuple[str, sqlite3.Connection]:
    """Open the file, made and migrated if need be; returns the store's identity, and a connection for any one thread.

    Nothing is written to a file that is as it should be.

    Raises:
        StoreUnusable: with the cure.
        StoreBusy: another program holds the file.
    """
    _check_version()
    if path.name == ":memory:":
        raise StoreUnusable("a journal in SQLite needs a file. For tests, amends.stores.memory.MemoryStore needs none.")
    _make(path)
    try:
        connection = _raw(path, busy)
        try:
            identity = _look(path, connection)
            _set(path, connection, durability, busy)
            return identity or _migrate(path, connection), connection
        except BaseException:  # whatever it was, the connection is of no use, and the error goes on its way
            connection.close()
            raise
    except sqlite3.Error as error:
        raise explain(error, path) from error


def viewed(path: Path, busy: float) -> tuple[str, sqlite3.Connection]:
    """Open a file that is there, to read it; returns the store's identity, and a connection for any one thread.

    Nothing is written, and nothing need be writable: on a full disk, in a snapshot, in somebody else's folder.

    Raises: what `opened` does.
    """
    _check_version()
    if not path.is_file():
        raise StoreUnusable(f"{path} is not there, or is not a regular file. Name the file of a store.")
    try:
        try:
            return _seen(path, "mode=rw", busy)  # SQLite takes less where there is no right to write
        except sqlite3.Error as error:
            if is_busy(error):
                raise
            _check_log(path, error)
            return _seen(path, "mode=ro&immutable=1", busy)
    except sqlite3.Error as error:
        raise explain(error, path) from error


def _check_log(path: Path, error: sqlite3.Error) -> None:
    """SQLite cannot keep an index of the log beside the file; without a log nothing is missing, and nobody is writing."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise StoreUnusable(
            f"{path} cannot be read without {log.name}, and that cannot be read where nothing can be written ({error}). "
            "Make room on the disk, or copy both to where you may write."
        ) from error


def _seen(path: Path, how: str, busy: float) -> tuple[str, sqlite3.Connection]:
    connection = _raw(f"{path.as_uri()}?{how}", busy)
    try:
        connection.execute("PRAGMA query_only=ON")
        end = time.monotonic() + BEING_MADE
        while (identity := _look(path, connection)) is None:
            if time.monotonic() > end:
                raise StoreUnusable(f"{path} is empty, or was made by an older amends. Let a worker open it once.")
            time.sleep(0.01)
    except BaseException:  # whatever it was, the connection is of no use, and the error goes on its way
        connection.close()
        raise
    return identity, connection


def connect(path: Path, durability: Durability, busy: float) -> sqlite3.Connection:
    """Another connection to a file that was opened before, for any one thread. Raises what `opened` does."""
    try:
        connection = _raw(path, busy)
        try:
            _set(path, connection, durability, busy)
        except BaseException:  # whatever it was, the connection is of no use, and the error goes on its way
            connection.close()
            raise
    except sqlite3.Error as error:
        raise explain(error, path) from error
    return connection


def _check_version() -> None:
    if sqlite3.sqlite_version_info < OLDEST:
        raise StoreUnusable(
            f"SQLite {sqlite3.sqlite_version} is too old; amends needs 3.35 or newer. Use a Python that brings a newer one."
        )


def _raw(place: Path | str, busy: float) -> sqlite3.Connection:
    connection = sqlite3.connect(place, uri=True, timeout=busy, isolation_level=None, check_same_thread=False)
    sums.teach(connection)
    return connection


def _set(path: Path, connection: sqlite3.Connection, durability: Durability, busy: float) -> None:
    if _patiently(connection, "PRAGMA journal_mode=WAL", busy) != "wal":
        raise StoreUnusable(
            f"{path} is in a place where several programs cannot share memory (a network folder?). Name a local place."
        )
    connection.execute(f"PRAGMA synchronous={'FULL' if durability == 'full' else 'NORMAL'}")
    connection.execute(f"PRAGMA journal_size_limit={LOG_KEPT}")


def _patiently(connection: sqlite3.Connection, sql: str, busy: float) -> object:
    """Run a statement for which SQLite itself does not wait while another process opens the same new file."""
    end = time.monotonic() + busy
    while True:
        try:
            return connection.execute(sql).fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.005)


def _make(path: Path) -> None:
    """SQLite would make the file readable for everybody: make it ours before it does.

    A file that is there is never opened here, and one that we make is closed before a neighbour in this process can
    open it: closing any descriptor of a file ends all locks that the whole process holds on it, SQLite's too.
    """
    try:
        with _making:
            made = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            try:
                os.fchmod(made, 0o600)  # whatever the umask took away
            finally:
                os.close(made)
        return
    except FileExistsError:
        pass
    except OSError as error:
        raise StoreUnusable(f"{path} cannot be made: {_reason(path, error)}") from error
    if path.is_dir():
        raise StoreUnusable(f"{path} is a directory. Name a file in it, for instance {path / 'amends.db'}.")
    if not path.is_file():
        raise StoreUnusable(f"{path} is not a regular file. Name another one.")
    for place in (path, path.parent):
        if not os.access(place, os.R_OK | os.W_OK):
            raise StoreUnusable(f"{place} cannot be written by this user. Give the right to, or name another place.")


def _reason(path: Path, error: OSError) -> str:
    if not path.parent.is_dir():
        return f"there is no directory {path.parent}. Make it first."
    return f"{error}. Give this user the right to write {path.parent}, or name another place."


def _look(path: Path, connection: sqlite3.Connection) -> str | None:
    """The store's identity, if there is nothing to change in the file; whose it is has to be known before anything is."""
    connection.execute("BEGIN")  # one view of the file: a neighbour may be making it ours right now
    is_newest = _recognise(path, connection) == len(_steps())
    identity = _identity(connection) if is_newest else None
    connection.execute("COMMIT")
    return identity


def _recognise(path: Path, connection: sqlite3.Connection) -> int:
    """The number of the file's schema, if it is ours or nobody's."""
    ours = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if ours != APPLICATION_ID and (ours or version or connection.execute("SELECT 1 FROM sqlite_master").fetchone()):
        raise StoreUnusable(f"{path} is an SQLite file of another program. Name another file for amends.")
    newest = len(_steps())
    if version > newest:
        raise StoreUnusable(
            f"{path} has schema {version}, and this amends knows {newest}. Upgrade amends; files are not taken back."
        )
    return version


def _identity(connection: sqlite3.Connection) -> str:
    identity: str = connection.execute("SELECT value FROM meta WHERE name = 'identity'").fetchone()[0]
    return identity


@cache
def _steps() -> list[Traversable]:
    found = resources.files("amends.stores.migrations").iterdir()
    return sorted((entry for entry in found if entry.name.endswith(".sql")), key=lambda entry: entry.name)


def _migrate(path: Path, connection: sqlite3.Connection) -> str:
    """Bring the schema up to date, all or nothing; of several at once one does it, and the others find it done."""
    connection.execute("BEGIN IMMEDIATE")
    version = _recognise(path, connection)
    for number, step in enumerate(_steps()[version:], start=version + 1):
        for statement in step.read_text().split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={number}")
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('identity', ?)", (secrets.token_hex(16),))
    identity = _identity(connection)
    connection.execute("COMMIT")
    return identity
