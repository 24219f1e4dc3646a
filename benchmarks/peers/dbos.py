"""DBOS: workflows and steps of its own, on SQLite or on Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dbos import DBOS, DBOSConfig, SetWorkflowID

from benchmarks import work
from benchmarks.peer import Order


@DBOS.step()
async def noop(number: int) -> str:
    return work.noop(number)


@DBOS.step()
async def decline() -> str:
    return work.fail()


@DBOS.step()
async def release(number: int) -> None:
    work.undo()


@DBOS.workflow()
async def many(steps: int) -> int:
    for number in range(steps):
        await noop(number)
    return steps


@DBOS.workflow()
async def undone() -> None:
    reserved: list[int] = []
    try:
        for number in range(work.STEPS - 1):
            await noop(number)
            reserved.append(number)
        await decline()
    except work.Declined:
        for number in reversed(reserved):
            await release(number)


class Peer:
    async def many(self, run: str, steps: int) -> None:
        with SetWorkflowID(run):
            await many(steps)

    async def undone(self, run: str) -> None:
        with SetWorkflowID(run):
            await undone()


@asynccontextmanager
async def opened(order: Order) -> AsyncIterator[Peer]:
    url = order.address or f"sqlite:///{order.place}/dbos.db"
    DBOS(config=DBOSConfig(name="bench", system_database_url=url, log_level="ERROR"))
    DBOS.launch()
    try:
        yield Peer()
    finally:
        DBOS.destroy()
