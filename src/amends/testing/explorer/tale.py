"""What happened in one world, in order, as it will be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from amends.testing.explorer import faults

if TYPE_CHECKING:
    from amends.stores.port import Turn
    from amends.testing.clock import Clock


@dataclass(frozen=True, slots=True)
class Event:
    """One line: when (seconds since the world began), who, what; a turn that it is about, or the fault that it is."""

    at: float
    who: str
    what: str
    turn: Turn | None = None
    fault: str = ""


class Teller(Protocol):
    """A worker that something is told of."""

    number: int


class Tale:
    """The events of one world."""

    def __init__(self, clock: Clock) -> None:
        self.events: list[Event] = []
        self._clock = clock

    def add(self, who: Teller | None, what: str, turn: Turn | None = None) -> None:
        """Something happened."""
        self.events.append(Event(self._clock.now, f"worker {who.number + 1}" if who else "", what, turn))

    def fault(self, kind: faults.Kind, place: str) -> None:
        """A fault befell the world at a place."""
        self.events.append(Event(self._clock.now, "", f"{place}: {faults.sentence(kind)}", fault=kind))
