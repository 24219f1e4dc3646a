"""What the parts of a machine write on together: the decisions of the fact at hand, and the timers that are set."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from amends.model.records import TimerWanted

if TYPE_CHECKING:
    from amends.model.records import Decision


class Timers(dict[int, float]):
    """When which position wants to be told `TimeUp`; what is due next is known without a look at all of them."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: list[tuple[float, int]] = []

    def __setitem__(self, pos: int, until: float) -> None:
        if self.get(pos) != until:
            super().__setitem__(pos, until)
            heapq.heappush(self._queue, (until, pos))

    @property
    def next_due(self) -> float | None:
        """The instant of the timer that goes off first."""
        self._forget_stale()
        return self._queue[0][0] if self._queue else None

    def ring(self, now: float) -> list[int]:
        """The positions whose time has come, in its order; each timer rings once."""
        due: dict[int, None] = {}
        while (until := self.next_due) is not None and until <= now:
            due[heapq.heappop(self._queue)[1]] = None
        return list(due)

    def _forget_stale(self) -> None:
        """Drop the front entries of timers that were taken off, or set anew."""
        while self._queue and self.get(self._queue[0][1]) != self._queue[0][0]:
            heapq.heappop(self._queue)


class Slate:
    """`out` is wiped for each fact."""

    def __init__(self) -> None:
        self.out: list[Decision] = []
        self.timers = Timers()
        self.now = 0.0

    def set_timer(self, pos: int, until: float) -> None:
        """Decide that a position is told when `until` has come."""
        self.timers[pos] = until
        self.out.append(TimerWanted(pos, until))
