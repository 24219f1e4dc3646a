"""Who is alive: judged by a counter that each worker raises and the observer's own monotonic clock, never by a wall clock."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

ENDED = ":ended"
"""Stands for the start time in the name of a process that has ended."""


class Watch:
    """What one observer has seen of the others. `now` is the observer's monotonic clock, in seconds."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._seen: dict[str, tuple[int, float]] = {}

    def is_dead(self, worker: str, beat: int | None, born: str, now: float) -> bool:
        """Whether a worker may lose its runs: it is gone for certain, or its counter stood still for the length of the lease.

        `beat` is None when the worker has given itself up: it has no row any more.
        """
        if beat is None or is_gone(born):
            return True
        before = self._seen.get(worker)
        if before is None or before[0] != beat:
            self._seen[worker] = (beat, now)
            return False
        return now - before[1] >= self._lease

    def keep(self, workers: Iterable[str]) -> None:
        """Forget all others: they are not in the store any more."""
        self._seen = {worker: self._seen[worker] for worker in workers if worker in self._seen}


class Pulse:
    """The clock by which a worker judges others: it runs only while this worker itself could show that it lives.

    When the file was locked for a minute, or the whole machine was paused, nobody's counter moved. Whoever is first to
    look again must not hold that against the others, so a gap between two of its own beats counts for two periods at most.
    """

    def __init__(self, every: float, now: float) -> None:
        self._most = 2 * every
        self._last = (0.0, now)

    def beat(self, now: float) -> None:
        """This worker has shown that it lives."""
        self._last = (self.lived(now), now)

    def lived(self, now: float) -> float:
        """Seconds, since this worker began, in which it could be seen alive."""
        lived, last = self._last
        return lived + min(now - last, self._most)


def birth() -> str:
    """Names this process for good: boot, process namespace, process id and start time; empty where that is not known."""
    return _name_of(os.getpid()) or ""


def is_gone(born: str) -> bool:
    """Whether the process with this name has certainly ended; False when this machine cannot tell."""
    here, pid = _place(), born.rpartition("/")[2].partition(":")[0]
    if not here or not born.startswith(here) or not pid.isdecimal():
        return False
    name = _name_of(int(pid))
    return name != born if name is not None else has_ended(int(pid))


def has_ended(pid: int) -> bool:
    """Whether no process of this number runs here; one whose parent has not asked for its end yet has ended too."""
    if (_name_of(pid) or "").endswith(ENDED):
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it is there, and belongs to somebody else
        return False
    return False


def _place() -> str:
    """The boot and the process namespace that process ids are counted in; empty where that is not known."""
    try:
        return _place_of(os.getpid())
    except OSError:
        return ""


@lru_cache(maxsize=1)
def _place_of(me: int) -> str:
    """A process keeps its place for life; `me` is this one, for what it has forked may be elsewhere."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{os.readlink('/proc/self/ns/pid')}/"


def _name_of(pid: int) -> str | None:
    place = _place()
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    if not place:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return f"{place}{pid}{ENDED if fields[0] in 'ZX' else ':' + fields[19]}"
