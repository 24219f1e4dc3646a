"""Where the workers of a simulated world keep their runs: the stores as they ship, without a disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from amends.stores.memory import MemoryStore, Shelf

if TYPE_CHECKING:
    from amends.stores.port import Store
    from amends.testing.explorer.scenario import StoreKind


class House(Protocol):
    """What the stores of all workers of one world share."""

    def attach(self) -> Store:
        """One worker's store."""
        ...

    def silence(self, store: Store) -> None:
        """Let the others see a worker as dead."""
        ...

    def revive(self, store: Store) -> None:
        """Let the others see that a worker lives."""
        ...

    def bodies(self, run_id: str) -> list[bytes]:
        """The durable turns of a run, as they were written."""
        ...

    def close(self) -> None:
        """Free what is held."""
        ...


class InMemory:
    """A shelf for memory stores."""

    def __init__(self) -> None:
        self._shelf = Shelf()

    def attach(self) -> Store:
        """See `House`."""
        return MemoryStore(self._shelf)

    def silence(self, store: Store) -> None:
        """See `House`."""
        assert isinstance(store, MemoryStore)
        store.silence()

    def revive(self, store: Store) -> None:
        """See `House`."""
        assert isinstance(store, MemoryStore)
        self._shelf.alive.add(store._worker)

    def bodies(self, run_id: str) -> list[bytes]:
        """See `House`."""
        return [turn.body for turn in self._shelf.turns.get(run_id, ())]

    def close(self) -> None:
        """See `House`."""


def house(kind: StoreKind) -> House:
    """What the stores of one world share."""
    if kind == "memory":
        return InMemory()
    from amends.testing.explorer.sqlite import InSQLite  # sqlite3 is loaded by those who ask for it

    return InSQLite()
