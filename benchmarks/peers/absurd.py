"""Absurd: tasks with steps in Postgres; workers claim them by polling, and whoever waits for a task polls for its end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from absurd_sdk import AsyncAbsurd, AsyncTaskContext

from benchmarks import work
from benchmarks.peer import Order

WORKERS = 8
"""A worker has one connection, which does one thing at a time; more workers let Postgres share its commits."""
POLL = 0.01
"""Seconds between looks for new tasks: quicker than the 0.25 that it ships with."""


async def noop() -> str:
    return work.noop(0)


async def decline() -> str:
    return work.fail()


async def release() -> None:
    work.undo()


async def many(params: Any, ctx: AsyncTaskContext) -> int:
    for number in range(params["steps"]):
        await ctx.step(f"noop-{number}", noop)
    return int(params["steps"])


async def undone(params: Any, ctx: AsyncTaskContext) -> None:
    reserved: list[int] = []
    try:
        for number in range(params["steps"] - 1):
            await ctx.step(f"reserve-{number}", noop)
            reserved.append(number)
        await ctx.step("decline", decline)
    except work.Declined:
        for number in reversed(reserved):
            await ctx.step(f"release-{number}", release)


class Peer:
    def __init__(self, clients: list[AsyncAbsurd]) -> None:
        self._clients = clients

    async def many(self, run: str, steps: int) -> None:
        await self._run("many", run, steps)

    async def undone(self, run: str) -> None:
        await self._run("undone", run, work.STEPS)

    async def _run(self, task: str, run: str, steps: int) -> None:
        client = self._clients[hash(run) % len(self._clients)]
        spawned = await client.spawn(task, {"steps": steps}, queue="default", idempotency_key=run)
        found = await client.await_task_result(spawned["task_id"])
        assert found.state == "completed", found


@asynccontextmanager
async def opened(order: Order) -> AsyncIterator[Peer]:
    if not _control(order, "create-queue", "default"):
        assert _control(order, "init"), "Absurd's schema cannot be made"
        assert _control(order, "create-queue", "default"), "no queue can be made"
    workers = [AsyncAbsurd(order.address) for _ in range(min(WORKERS, order.at_once))]
    clients = [AsyncAbsurd(order.address) for _ in workers]
    for client in clients:
        await client.list_queues()  # it connects now: many first calls together would open a connection each
    working = []
    for number, worker in enumerate(workers):
        worker.register_task("many")(many)
        worker.register_task("undone")(undone)
        share = -(-order.at_once // len(workers))
        working.append(asyncio.create_task(worker.start_worker(f"worker-{number}", concurrency=share, poll_interval=POLL)))
    yield Peer(clients)
    for worker in workers:
        worker.stop_worker()
    await asyncio.gather(*working)
    for open_one in (*workers, *clients):
        await open_one.close()


def _control(order: Order, *command: str) -> bool:
    """Whether a command of Absurd's own succeeds."""
    control = Path(sys.executable).parent / "absurdctl"
    return subprocess.run([str(control), *command, "--database", order.address], capture_output=True).returncode == 0
