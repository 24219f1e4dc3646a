"""amends itself, as it ships. The variant "sync" has `def` steps, which run in threads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from amends import Compensated, Engine, saga, step
from benchmarks import work
from benchmarks.peer import Order


@step(no_undo="it does nothing")
async def noop(number: int) -> str:
    return work.noop(number)


@step(no_undo="it does nothing")
def blocking(number: int) -> str:
    return work.noop(number)


@step
async def reserve(number: int) -> str:
    return work.noop(number)


@reserve.undo
async def release(reserved: str | None) -> None:
    work.undo()


@step(no_undo="it never happens")
async def decline() -> str:
    return work.fail()


@saga
async def many(steps: int) -> int:
    for number in range(steps):
        await noop(number)
    return steps


@saga
async def many_blocking(steps: int) -> int:
    for number in range(steps):
        await blocking(number)
    return steps


@saga
async def undone(steps: int) -> None:
    for number in range(steps - 1):
        await reserve(number)
    await decline()


class Peer:
    def __init__(self, engine: Engine, variant: str) -> None:
        self._engine = engine
        self._many = many_blocking if variant == "sync" else many

    async def many(self, run: str, steps: int) -> None:
        await self._engine.run(self._many(steps), id=run)

    async def undone(self, run: str) -> None:
        try:
            await self._engine.run(undone(work.STEPS), id=run)
        except Compensated:
            return
        raise AssertionError("the run ended without being undone")


@asynccontextmanager
async def opened(order: Order) -> AsyncIterator[Peer]:
    durability = "relaxed" if order.variant == "relaxed" else "full"
    async with Engine(order.place / "runs.db", sagas=[many, many_blocking, undone], durability=durability) as engine:
        yield Peer(engine, order.variant)
