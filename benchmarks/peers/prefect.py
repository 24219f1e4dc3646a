"""Prefect: flows and tasks that report to its server. As it ships no result is kept; the variant "kept" persists each.

A flow that was killed is started again from its beginning; with kept results its tasks can answer from those.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prefect import Flow, Task, flow, task
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, PREFECT_LOGGING_LEVEL, temporary_settings

from benchmarks import work
from benchmarks.peer import Order


@task
async def noop(number: int) -> str:
    return work.noop(number)


@task
async def decline() -> str:
    return work.fail()


@task
async def release(number: int) -> None:
    work.undo()


def kept(one: Task) -> Task:
    return one.with_options(persist_result=True)


def many(step: Task) -> Flow:
    @flow
    async def many(run: str, steps: int) -> int:
        for number in range(steps):
            await step(number)
        return steps

    return many


def undone(step: Task, undo: Task) -> Flow:
    @flow
    async def undone(run: str) -> None:
        reserved: list[int] = []
        try:
            for number in range(work.STEPS - 1):
                await step(number)
                reserved.append(number)
            await decline()
        except work.Declined:
            for number in reversed(reserved):
                await undo(number)

    return undone


class Peer:
    def __init__(self, variant: str) -> None:
        step, undo = (kept(noop), kept(release)) if variant == "kept" else (noop, release)
        self._many, self._undone = many(step), undone(step, undo)

    async def many(self, run: str, steps: int) -> None:
        await self._many(run, steps)

    async def undone(self, run: str) -> None:
        await self._undone(run)


@asynccontextmanager
async def opened(order: Order) -> AsyncIterator[Peer]:
    settings = {PREFECT_API_URL: order.address, PREFECT_HOME: order.folder, PREFECT_LOGGING_LEVEL: "CRITICAL"}
    with temporary_settings(settings):
        yield Peer(order.variant)
