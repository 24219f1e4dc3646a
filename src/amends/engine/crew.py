"""What all runs of one engine share: the store, the clock, the limits, and who waits for whom."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from amends.engine import noloop
from amends.engine.berths import Berths
from amends.engine.line import Line
from amends.engine.threads import Threads
from amends.engine.trouble import Trouble
from amends.model import chunk
from amends.model.machine import Machine
from amends.model.records import CLOSED
from amends.stores.port import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Callable

    from amends.model.records import State
    from amends.model.saga import Saga
    from amends.stores.port import Run, Store


TOLD: frozenset[State] = frozenset({*CLOSED, "needs_attention"})
"""States that those who wait for a run are told of."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How a run stands, as it was just made durable here; `cause` is the exception itself, if it was raised here."""

    state: State
    outcome: bytes | None
    cause: BaseException | None = None


class Limits(NamedTuple):
    """How much one engine does at once; see `Engine`."""

    max_runs: int
    max_steps: int
    max_pending: int
    threads: int


class Driver(Protocol):
    """Drives one run of this process."""

    row: Run
    state: State
    returned: bool
    """Whether the saga's value is durable; the run may still wait for what its losers do."""

    @property
    def at_rest(self) -> bool:
        """Whether nothing is in flight, neither calls nor writes."""
        ...

    def turn(self) -> Callable[[], None] | None:
        """Decide about the facts at hand, and say how that is written; this must not need the event loop."""
        ...

    def look_for_mail(self) -> None:
        """Fetch what was posted to the run."""
        ...

    def give_room(self) -> None:
        """Leave memory, if all that is to come is what nested runs do."""
        ...

    def pause(self) -> None:
        """Let go of the run; whoever takes over goes on."""
        ...


class Crew:
    """The open engine's inside. `runners` are the runs that this process drives right now."""

    def __init__(
        self,
        store: Store,
        *,
        sagas: dict[str, Saga[..., Any]],
        namespace: str,
        worker: str,
        wall: Callable[[], float],
        limits: Limits,
        drive: bool,
    ) -> None:
        self.store = store
        self.sagas = sagas
        self.namespace = namespace
        self.worker = worker
        self.loop = asyncio.get_running_loop()
        self.max_runs = limits.max_runs
        self.berths = Berths(limits.max_steps)
        self.seats = Berths(limits.threads)
        self.line = Line(limits.max_pending)
        self.threads = Threads()
        self.runners: dict[str, Driver] = {}
        self.drive = drive
        self.starting: set[str] = set()
        self.coming: dict[str, Run] = {}
        self.unsure = False
        self.trouble = Trouble(self.loop.time)
        self.pausing = False
        self.wake = asyncio.Event()
        self.adopt: Callable[[Run, float], None] = _nobody
        self._ready: list[Driver] = []
        self._watchers: dict[str, set[asyncio.Future[Seen | None]]] = {}
        self._clock = self.loop.time
        self._anchor = wall() - self._clock()

    def now(self) -> float:
        """Seconds since the epoch. Set once and carried on by the loop's clock, so a jump of the wall clock stalls nobody."""
        return self._anchor + self._clock()

    def slots(self) -> int:
        """How many more runs may be driven here."""
        taken = len(self.runners) + len(self.starting) + len(self.coming)
        return 0 if self.pausing or not self.drive else max(0, self.max_runs - taken)

    def drives(self, row: Run) -> bool:
        """Whether the run is driven here since this claim of it, or since a later one."""
        driver = self.runners.get(row.id)
        return driver is not None and driver.row.epoch >= row.epoch

    def make_room(self) -> None:
        """Let runs that only wait for nested ones leave memory: others wait for a place, perhaps those nested ones."""
        for runner in list(self.runners.values()):
            runner.give_room()

    def machine(self, row: Run) -> Machine:
        """A fresh machine for a run of one of this engine's sagas."""
        return Machine(
            self._saga(row.saga),
            row.id,
            row.input,
            seed=row.seed,
            namespace=self.namespace,
            sagas=self.sagas,
            owned=row.parent is not None,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Whose runs it may claim: its sagas', their fan-outs' chunks, and damaged ones, to set them aside."""
        return (DAMAGED, *self.sagas, *(name + chunk.NAME for name in self.sagas))

    def _saga(self, name: str) -> Saga[..., Any]:
        root = name.removesuffix(chunk.NAME)
        return self.sagas[name] if root == name else chunk.Chunk(root)

    def turn_soon(self, driver: Driver) -> None:
        """Let a run take its turn: all that are ready take theirs in one go, so that they share a commit."""
        if not self._ready:
            self.loop.call_soon(self._take_turns)
        self._ready.append(driver)

    def _take_turns(self) -> None:
        ready, self._ready = self._ready, []
        for write in noloop.call(_turns, ready):
            if write is not None:
                write()

    def doubt(self) -> None:
        """The store's answer was lost: this worker may have been given runs without hearing of it. Recovery finds out."""
        self.unsure = True
        self.wake.set()

    async def watch(self, run_id: str) -> Seen | None:
        """Wait until the run, driven here, has its value, closes or needs a person; or is let go of: None."""
        future: asyncio.Future[Seen | None] = self.loop.create_future()
        watching = self._watchers.setdefault(run_id, set())
        watching.add(future)
        try:
            return await future
        finally:
            watching.discard(future)  # whoever gives up is not remembered for as long as the run is driven

    def dismiss(self, run_id: str) -> None:
        """Tell those who watch a run that it is not driven here any more."""
        self.announce(run_id, None)

    def announce(self, run_id: str, seen: Seen | None) -> None:
        """Tell those who watch a run that there is something to see."""
        for future in self._watchers.pop(run_id, ()):
            if not future.done():
                future.set_result(seen)

    def poke(self, run_id: str) -> None:
        """There is mail for a run: its driver looks at once, or somebody claims it."""
        runner = self.runners.get(run_id)
        if runner is not None:
            runner.look_for_mail()
        else:
            self.wake.set()


def _turns(drivers: list[Driver]) -> list[Callable[[], None] | None]:
    return [driver.turn() for driver in drivers]


def _nobody(row: Run, delay: float) -> None:
    """Until recovery is at work, nobody takes up a run again."""
