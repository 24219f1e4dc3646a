"""R: a worker dies by `kill -9` in the middle of many runs, and the next one finishes them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict

from benchmarks import work
from benchmarks.peer import Figures, Order
from benchmarks.peers import ours


async def measure(order: Order) -> Figures:
    """So many runs of ten steps are killed when half of their steps are done."""
    done = subprocess.run([sys.executable, "-m", __name__, json.dumps(asdict(order))], capture_output=True, text=True)
    if done.returncode != -signal.SIGKILL:
        raise RuntimeError(f"the worker was to be killed: {done.stderr}")
    began = time.perf_counter()
    async with ours.opened(order) as peer:
        ready = time.perf_counter() - began
        await asyncio.gather(*(peer.many(f"run-{number}", work.STEPS) for number in range(order.steps)))
    taken = time.perf_counter() - began
    return {"ready_ms": ready * 1000, "turn_rate": _left(order) / taken}


def _left(order: Order) -> int:
    """Turns that the second worker had to write: all of them, less those that the first one had written."""
    with closing(sqlite3.connect(order.place / "runs.db")) as db:
        turns = db.execute("SELECT count(*) FROM turns").fetchone()[0]
    return int(turns) - int((order.place / "written").read_text())


async def _until_killed(order: Order) -> None:
    async with ours.opened(order) as peer:
        runs = [asyncio.create_task(peer.many(f"run-{number}", work.STEPS)) for number in range(order.steps)]
        while len(work.ticks) < order.steps * work.STEPS // 2:
            await asyncio.sleep(0)
        with closing(sqlite3.connect(order.place / "runs.db")) as db:
            written = db.execute("SELECT count(*) FROM turns").fetchone()[0]
        (order.place / "written").write_text(str(written))
        os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.wait(runs)


if __name__ == "__main__":
    asyncio.run(_until_killed(Order(**json.loads(sys.argv[1]))))
