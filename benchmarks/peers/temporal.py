"""Temporal: workflows and activities through a server.

The variant "local" has its steps as local activities, which are Temporal's own way to be quick.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from benchmarks import work
from benchmarks.peer import Order

LIMIT = timedelta(seconds=60)


@activity.defn
async def noop(number: int) -> str:
    return work.noop(number)


@activity.defn
async def decline() -> str:
    try:
        return work.fail()
    except work.Declined as declined:
        raise ApplicationError(str(declined), non_retryable=True) from declined


@activity.defn
async def release(number: int) -> None:
    work.undo()


@workflow.defn
class Many:
    @workflow.run
    async def run(self, steps: int, local: bool) -> int:
        perform = workflow.execute_local_activity if local else workflow.execute_activity
        for number in range(steps):
            await perform(noop, number, start_to_close_timeout=LIMIT)
        return steps


@workflow.defn
class Undone:
    @workflow.run
    async def run(self, steps: int, local: bool) -> None:
        perform = workflow.execute_local_activity if local else workflow.execute_activity
        reserved: list[int] = []
        try:
            for number in range(steps - 1):
                await perform(noop, number, start_to_close_timeout=LIMIT)
                reserved.append(number)
            await perform(decline, start_to_close_timeout=LIMIT)
        except FailureError:
            for number in reversed(reserved):
                await perform(release, number, start_to_close_timeout=LIMIT)


class Peer:
    def __init__(self, client: Client, local: bool) -> None:
        self._client, self._local = client, local

    async def many(self, run: str, steps: int) -> None:
        await self._client.execute_workflow(Many.run, args=[steps, self._local], id=run, task_queue="bench")

    async def undone(self, run: str) -> None:
        await self._client.execute_workflow(Undone.run, args=[work.STEPS, self._local], id=run, task_queue="bench")


@asynccontextmanager
async def opened(order: Order) -> AsyncIterator[Peer]:
    logging.disable(logging.WARNING)
    client = await Client.connect(order.address)
    worker = Worker(
        client,
        task_queue="bench",
        workflows=[Many, Undone],
        activities=[noop, decline, release],
        workflow_runner=UnsandboxedWorkflowRunner(),  # the sandbox costs, and guards what is not measured here
        max_concurrent_activities=max(100, order.at_once),
        max_concurrent_workflow_tasks=max(100, order.at_once),
        max_concurrent_local_activities=max(100, order.at_once),
    )
    async with worker:
        yield Peer(client, order.variant == "local")
