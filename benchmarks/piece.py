"""One measured piece, in a process of its own: `python -m benchmarks.piece '{...}'` prints one line of JSON."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import time

from benchmarks import work, works
from benchmarks.peer import Figures, Order

WORKS = {"runs": works.runs, "undos": works.undos, "long": works.long, "latency": works.latency}


async def measure(order: Order) -> Figures:
    """Do what is ordered, and say too how long it took to import and to open."""
    work.returns(order.size)
    began = time.perf_counter()
    module = importlib.import_module(order.module)
    found = {"import_ms": (time.perf_counter() - began) * 1000}
    if not hasattr(module, "opened"):
        return {**found, **await module.measure(order)}
    began = time.perf_counter()
    async with module.opened(order) as peer:
        found["open_ms"] = (time.perf_counter() - began) * 1000
        return {**found, **await WORKS[order.work](peer, order)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(Order(**json.loads(sys.argv[1]))))), flush=True)
    os._exit(0)  # the threads of some engines do not survive an orderly end
