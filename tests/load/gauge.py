"""What a worker takes of the machine, read from the kernel and from Python itself."""

from __future__ import annotations

import gc
import os
import threading
from dataclasses import astuple, dataclass
from pathlib import Path

OURS = ("amends", "_asyncio", "asyncio")
"""Modules of whose types objects are counted; what Python and SQLite keep for themselves comes and goes."""

PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Reading:
    """Bytes of memory, open files, threads, bytes of the write-ahead log, and objects of amends' own types and asyncio's."""

    memory: int
    files: int
    threads: int
    log: int
    objects: int

    def __str__(self) -> str:
        return (
            f"{self.memory / 2**20:.1f} MiB of memory, {self.files} files, {self.threads} threads,"
            f" {self.log / 2**20:.1f} MiB of log, {self.objects:,} objects"
        )


def read(store: Path) -> Reading:
    """How things stand now, without garbage."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
    log = Path(f"{store}-wal")
    return Reading(
        resident,
        len(os.listdir("/proc/self/fd")),
        threading.active_count(),
        log.stat().st_size if log.exists() else 0,
        sum(type(each).__module__.startswith(OURS) for each in gc.get_objects()),
    )


def highest(readings: list[Reading]) -> Reading:
    """The highest value of each."""
    return Reading(*(max(values) for values in zip(*map(astuple, readings), strict=True)))
