"""What the parts of a machine write on together: the decisions of the fact at hand, and the timers that are set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.model.records import TimerWanted

if TYPE_CHECKING:
    from amends.model.records import Decision


class Slate:
    """`out` is wiped for each fact; `timers` says when which position wants to be told `TimeUp`."""

    def __init__(self) -> None:
        self.out: list[Decision] = []
        self.timers: dict[int, float] = {}
        self.now = 0.0

    def set_timer(self, pos: int, until: float) -> None:
        """Decide that a position is told when `until` has come."""
        self.timers[pos] = until
        self.out.append(TimerWanted(pos, until))
