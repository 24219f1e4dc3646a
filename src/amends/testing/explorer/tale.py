"""What happened in one world, in order, as it will be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from amends.model.child import APART
from amends.testing.explorer import faults

if TYPE_CHECKING:
    from amends.stores.port import Turn
    from amends.testing.clock import Clock


class Event(NamedTuple):
    """One line: when (seconds since the world began), who, what; a run's turn that it tells of, or the fault that it is."""

    at: float
    who: str
    what: str
    turn: Turn | None = None
    fault: str = ""
    run_id: str = ""


class Teller(Protocol):
    """A worker that something is told of."""

    number: int


class Tale:
    """The events of one world."""

    def __init__(self, clock: Clock) -> None:
        self._said: list[tuple[float, Teller | None, str, Turn | None, str, str]] = []
        self._clock = clock

    @property
    def events(self) -> list[Event]:
        """What happened, line by line. Of most worlds nobody asks."""
        return [
            Event(at, f"worker {who.number + 1}" if who else "", what, turn, fault, run_id)
            for at, who, what, turn, fault, run_id in self._said
        ]

    def add(self, who: Teller | None, what: str, turn: Turn | None = None, run_id: str = "") -> None:
        """Something happened."""
        self._said.append((self._clock.now, who, what, turn, "", run_id))

    def fault(self, kind: faults.Kind, place: str) -> None:
        """A fault befell the world at a place."""
        self._said.append((self._clock.now, None, f"{place}: {faults.sentence(kind)}", None, kind, ""))


def named(run_id: str) -> str:
    """A run as a story calls it: one that is nested by its position, as in `run //3`."""
    nested = run_id.partition(APART)[2]
    return f"run {APART}{nested}" if nested else "the run"


def of(run_id: str) -> str:
    """What is said of a thing that belongs to a run: nothing, when it is the one that is explored."""
    return f" of {named(run_id)}" if APART in run_id else ""
