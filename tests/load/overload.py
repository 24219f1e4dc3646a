"""Ten times what fits: the rest waits in the store and takes no memory, and callers who are too many at once are told so."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from amends import Engine, saga, step
from amends.errors import Overloaded
from tests.load.gauge import Reading, read

TIMES = 10


class Gate:
    """What holds up all calls; `waiting` is how many it has held up."""

    opened: asyncio.Event
    waiting = 0


@step(no_undo="it does nothing")
async def pass_through(number: int) -> int:
    Gate.waiting += 1
    await Gate.opened.wait()
    return number


@saga
async def passes(number: int) -> int:
    return await pass_through(number)


@dataclass
class Overload:
    """What came of it. `refused` counts starts that were refused at first; readings are of an idle engine, of one in which as
    much is at work as fits, with ten times that, and after."""

    refused: int = 0
    done: int = 0
    at_work: int = 0
    readings: list[Reading] = field(default_factory=list[Reading])


async def overload(path: Path, fits: int) -> Overload:
    """Let as many runs as fit come, then ten times as many, from as many callers at once; let them through, and wait."""
    came = Overload()
    Gate.opened, Gate.waiting = asyncio.Event(), 0
    async with Engine(path, sagas=[passes], max_runs=fits, max_pending=fits, max_steps=2 * fits) as engine:
        came.readings.append(read(path))
        for numbers in (range(fits), range(fits, TIMES * fits)):
            await asyncio.create_task(_start(engine, numbers, came))
            while Gate.waiting < fits:
                await asyncio.sleep(0.01)
            came.readings.append(read(path))
        came.at_work = Gate.waiting
        Gate.opened.set()
        for number in range(TIMES * fits):
            came.done += await engine.get(f"r{number}").result() == number
        came.readings.append(read(path))
    return came


async def _start(engine: Engine, numbers: range, came: Overload) -> None:
    """More callers than may wait at once; one who is refused asks again."""
    left = iter(numbers)

    async def caller() -> None:
        for number in left:
            while not await _admitted(engine, number):
                came.refused += 1
                await asyncio.sleep(0.01)

    await asyncio.gather(*(caller() for _ in range(2 * len(numbers) // TIMES)))


async def _admitted(engine: Engine, number: int) -> bool:
    try:
        await engine.start(passes(number), id=f"r{number}")
    except Overloaded:
        return False
    return True
