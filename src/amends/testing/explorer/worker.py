"""A worker of a simulated world: an engine as it ships, in an event loop of its own, that can be killed or stand still."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from amends.engine.engine import Engine
from amends.errors import AmendsError, EngineClosed, LetterSettled, RunClosed, StoreError, UnknownRun
from amends.testing.clock import Loop, Pace
from amends.testing.explorer import wall
from amends.testing.explorer.lockstep import Threads
from amends.testing.explorer.scenario import RUN
from amends.testing.explorer.wall import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from amends.model.effect import Effect
    from amends.stores.port import Store
    from amends.testing.explorer.fate import Fate

LEASE = 15.0
"""Seconds without a sign of life after which a worker may lose its runs."""

NEVER = 1e12
"""Seconds between polls: a simulated worker looks when there is something to see, however long that takes."""


class Worker:
    """One process. With `client`, it also starts the run, again after every crash, as users are told to.

    `off` is by how many seconds its time of day is wrong.
    """

    def __init__(self, fate: Fate, number: int, store: Store, *, client: bool, off: float = 0.0) -> None:
        self.number = number
        self.off = off
        self.loop = Loop(fate.clock)
        self._fate = fate
        self._client = client
        self.engine = Engine(
            store,
            sagas=fate.scenario.by_name.values(),
            namespace="explored",
            lease=LEASE,
            poll=NEVER,
            wall=self.wall,
            luck=fate.luck,
        )
        self.loop.create_task(self._live())

    def __repr__(self) -> str:
        return f"worker {self.number}"

    @property
    def alive(self) -> bool:
        """Whether it runs now."""
        return self.loop.pace is Pace.RUNS

    @property
    def open(self) -> bool:
        """Whether its engine is open."""
        return self.alive and self.engine._open is not None

    def wall(self) -> float:
        """Its time of day."""
        return EPOCH + self.off + self._fate.clock.now

    async def _live(self) -> None:
        wall.enter(self.wall)  # also for all that it begins
        await self.engine.__aenter__()
        crew = self.engine._crew
        crew.threads = Threads(self._fate)  # type: ignore[assignment]
        while self._client:
            try:
                await self.engine.start(self._fate.scenario.call, id=RUN)
            except EngineClosed:
                return  # it is being shut down, and its successor goes on
            except StoreError:
                await asyncio.sleep(1)
            except AmendsError as refused:
                self._fate.refuse(refused)
                return
            else:
                return

    def look(self) -> None:
        """Look for work, as the poll would."""
        crew = self.engine._open if self.alive else None
        if crew is not None:
            crew.wake.set()

    def close(self) -> asyncio.Task[Any]:
        """Shut down in order."""
        return self.loop.create_task(self.engine.__aexit__(None, None, None))

    def act(self, does: Callable[[Engine], Coroutine[Any, Any, Any]], done: Callable[[], None] | None = None) -> None:
        """Let somebody use this worker's engine from outside of any run."""

        async def acting() -> None:
            try:
                await does(self.engine)
            except (RunClosed, UnknownRun, LetterSettled):
                pass  # it ended in the meantime, or never began: there is nothing to ask of it
            except (EngineClosed, StoreError):
                return  # it is asked again, of another worker
            except AmendsError as refused:
                self._fate.refuse(refused)
                return
            if done is not None:
                done()

        self.loop.create_task(acting())

    def cancel(self) -> None:
        """Let somebody cancel the run."""
        self.act(lambda engine: engine.cancel(RUN, by="operator", reason="explored"))

    def effect(self, key: str | None) -> Effect | None:
        """The effect with this key, if this worker drives its run now."""
        effects = (effect for runner in self._runners() for effect in runner.machine.effects.values())
        return next((effect for effect in effects if effect.key == key), None)

    def deadline(self) -> float | None:
        """The last instant by the clock for which a run or a join that this worker drives waits; None if there is none."""
        latest = 0.0
        for runner in self._runners():
            machine = runner.machine
            for pos, until in machine.timers.items():
                if until > latest and pos not in machine.effects:
                    latest = until
        return latest - EPOCH - self.off if latest else None

    def in_flight(self) -> int:
        """How many calls are under way."""
        return sum(len(runner._flights) for runner in self._runners())

    def _runners(self) -> list[Any]:
        crew = self.engine._open
        return [] if crew is None else list(crew.runners.values())
