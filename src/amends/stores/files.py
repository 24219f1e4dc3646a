"""Opens SQLite files: made private, recognised as ours, and brought to the newest schema."""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from amends.errors import StoreUnusable

if TYPE_CHECKING:
    from amends.stores.port import Durability

APPLICATION_ID = 0x616D6E64  # "amnd"
OLDEST = (3, 35, 0)


def connect(path: Path, durability: Durability, busy: float) -> sqlite3.Connection:
    """A connection with amends' settings, for any one thread."""
    connection = sqlite3.connect(path, timeout=busy, isolation_level=None, check_same_thread=False)
    _patiently(connection, "PRAGMA journal_mode=WAL", busy)
    connection.execute(f"PRAGMA synchronous={'FULL' if durability == 'full' else 'NORMAL'}")
    return connection


def _patiently(connection: sqlite3.Connection, sql: str, busy: float) -> None:
    """Run a statement for which SQLite itself does not wait while another process opens the same new file."""
    end = time.monotonic() + busy
    while True:
        try:
            connection.execute(sql)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.005)


def prepare(path: Path, durability: Durability, busy: float) -> str:
    """Make the file if it is not there, and migrate it; returns the store's identity.

    Raises:
        StoreUnusable: with the cure.
    """
    if sqlite3.sqlite_version_info < OLDEST:
        raise StoreUnusable(f"SQLite {sqlite3.sqlite_version} is too old; amends needs 3.35 or newer.")
    if path.is_dir():
        raise StoreUnusable(f"{path} is a directory. Name a file in it, for instance {path / 'amends.db'}.")
    if not path.parent.is_dir():
        raise StoreUnusable(f"the directory {path.parent} does not exist. Make it first.")
    try:
        _create(path)
        connection = connect(path, durability, busy)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from error
    try:
        return _migrate(path, connection)
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    finally:
        connection.close()


def _create(path: Path) -> None:
    """SQLite would make the file readable for everybody: make it ours before it does."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        with open(path, "r+b"):
            pass


def _unusable(path: Path, error: Exception) -> StoreUnusable:
    text = str(error)
    if isinstance(error, PermissionError) or "readonly" in text or "unable to open" in text or "Read-only" in text:
        cure = "Give this user the right to write the file and its directory, or name another place."
    elif "not a database" in text:
        cure = "It is not an SQLite file. Name another file; amends does not overwrite this one."
    elif "locked" in text:
        cure = "Another program holds it. Close that, and try again."
    else:
        cure = "Name another file."
    return StoreUnusable(f"{path} cannot be used: {text}. {cure}")


def _migrate(path: Path, connection: sqlite3.Connection) -> str:
    steps = sorted(
        (entry for entry in resources.files("amends.stores.migrations").iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    connection.execute("BEGIN IMMEDIATE")
    ours = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if ours != APPLICATION_ID and tables:
        raise StoreUnusable(f"{path} is an SQLite file of another program. Name another file for amends.")
    if version > len(steps):
        raise StoreUnusable(
            f"{path} has schema {version}, and this amends knows {len(steps)}. Upgrade amends; files are not taken back."
        )
    for number, step in enumerate(steps[version:], start=version + 1):
        for statement in step.read_text().split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={number}")
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('identity', ?)", (secrets.token_hex(16),))
    identity: str = connection.execute("SELECT value FROM meta WHERE name = 'identity'").fetchone()[0]
    connection.execute("COMMIT")
    return identity
