"""A path through the worlds: what happens at each place where something can."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from amends.errors import Unsteady

if TYPE_CHECKING:
    from amends.testing.explorer.faults import Kind


class Deviation(NamedTuple):
    """A fault: at the `place`th place that the world comes to, `kind` happens."""

    place: int
    kind: Kind


Deviations: TypeAlias = tuple[Deviation, ...]


class Path(Protocol):
    """All that a search and a simulation know of each other.

    Once it is `over`, nothing goes wrong any more and nobody asks what could: it need not be asked.
    """

    over: bool

    def pick(self, place: str, kinds: tuple[Kind, ...]) -> Kind:
        """What happens at a place: one of `kinds`; the first is that nothing goes wrong."""
        ...


class Given(Path):
    """A path on which the given faults happen, and none besides. `met` are the places that it came to.

    One that is the `last` has no worlds that follow from it, so it is over after the last of its faults.
    """

    def __init__(self, deviations: Deviations, *, last: bool = False) -> None:
        self.over = False
        self._given = dict(deviations)
        self._end = max(self._given, default=-1) if last else float("inf")
        self._off = ""
        self.met: list[tuple[str, tuple[Kind, ...]]] = []

    def pick(self, place: str, kinds: tuple[Kind, ...]) -> Kind:
        """See `Path`."""
        kind = self._given.get(len(self.met), kinds[0]) if self._given else kinds[0]
        self.met.append((place, kinds))
        self.over = len(self.met) > self._end
        if kind in kinds:
            return kind
        self._off = self._off or f"{kind!r} cannot happen at {place}"
        return kinds[0]

    def demand_all(self) -> None:
        """Check, once the world has ended, that every given fault has happened.

        Raises:
            Unsteady: one had no place.
        """
        last = max(self._given, default=-1)
        if self._off or last >= len(self.met):
            raise Unsteady(self._off or f"it comes to {len(self.met)} places, and a fault is given for number {last + 1}")
