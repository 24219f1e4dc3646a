"""How far a fan-out is: figures only, whatever the number of its items."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from amends.model.chunk import read, read_brief

if TYPE_CHECKING:
    from collections.abc import Sequence

    from amends.model.chunk import Fingerprint
    from amends.model.records import Failure, Raw


@dataclass
class Kind:
    """Failures of one kind: how many, of which item the first was, and what it said."""

    count: int
    item: str
    said: str


@dataclass
class Chunk:
    """A part of a fan-out: how many items it has, and what came of them. `undone`: what was done is not there any more."""

    run: str
    items: int
    done: int = 0
    failed: int = 0
    at_work: int = 0
    over: bool = False
    undone: bool = False


@dataclass
class Fan:
    """A fan-out over `fn`. `of` is how many items there are, None if nobody knows; `began` and `until` are seconds."""

    began: float
    until: float | None = None
    fn: str = ""
    of: int | None = None
    chunks: dict[int, Chunk] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)

    def take(self, pos: int, run: str, found: Fingerprint) -> None:
        """A chunk was begun."""
        self.fn, self.of = found.fn.rpartition(":")[2], found.of or None
        self.chunks[pos] = Chunk(run, found.items)

    def result(self, pos: int, raw: Raw) -> None:
        """A chunk is done: what came of its items."""
        brief, chunk = read_brief(raw), self.chunks[pos]
        chunk.done, chunk.failed, chunk.at_work, chunk.over = brief.done, brief.lapsed, 0, True
        for lapse in read(raw).failed if brief.lapsed else ():
            self._count(lapse.error, bytes(lapse.entry.args).decode())

    def closed(self, pos: int, *, undone: bool) -> None:
        """A chunk was rolled back, or left its effects in the world."""
        self.chunks[pos].over, self.chunks[pos].undone = True, undone

    @property
    def at_work(self) -> dict[int, Chunk]:
        """The chunks that are not over."""
        return {pos: chunk for pos, chunk in self.chunks.items() if not chunk.over}

    def so_far(self, pos: int, done: int, at_work: int, failures: Sequence[tuple[Failure, str]]) -> None:
        """What came of a chunk that is not over: each failure with its item."""
        chunk = self.chunks[pos]
        chunk.done, chunk.at_work, chunk.failed = done, at_work, len(failures)
        for error, item in failures:
            self._count(error, item)

    def _count(self, error: Failure, item: str) -> None:
        known = self.kinds.setdefault(error.type, Kind(0, item, error.message))
        known.count += 1

    # ── figures ─────────────────────────────────────────────────────────────────────────────────

    @property
    def done(self) -> int:
        """How many items succeeded, and still stand."""
        return sum(chunk.done for chunk in self.chunks.values() if not chunk.undone)

    @property
    def undone(self) -> int:
        """How many items succeeded and were undone."""
        return sum(chunk.done for chunk in self.chunks.values() if chunk.undone)

    @property
    def failed(self) -> int:
        """How many items failed."""
        return sum(chunk.failed for chunk in self.chunks.values())

    @property
    def busy(self) -> int:
        """How many items are at work."""
        return sum(chunk.at_work for chunk in self.chunks.values())

    @property
    def not_started(self) -> int | None:
        """How many items were not started, or not ended when all was over; None if nobody knows how many there are."""
        return None if self.of is None else max(0, self.of - self.done - self.undone - self.failed - self.busy)

    def rate(self, now: float) -> float | None:
        """Items that ended in a second; None before there is one."""
        ended = self.done + self.undone + self.failed
        seconds = (now if self.until is None else self.until) - self.began
        return ended / seconds if ended and seconds > 0 else None

    def remaining(self, now: float) -> float | None:
        """Seconds until all items will have ended, going on as so far; None if that is not known, or over."""
        rate, left = self.rate(now), self.not_started
        if rate is None or left is None or self.until is not None:
            return None
        return (left + self.busy) / rate
