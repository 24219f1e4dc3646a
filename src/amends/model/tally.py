"""The rule of a fan-out: it goes on to its end, unless too much fails on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from amends.model.join import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from amends.model.join import End


@dataclass(frozen=True, slots=True)
class Enduring:
    """Decided once every branch has ended, or too much has failed.

    Args:
        weigh: how many items ended with a branch, and how many of these failed.
        too_many: whether so many failures, of so many items that have ended, are too many; and whether these are all.
        stopped: the verdict when there are too many.
    """

    weigh: Callable[[End], tuple[int, int]]
    too_many: Callable[[int, int, bool], bool]
    stopped: Verdict

    @property
    def least(self) -> int:
        """Nothing has to succeed."""
        return 0

    def counting(self, branches: int) -> Tally:
        """Begin to count; when no branches are known yet, they come one by one."""
        return Tally(self, branches or None)


class Tally:
    """How the branches of a fan-out have ended so far."""

    def __init__(self, rule: Enduring, total: int | None) -> None:
        self.ends: dict[int, End] = {}
        self.arrival: list[int] = []
        self.ended = 0
        self.failed = 0
        self._rule = rule
        self._total = total

    def arrive(self, index: int, end: End) -> Verdict | None:
        """Take in how one branch ended; the verdict, if that decides the fan-out."""
        self.ends[index] = end
        self.arrival.append(index)
        ended, failed = self._rule.weigh(end)
        self.ended += ended
        self.failed += failed
        if self._rule.too_many(self.failed, self.ended, False):
            return self._rule.stopped
        return self._complete()

    def exhausted(self, branches: int) -> Verdict | None:
        """There are no more branches than these; the verdict, if all have ended."""
        self._total = branches
        return self._complete()

    def time_up(self) -> Verdict:
        """A fan-out has no time of its own: that is what `within` is for."""
        return Verdict.LOST

    def winners(self) -> frozenset[int]:
        """All that ended."""
        return frozenset(self.arrival)

    def _complete(self) -> Verdict | None:
        if len(self.arrival) != self._total:
            return None
        return self._rule.stopped if self._rule.too_many(self.failed, self.ended, True) else Verdict.MET
