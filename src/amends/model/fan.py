"""The rule of a fan-out, and its chunks: made as there is room for them, and counted as they end."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from amends.errors import IllegalFact
from amends.model import chunk
from amends.model.call import Call
from amends.model.chunk import Chunk, Results, Spec, marks, read, read_brief, read_fingerprint, without_values
from amends.model.definition import place_of
from amends.model.join import Failed, Losers, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amends.model.call import Target
    from amends.model.chunk import Entry
    from amends.model.driving import Ask
    from amends.model.join import End
    from amends.model.records import ChildWanted
    from amends.model.source import Reading, Source

LANES = 4
"""How many chunks of one fan-out are at work at once, at most; each has its part of the limit."""

NOTHING = b'{"done":0,"lapsed":0,"lost":[],"rest":[],"values":[],"failed":[]}'
"""The results of a chunk of which nothing came."""

Place: TypeAlias = tuple[int, int]
"""Where a chunk stands: its number in the order of the items, and how often a part of it was handed back before."""


def lanes(limit: int) -> int:
    """How many chunks are at work at once: as many as share the limit and leave at most a tenth of it unused."""
    return max(number for number in range(1, LANES + 1) if limit % number * 10 <= limit)


@dataclass(frozen=True, slots=True)
class Fan:
    """What a fan-out does: call `fn` for the items of `source`, `limit` at once, until more fail than are tolerated.

    `streamed` says that the body takes what comes chunk by chunk, and that it is over only when all is taken; `early`, that
    the first chunks are small, so that something comes soon.
    """

    fn: Target[..., Any]
    source: Source
    limit: int
    tolerate: float
    losers: Losers
    streamed: bool = False
    early: bool = False

    @property
    def least(self) -> int:
        """Nothing has to succeed."""
        return 0

    def counting(self, branches: int, saga: str, base: str) -> Chunks:
        """Begin to make chunks, and to count."""
        return Chunks(self, saga, base)

    def allowed(self, ended: int, *, complete: bool) -> float:
        """How many items may fail; as long as nobody knows how many there are, a fraction is judged by those that ended."""
        if isinstance(self.tolerate, int):
            return self.tolerate
        if self.source.length is not None:
            return _part(self.tolerate, self.source.length)
        return _part(self.tolerate, ended) if complete or ended >= chunk.MOST_ITEMS else math.inf

    def too_many(self, failed: int, ended: int, complete: bool) -> bool:
        """Whether more items failed than are tolerated."""
        return failed > self.allowed(ended, complete=complete)

    def most(self, items: int) -> int:
        """How many of so many items may fail before it is no use to go on with them."""
        return int(min(items, self.allowed(0, complete=False)))

    def over(self, reading: Reading, *, streamed: bool = False, early: bool = False) -> Fan:
        """The same for what is left of the items."""
        return replace(self, source=self.source.from_here(reading), streamed=streamed, early=early)


class Chunks:
    """The chunks of one fan-out. `done` and `failed` count the items that have ended."""

    sated = False

    def __init__(self, fan: Fan, saga: str, base: str) -> None:
        self.arrival: list[int] = []
        self.reading = fan.source.reading()
        self.done = 0
        self.failed = 0
        self.begun = 0
        self.broken: Failed | None = None
        self._fan = fan
        self._saga = Chunk(saga)
        self._base = base
        self._number = 0
        self._limit = 0
        self._complete = False
        self._open: dict[int, tuple[Place, list[Entry], int]] = {}
        self._came: dict[Place, bytes] = {}
        self._again: deque[tuple[Place, list[Entry]]] = deque()
        self._waiting: dict[Place, int] = {}
        self._due: Place = (1, 0)
        self._left = False

    # ── making them ─────────────────────────────────────────────────────────────────────────────

    def next(self, foretold: ChildWanted | None) -> Ask[Any] | None:
        """The next chunk; a replay finds its items again, wherever they are now."""
        place, entries, of = self._entries(foretold)
        if not entries:
            return None
        fan, more = self._fan, bool(self._again) or self.reading.holds_more_than(0) or not self.reading.at_end
        if not self._limit:
            self._limit = fan.limit // lanes(fan.limit) if more or fan.early else fan.limit
        share = self._share(len(entries), lanes(fan.limit) - len(self._open) if more else 1)
        self._open[self.begun] = place, entries, share
        self._waiting[place] = self.begun
        base = f"{self._base}.{self.begun + 1}"
        spec = Spec(place_of(fan.fn), base, self._limit, share, fan.most(len(entries)), fan.losers, entries, of)
        return Call(self._saga, (spec,), {})

    def _entries(self, foretold: ChildWanted | None) -> tuple[Place, list[Entry], int]:
        """The items of the next chunk, first those that another has handed back; and how many there are in all, if known."""
        known = None if foretold is None else read_fingerprint(foretold.args)
        of = (self._fan.source.length or 0) if known is None else known.of
        if self._again:
            place, entries = self._again.popleft()
            if known is not None and marks(entries) != known.marks:
                raise IllegalFact(f"items of each({self._fan.fn.name}) are not those that were begun again before a crash")
            return place, entries, of
        entries = self.reading.take(self._size()) if known is None else self.reading.find(known.marks, known.keyed)
        self._number += bool(entries)
        return (self._number, 0), entries, of

    def _size(self) -> int:
        """How many items are taken at once: towards the end fewer, so that all that may be at work is."""
        at_once = lanes(self._fan.limit)
        least = self._fan.limit // at_once
        if self._fan.early:
            return min(chunk.MOST_ITEMS, least << min(self._number, 10))
        ahead = self.reading.ahead(at_once * chunk.MOST_ITEMS)
        if self.begun == 0 and ahead <= chunk.MOST_ITEMS and self.reading.at_end:
            return chunk.MOST_ITEMS
        return min(chunk.MOST_ITEMS, max(least, math.ceil(ahead / at_once)))

    def _share(self, items: int, among: int) -> int:
        """How many items of a chunk may fail before it hands back the rest, so that one failure too many is not exceeded."""
        allowed = self._fan.allowed(self.done + self.failed, complete=False)
        if allowed >= items + self.failed + sum(share for _, _, share in self._open.values()):
            return items
        left = int(allowed) + 1 - self.failed - sum(share for _, _, share in self._open.values())
        return max(1, min(items, left // among))

    # ── counting them ───────────────────────────────────────────────────────────────────────────

    def arrive(self, index: int, end: End) -> Verdict | None:
        """Take in how one chunk ended; the verdict, if that decides the fan-out."""
        self.arrival.append(index)
        place, _, _ = self._open.pop(index)
        if isinstance(end, Failed):
            self.broken = end
            return Verdict.LOST
        brief = read_brief(end.value)
        self._came[place] = end.value
        self.done += brief.done
        self.failed += brief.lapsed
        if self._fan.too_many(self.failed, self.done + self.failed, False):
            return Verdict.LOST
        if brief.rest:
            self._again.append(((place[0], place[1] + 1), brief.rest))
        return self._verdict()

    def exhausted(self, branches: int) -> Verdict | None:
        """There are no more chunks than these, as far as it is known; the verdict, if all have ended."""
        self._complete = self.reading.at_end
        return self._verdict()

    def time_up(self) -> Verdict:
        """A fan-out has no time of its own: that is what `within` is for."""
        return Verdict.LOST

    def winners(self) -> frozenset[int]:
        """All that ended; or, when the body takes nothing more, all that it has taken."""
        return frozenset(self.arrival) - (frozenset(self._waiting.values()) if self._left else frozenset())

    def _verdict(self) -> Verdict | None:
        if not self._complete or self._open or self._again or (self._fan.streamed and self._waiting):
            return None
        return Verdict.LOST if self._fan.too_many(self.failed, self.done + self.failed, True) else Verdict.MET

    # ── what came of them ───────────────────────────────────────────────────────────────────────

    def take(self, keep: bool) -> bytes | None:
        """The results of the chunk that is next in the order of the items, once they are there; failures are kept anyway."""
        place, raw = self._due, self._came.get(self._due)
        if raw is None:
            return None
        follower = (place[0], place[1] + 1)
        self._due = follower if self._follows(follower) else (place[0] + 1, 0)
        del self._waiting[place]
        if not keep:
            self._came[place] = without_values(raw) if read_brief(raw).lapsed else NOTHING
        return raw

    def leave(self) -> None:
        """The body takes nothing more."""
        self._left = True

    def parts(self) -> Iterator[tuple[bytes, Results]]:
        """What came of each chunk, as it is written and as it is read, in the order of the items."""
        unfinished = {place: Results(0, 0, entries, [], [], []) for place, entries, _ in self._open.values()}
        unfinished |= {place: Results(0, 0, [], entries, [], []) for place, entries in self._again}
        for place in sorted(self._came.keys() | unfinished.keys()):
            raw = self._came.get(place)
            results = unfinished[place] if raw is None else read(raw)
            if self._follows((place[0], place[1] + 1)):
                results = msgspec.structs.replace(results, rest=[])  # it was handed back, and is another chunk's now
            yield raw or NOTHING, results

    def _follows(self, place: Place) -> bool:
        return place in self._came or place in self._waiting or any(place == again for again, _ in self._again)


def _part(fraction: float, items: int) -> int:
    """So many of the items: 0.29 of 100 are 29, though 0.29 * 100 is a little less."""
    return math.floor(round(fraction * items, 9))
