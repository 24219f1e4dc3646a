"""A worker of the demo: a process that drives orders until it is told to pause, or killed."""

from __future__ import annotations

import asyncio
import signal
import sys

from amends import Engine
from amends.ops.demo.lifeline import end_with_the_demo
from amends.ops.demo.orders import place_order


async def work(store: str) -> None:
    """Drive orders until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Engine(store, sagas=[place_order], max_runs=12, lease=5, poll=0.05):
        await stop.wait()


if __name__ == "__main__":
    end_with_the_demo()
    asyncio.run(work(sys.argv[1]))
