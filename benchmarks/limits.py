"""What the disk allows, with the bytes that amends writes: bare `fdatasync`, and raw sqlite3 with so many rows a commit."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from benchmarks.peer import Figures, Order


async def measure(order: Order) -> Figures:
    """Rows of `size` bytes, `at_once` of them in each commit; 0 at once is bare `fdatasync`."""
    path = order.place / "limit"
    return {"rate": syncs(path, order.size, order.seconds) if order.at_once == 0 else rows(path, order)}


def syncs(path: Path, size: int, seconds: float) -> float:
    """How often a second so many bytes can be appended to a file and made durable."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    body, done, began = b"x" * size, 0, time.perf_counter()
    while time.perf_counter() < began + seconds:
        os.write(file, body)
        os.fdatasync(file)
        done += 1
    taken = time.perf_counter() - began
    os.close(file)
    return done / taken


def rows(path: Path, order: Order) -> float:
    """Rows a second into a table as our journal is, each row of another run, as it is when commits are shared."""
    db = _connect(path)
    body, total = b"x" * order.size, b"y" * 8
    commits, began = 0, time.perf_counter()
    while time.perf_counter() < began + order.seconds:
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO t VALUES (?,?,?,?)", ((run, commits, body, total) for run in range(order.at_once)))
        db.execute("COMMIT")
        commits += 1
    taken = time.perf_counter() - began
    db.close()
    return commits * order.at_once / taken


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE t (run INTEGER, seq INTEGER, body BLOB, sum BLOB, PRIMARY KEY (run, seq)) WITHOUT ROWID")
    return db
