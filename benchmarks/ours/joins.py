"""What a join of three branches costs beside the same three steps in sequence."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from amends import Engine, Saga, all_of, saga
from benchmarks.peer import Figures, Order
from benchmarks.peers.ours import noop


@saga
async def in_sequence() -> None:
    for number in range(3):
        await noop(number)


@saga
async def joined() -> None:
    await all_of(noop(0), noop(1), noop(2))


async def measure(order: Order) -> Figures:
    """Seconds of so many runs of each kind, so many at once."""
    async with Engine(order.place / "runs.db", sagas=[in_sequence, joined]) as engine:
        return {"joined": await _runs(engine, joined, order), "in_sequence": await _runs(engine, in_sequence, order)}


async def _runs(engine: Engine, kind: Saga[[], Any], order: Order) -> float:
    left = iter(range(order.steps))

    async def caller() -> None:
        for number in left:
            await engine.run(kind(), id=f"{kind.name}-{number}")

    await engine.run(kind(), id=f"{kind.name}-warm")
    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(order.at_once)))
    return time.perf_counter() - began
