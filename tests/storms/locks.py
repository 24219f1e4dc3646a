"""Whether a process holds an SQLite file's lock for writing, asked of the kernel and without touching it."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
from pathlib import Path

WRITE_LOCK = 120
"""The byte of the shared-memory file that the one who writes has locked (https://www.sqlite.org/walformat.html)."""

FLOCK = struct.Struct("hhqqi4x")


def holds_the_file(store: Path, pid: int) -> bool:
    """Whether this process is within a transaction that writes; False where the system cannot tell."""
    if sys.platform != "linux":
        return False
    try:
        file = os.open(f"{store}-shm", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        asked = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, WRITE_LOCK, 1, 0)
        kind, _, _, _, holder = FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))
        return kind != fcntl.F_UNLCK and holder == pid
    finally:
        os.close(file)
