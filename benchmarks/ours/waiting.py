"""W5: very many runs that sleep: the memory they take, what one more costs, and how long it takes to wake them all."""

from __future__ import annotations

import asyncio
import time

from amends import Engine, saga, sleep
from benchmarks import gauge
from benchmarks.peer import Figures, Order

DAY = 86_400.0
AT_ONCE = 1000


@saga
async def parked() -> None:
    await sleep(DAY)


async def measure(order: Order) -> Figures:
    """So many runs are put to sleep for a day; then an engine is opened a day later."""
    path, used = order.place / "runs.db", dict[str, float]()
    async with Engine(path, sagas=[parked]) as engine:
        used["one_before_us"] = await _one_more(engine, "before")
        empty, began = gauge.memory(None), time.perf_counter()
        await _start(engine, order.steps)
        used["parked_rate"] = order.steps / (time.perf_counter() - began)
        used["bytes"] = (gauge.memory(None) - empty) / order.steps
        used["one_after_us"] = await _one_more(engine, "after")
    return {**used, **await _wake(order)}


async def _start(engine: Engine, number: int) -> None:
    left = iter(range(number))

    async def caller() -> None:
        for run in left:
            await engine.start(parked(), id=f"run-{run}")

    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))


async def _one_more(engine: Engine, name: str, times: int = 50) -> float:
    """Microseconds to start a run that sleeps, the median of a few."""
    taken = []
    for number in range(times):
        began = time.perf_counter()
        await engine.start(parked(), id=f"{name}-{number}")
        taken.append(time.perf_counter() - began)
    return sorted(taken)[times // 2] * 1e6


async def _wake(order: Order) -> dict[str, float]:
    """All of them are due when this engine opens."""
    async with Engine(order.place / "runs.db", sagas=[parked], wall=lambda: time.time() + DAY + 60) as engine:
        began = time.perf_counter()
        while left := await engine.list(states=["running"], limit=1):  # the newest, which is the last to be woken
            await engine.get(left[0].id).outcome()
        return {"wake_rate": order.steps / (time.perf_counter() - began)}
