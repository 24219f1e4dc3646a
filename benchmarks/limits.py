"""What raw sqlite3 does on this disk with the same bytes: one row a commit, and a hundred rows a commit."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

BODY = 150
"""Bytes of a typical turn of the work."""


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE t (run INTEGER, seq INTEGER, body BLOB, sum BLOB, PRIMARY KEY (run, seq)) WITHOUT ROWID")
    return db


def commits(path: Path, rows: int, at_once: int) -> float:
    """Rows per second, with `at_once` rows in each transaction, each row of another run as group commit has it."""
    db = _connect(path)
    body, total = b"x" * BODY, b"y" * 8
    began = time.perf_counter()
    for seq in range(rows // at_once):
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO t VALUES (?,?,?,?)", [(run, seq, body, total) for run in range(at_once)])
        db.execute("COMMIT")
    taken = time.perf_counter() - began
    db.close()
    return rows / taken
