"""The life of a worker in a storm: it opens the store, starts runs, drives what it finds, and does not expect to end well."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from amends import Engine
from amends.errors import LeaseLost, RunClosed
from amends.stores.sqlite import SQLiteStore
from tests.storms.ledger import Ledger, append
from tests.storms.rules import Rule, switch_off
from tests.storms.sagas import ALL, Outside

if TYPE_CHECKING:
    from amends.stores.port import Change, Durability

SWITCH = 0.0005
"""Seconds after which one thread of a worker makes way for another; Python's own 5 ms is a whole life here."""

LONGEST_CALL = 0.004
"""Seconds that a call is on its way to the world at most, and as long again on its way back."""

OPEN = ("running", "compensating")


@dataclass(frozen=True)
class Place:
    """Where everything is that workers share."""

    folder: Path
    lease: float
    durability: Durability

    @property
    def store(self) -> Path:
        """The SQLite file."""
        return self.folder / "storm.db"

    @property
    def pages(self) -> Path:
        """The ledger's folder."""
        return self.folder / "ledger"

    @property
    def acknowledged(self) -> Path:
        """The ids of the runs that somebody was told are durable, once there are any."""
        return self.folder / "acknowledged"

    @property
    def log(self) -> Path:
        """What workers complain of."""
        return self.folder / "workers.log"


@dataclass(frozen=True)
class Halt:
    """Where the worker sends itself a signal: in the call of this number just before the effect or just after it, or when
    it is about to write that it gives up a run that waits."""

    call: int
    moment: Literal["before", "after", "giving up"]
    signal: signal.Signals


@dataclass(frozen=True)
class Life:
    """What a worker is told at its birth: `wall` is how many seconds its clock is off, `most_open` how many runs are
    enough; `starts` are the sagas of the runs that it starts; `tells` means that it sends a message to all that wait for one,
    and `last` that it stays until all runs have ended."""

    number: int
    seed: int
    wall: float = 0.0
    starts: tuple[str, ...] = ()
    most_open: int = 1
    max_runs: int = 8
    halt: Halt | None = None
    off: Rule | None = None
    hurry: bool = False
    tells: bool = False
    last: bool = False


class Board:
    """What a worker shows to the one that bore it: shared memory, with a place for each birth."""

    def __init__(self, shown: memoryview, number: int) -> None:
        self._shown, self._at = shown, 2 * number % len(shown)

    def clear(self) -> None:
        """Nothing is known yet."""
        self._shown[self._at] = self._shown[self._at + 1] = 0

    @property
    def is_tied(self) -> bool:
        """Whether it ends when the one that bore it does; one that is stopped before could outlive it."""
        return self._shown[self._at] > 0

    @property
    def is_open(self) -> bool:
        """Whether it has opened the store."""
        return self._shown[self._at] > 1

    @property
    def refused(self) -> int:
        """How many of its writes were refused, because others drive its runs; 255 means that many or more."""
        return self._shown[self._at + 1]

    def say_tied(self) -> None:
        """It will end with the one that bore it."""
        self._shown[self._at] = 1

    def say_open(self) -> None:
        """The store is open."""
        self._shown[self._at] = 2

    def say_refused(self) -> None:
        """One more write was refused."""
        self._shown[self._at + 1] = min(255, self._shown[self._at + 1] + 1)


class Watched(SQLiteStore):
    """The store as it is, and a count of what it refuses."""

    board: Board
    halt: Halt | None

    def commit(self, change: Change) -> asyncio.Future[None]:
        """See `Store.commit`."""
        if self.halt is not None and self.halt.moment == "giving up" and change.turn is None:
            os.kill(os.getpid(), self.halt.signal)
        done = super().commit(change)
        done.add_done_callback(self._look)
        return done

    def _look(self, done: asyncio.Future[None]) -> None:
        if not done.cancelled() and isinstance(done.exception(), LeaseLost):
            self.board.say_refused()


def live(place: Place, life: Life, board: Board) -> None:
    """A whole life."""
    sys.setswitchinterval(SWITCH)
    if life.off is not None:
        switch_off(life.off)
    Outside.ledger = Ledger(place.pages)
    Outside.on_the_way = _travel(life)  # type: ignore[assignment]
    asyncio.run(_work(place, life, board))


async def _work(place: Place, life: Life, board: Board) -> None:
    store = Watched(place.store, durability=place.durability)
    store.board, store.halt = board, life.halt
    async with Engine(
        store,
        sagas=ALL,
        max_runs=life.max_runs,
        lease=place.lease,
        poll=place.lease / 8,
        wall=lambda: time.time() + life.wall,
    ) as engine:
        board.say_open()
        await _start(engine, place, life)
        if life.tells:  # whoever started them may have died before it told them
            for row in await engine.list(states=OPEN, sagas=["told"], limit=1000):
                await _tell(engine, row.id)
        while not life.last or await _anything_left(engine):
            await asyncio.sleep(place.lease / 8)


async def _start(engine: Engine, place: Place, life: Life) -> None:
    """Start runs, as long as there are not enough, and say of each that it is acknowledged."""
    there = await engine.list(states=OPEN, roots=True, limit=life.most_open) if life.starts else ()
    by_name = {saga.name: saga for saga in ALL}
    for number, name in enumerate(life.starts[: life.most_open - len(there)]):
        run = f"{name}-{life.number}-{number}"
        await engine.start(by_name[name](), id=run)
        append(place.acknowledged, f"{run}\n")
        if name == "told" and not life.hurry:
            await _tell(engine, run)


async def _tell(engine: Engine, run: str) -> None:
    """Send a run the message that it waits for, unless others were first."""
    try:
        await engine.tell(run, "go")
    except RunClosed:
        return


async def _anything_left(engine: Engine) -> bool:
    """Whether any run is open. A call that cost ten workers their lives is an operator's: it is tried once more."""
    for letter in await engine.dlq.list():
        await engine.dlq.retry(letter.id, by="storm", note="the storm is over")
    return bool(await engine.list(states=(*OPEN, "needs_attention"), limit=1))


def _travel(life: Life) -> object:
    """What happens to a call on its way: time passes, or the worker stops or dies."""
    luck = random.Random(life.seed)
    calls = 0

    async def on_the_way(moment: str) -> None:
        nonlocal calls
        if not life.hurry:
            await asyncio.sleep(luck.uniform(0.0, LONGEST_CALL))
        calls += moment == "before"
        halt = life.halt
        if halt is not None and (calls, moment) == (halt.call, halt.moment):
            os.kill(os.getpid(), halt.signal)

    return on_the_way
