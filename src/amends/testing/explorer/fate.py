"""What the parts of a simulated world ask of it: what happens next, and to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from amends.engine.engine import Engine
    from amends.errors import AmendsError
    from amends.model.effect import Effect
    from amends.stores.port import Change
    from amends.testing.clock import Clock, Loop
    from amends.testing.explorer.faults import Kind, Occasion
    from amends.testing.explorer.scenario import Scenario
    from amends.testing.explorer.tale import Tale


class Actor(Protocol):
    """A worker, as the rest of its world sees it."""

    number: int
    loop: Loop

    @property
    def open(self) -> bool:
        """Whether its engine can be used."""
        ...

    def cancel(self) -> None:
        """Let somebody cancel the run through its engine."""
        ...

    def act(self, does: Callable[[Engine], Coroutine[Any, Any, Any]], done: Callable[[], None] | None = None) -> None:
        """Let somebody use its engine from outside of any run."""
        ...

    def effect(self, key: str | None) -> Effect | None:
        """The effect with this key, if this worker drives its run now."""
        ...

    def deadline(self) -> float | None:
        """The last instant by the clock for which a run or a join that this worker drives waits; None if there is none."""
        ...

    def in_flight(self) -> int:
        """How many calls are under way."""
        ...


class Team(Protocol):
    """The workers, and what can befall them."""

    def on(self, loop: Loop) -> Actor:
        """The worker whose loop this is."""
        ...

    def kill(self, worker: Actor) -> None:
        """End a worker as `kill -9` does; a successor starts soon."""
        ...

    def freeze(self, worker: Actor) -> None:
        """Let a worker stand still for longer than its lease."""
        ...

    def restart(self, worker: Actor) -> None:
        """Shut a worker down in order; a successor starts then."""
        ...

    def look_soon(self) -> None:
        """Let every worker look for work in a moment, as their polls would."""
        ...

    def look_when_due(self, run_id: str, due: float) -> None:
        """Let every worker look for a run when by its own time of day an instant has come, in seconds since the epoch."""
        ...


class Messages(Protocol):
    """What the run is told."""

    def come_between(self) -> None:
        """A worker is gone, and nobody has taken the run over yet."""
        ...


class Fate(Protocol):
    """The world as a whole; `troubled` says whether a fault has befallen it."""

    clock: Clock
    scenario: Scenario
    tale: Tale
    troubled: bool

    @property
    def messenger(self) -> Messages:
        """Who tells the run what there is to tell."""
        ...

    @property
    def team(self) -> Team:
        """The workers."""
        ...

    @property
    def settled(self) -> bool:
        """Whether nothing goes wrong any more: it need not be asked what could."""
        ...

    def pick(self, place: str, kinds: tuple[Kind, ...]) -> Kind:
        """What happens here: one of `kinds`, the first of which is that nothing goes wrong."""
        ...

    def kinds_on(self, occasion: Occasion) -> tuple[Kind, ...]:
        """What is explored of that which can happen on an occasion, beginning with nothing."""
        ...

    def luck(self, size: int) -> bytes:
        """Random bytes, the same in every world for the same draw."""
        ...

    def drives(self, run_id: str, epoch: int, worker: Actor) -> None:
        """A worker has taken a run over, or begun it."""
        ...

    def accepted(self, change: Change, worker: Actor) -> None:
        """The store has accepted a worker's turn."""
        ...

    def ends_with(self, change: Change) -> bool:
        """Whether nothing is left to be done once this is written, in a world that a fault has befallen already."""
        ...

    def journaled(self, run_id: str, key: str) -> bool:
        """Whether a durable turn of a run holds this key."""
        ...

    def refuse(self, why: AmendsError) -> None:
        """The exploration itself is at fault, and no world of it is of use: whoever explores is told why."""
        ...

    def breaks(self, rule: str, why: str) -> None:
        """Something happened that a rule forbids."""
        ...
