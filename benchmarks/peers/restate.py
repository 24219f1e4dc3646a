"""Restate: a service of handlers whose steps the server journals, called through the server's ingress."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import restate
from hypercorn.asyncio import serve
from hypercorn.config import Config

from benchmarks import work
from benchmarks.peer import Order

service = restate.Service("bench")


@service.handler()
async def many(ctx: restate.Context, steps: int) -> int:
    for number in range(steps):
        await ctx.run_typed("noop", work.noop, number=number)
    return steps


@service.handler()
async def undone(ctx: restate.Context, wanted: int) -> None:
    reserved: list[int] = []
    try:
        for number in range(wanted - 1):
            await ctx.run_typed("noop", work.noop, number=number)
            reserved.append(number)
        await ctx.run_typed("decline", decline)
    except restate.TerminalError:
        for _ in reversed(reserved):
            await ctx.run_typed("release", work.undo)


def decline() -> str:
    """A failure that is not tried again, in Restate's words."""
    try:
        return work.fail()
    except work.Declined as declined:
        raise restate.TerminalError(str(declined)) from declined


class Peer:
    def __init__(self, ingress: httpx.AsyncClient) -> None:
        self._ingress = ingress

    async def many(self, run: str, steps: int) -> None:
        await self._call("many", run, steps)

    async def undone(self, run: str) -> None:
        await self._call("undone", run, work.STEPS)

    async def _call(self, name: str, run: str, argument: Any) -> None:
        answer = await self._ingress.post(f"/bench/{name}", json=argument, headers={"idempotency-key": run})
        answer.raise_for_status()


@asynccontextmanager
async def opened(order: Order) -> AsyncIterator[Peer]:
    calls, admin = order.address.split()
    config = Config()
    config.bind = [f"127.0.0.1:{work.free_port()}"]
    config.h2_max_concurrent_streams = config.keep_alive_max_requests = 2**31 - 1  # as Restate's guide to serving has it
    config.loglevel = "ERROR"
    ended = asyncio.Event()
    serving = asyncio.create_task(serve(restate.app([service]), config, shutdown_trigger=ended.wait))
    limits = httpx.Limits(max_connections=order.at_once)
    async with httpx.AsyncClient(timeout=None, limits=limits) as client:
        await _register(client, admin, f"http://{config.bind[0]}")
    async with httpx.AsyncClient(base_url=calls, timeout=None, limits=limits) as ingress:
        yield Peer(ingress)
    ended.set()
    await serving


async def _register(client: httpx.AsyncClient, admin: str, service_url: str) -> None:
    for _ in range(100):
        answer = await client.post(f"{admin}/deployments", json={"uri": service_url, "force": True})
        if answer.is_success:
            return
        await asyncio.sleep(0.1)
    answer.raise_for_status()
