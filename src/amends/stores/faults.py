"""Errors of the database in amends' words: what happened, why, and what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from amends.errors import AmendsError, JournalDamaged, StoreBusy, StoreError, StoreUnusable

_PRIMARY = 0xFF
"""SQLite's extended codes keep the primary one in their low byte."""

_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
"""The file cannot grow, or what SQLite shares between processes beside it cannot."""


def explain(error: BaseException, path: Path) -> AmendsError:
    """Say an error in amends' words; one that is in these words already is left as it is."""
    if isinstance(error, AmendsError):
        return error
    said = _say(error, path)
    said.__cause__ = error
    return said


def is_busy(error: BaseException) -> bool:
    """Whether another program holds the file."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _say(error: BaseException, path: Path) -> StoreError:
    text = str(error)
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & _PRIMARY
    if is_busy(error):
        return StoreBusy(
            f"another program held {path} for too long ({text}). Close it (an open transaction in a database shell, a "
            "backup that copies the file), then try again."
        )
    if extended in _NO_ROOM:
        return StoreError(f"there is no room to write the journal {path} ({text}). Make room on the disk, then try again.")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StoreUnusable(
            f"{path} cannot be opened for writing ({text}). Give this user the right to write the file and its directory."
        )
    if code == sqlite3.SQLITE_NOTADB:
        return StoreUnusable(f"{path} is not an SQLite file ({text}). Name another file; amends does not overwrite this one.")
    if code == sqlite3.SQLITE_CORRUPT or "Could not decode" in text:
        return JournalDamaged(f"{path} is damaged ({text}). Restore it from a backup; bytes were changed outside of amends.")
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(
            f"the disk failed while {path} was read or written ({text}); if something was being written, its fate is not "
            "known. Check the disk; the journal says what is there."
        )
    return StoreError(f"{path} could not be read or written: {type(error).__name__}: {text}.")
