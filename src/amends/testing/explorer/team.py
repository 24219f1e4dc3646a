"""The workers of a simulated world: they are killed, stand still, are shut down, and others take their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.testing.clock import Loop
from amends.testing.explorer import faults
from amends.testing.explorer.journal import WRITE, Journal
from amends.testing.explorer.wall import EPOCH
from amends.testing.explorer.worker import LEASE, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amends.testing.explorer.fate import Actor, Fate
    from amends.testing.explorer.stores import House

PAUSE = 3 * LEASE
"""Seconds that a worker stands still as a zombie."""

RESTART = 0.1
"""Seconds until a worker that is gone has a successor."""

_OFF = {faults.NOTHING: 0.0, "clock_back": -3600.0, "clock_ahead": 3600.0}
"""By how many seconds a worker's time of day is wrong."""


class Workforce:
    """Implements `fate.Team`."""

    def __init__(self, fate: Fate, house: House, hand: Loop) -> None:
        self._fate = fate
        self._house = house
        self._hand = hand
        self._workers: list[Worker] = []
        self._due: dict[str, float] = {}
        self._stores: list[Journal] = []

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers)

    @property
    def open(self) -> Worker | None:
        """A worker whose engine can be used, if there is one now."""
        return next((worker for worker in self._workers if worker.open), None)

    def enlist(self, *, client: bool = True) -> None:
        """Start a worker; with `client`, one that also starts the run. A later one's time of day may be wrong."""
        journal = Journal(self._fate, self._house.attach())
        off = _OFF[self._fate.pick("a new worker", self._fate.kinds_on("start"))] if self._workers else 0.0
        journal.worker = worker = Worker(self._fate, len(self._workers), journal, client=client, off=off)
        self._workers.append(worker)
        self._stores.append(journal)
        for due in self._due.values():  # besides, every worker looks for work as it opens
            self._look_at(due, worker)

    def bury(self) -> None:
        """Free what the workers hold, once their world has been judged."""
        for worker in self._workers:
            worker.loop.bury()

    def on(self, loop: Loop) -> Actor:
        """See `Team`."""
        return next(worker for worker in self._workers if worker.loop is loop)

    def kill(self, worker: Actor) -> None:
        """See `Team`."""
        worker.loop.kill()
        self._house.silence(self._stores[worker.number].inner)
        self._fate.tale.add(worker, "is dead")
        self._fate.messenger.come_between()
        self._hand.call_later(RESTART, self.enlist)
        self.look_soon()

    def freeze(self, worker: Actor) -> None:
        """See `Team`."""
        worker.loop.freeze()
        self._hand.call_later(LEASE, self._replace, worker)
        self._hand.call_later(PAUSE, self._thaw, worker)

    def restart(self, worker: Actor) -> None:
        """See `Team`."""

        def closed(_: object) -> None:
            worker.loop.kill()
            self._fate.messenger.come_between()
            self._hand.call_later(RESTART, self.enlist)

        self._workers[worker.number].close().add_done_callback(closed)

    def look_soon(self) -> None:
        """See `Team`."""
        self._hand.call_later(2 * WRITE, self._look)

    def look_when_due(self, run_id: str, due: float) -> None:
        """See `Team`."""
        self._due[run_id] = due
        for worker in self._workers:
            self._look_at(due, worker)

    def _look_at(self, due: float, worker: Worker) -> None:
        self._hand.call_at(max(due - EPOCH - worker.off, self._fate.clock.now) + 2 * WRITE, worker.look)

    def _replace(self, worker: Actor) -> None:
        """A worker has stood still for longer than its lease: the others take it for dead."""
        self._house.silence(self._stores[worker.number].inner)
        self._fate.messenger.come_between()
        if not any(each.alive for each in self._workers):
            self.enlist(client=False)
        self.look_soon()

    def _thaw(self, worker: Actor) -> None:
        self._house.revive(self._stores[worker.number].inner)
        self._fate.tale.add(worker, "goes on, as if no time had passed")
        worker.loop.thaw()
        self.look_soon()

    def _look(self) -> None:
        for worker in self._workers:
            worker.look()
