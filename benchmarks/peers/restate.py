"""Restate: a service of handlers whose steps the server journals, called through the server's ingress."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
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
    def __init__(self, ingress: aiohttp.ClientSession, url: str) -> None:
        self._ingress, self._url = ingress, url

    async def many(self, run: str, steps: int) -> None:
        await self._call("many", run, steps)

    async def undone(self, run: str) -> None:
        await self._call("undone", run, work.STEPS)

    async def _call(self, name: str, run: str, argument: Any) -> None:
        call = self._ingress.post(f"{self._url}/bench/{name}", json=argument, headers={"idempotency-key": run})
        async with call as answer:
            answer.raise_for_status()
            await answer.read()


@asynccontextmanager
async def opened(order: Order) -> AsyncIterator[Peer]:
    calls, admin = order.address.split()
    config = Config()
    config.bind = [f"127.0.0.1:{work.free_port()}"]
    config.h2_max_concurrent_streams = config.keep_alive_max_requests = 2**31 - 1  # as Restate's guide to serving has it
    config.loglevel = "ERROR"
    ended = asyncio.Event()
    serving = asyncio.create_task(serve(restate.app([service]), config, shutdown_trigger=ended.wait))
    patience = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=patience) as session:
        await _register(session, admin, f"http://{config.bind[0]}")
        yield Peer(session, calls)
    ended.set()
    await serving


async def _register(session: aiohttp.ClientSession, admin: str, service_url: str) -> None:
    for _ in range(100):
        async with session.post(f"{admin}/deployments", json={"uri": service_url, "force": True}) as answer:
            if answer.ok:
                return
        await asyncio.sleep(0.1)
    answer.raise_for_status()
