"""The rule of a chunk: it goes on to its end, unless too much fails on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from amends.model.join import Failed, Verdict

if TYPE_CHECKING:
    from amends.model.driving import Ask
    from amends.model.join import End
    from amends.model.records import ChildWanted


@dataclass(frozen=True, slots=True)
class Enduring:
    """Decided once every item has ended, or more than `most` have failed; once `share` have, no more are begun."""

    share: int
    most: int

    @property
    def least(self) -> int:
        """Nothing has to succeed."""
        return 0

    def counting(self, branches: int, saga: str, base: str) -> Tally:
        """Begin to count."""
        return Tally(self, branches)


class Tally:
    """How the items of a chunk have ended so far."""

    def __init__(self, rule: Enduring, total: int) -> None:
        self.ends: dict[int, End] = {}
        self.arrival: list[int] = []
        self.begun = 0
        self._failed = 0
        self._rule = rule
        self._total = total

    @property
    def sated(self) -> bool:
        """Whether so many have failed that the fan-out decides anew what is begun."""
        return self._failed >= self._rule.share

    def next(self, foretold: ChildWanted | None) -> Ask[object] | None:
        """All items were known from the start."""
        return None

    def arrive(self, index: int, end: End) -> Verdict | None:
        """Take in how one item ended; the verdict, if that decides the chunk."""
        self.ends[index] = end
        self.arrival.append(index)
        self._failed += isinstance(end, Failed)
        return Verdict.MET if self._failed > self._rule.most else self._complete()

    def exhausted(self, branches: int) -> Verdict | None:
        """There are no more items than these; the verdict, if all have ended."""
        self._total = branches
        return self._complete()

    def time_up(self) -> Verdict:
        """A chunk has no time of its own."""
        return Verdict.MET

    def winners(self) -> frozenset[int]:
        """All that ended."""
        return frozenset(self.arrival)

    def _complete(self) -> Verdict | None:
        return Verdict.MET if len(self.arrival) == self._total else None
