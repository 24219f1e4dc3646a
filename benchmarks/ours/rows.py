"""How many rows amends writes for a step, and how many bytes they have."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

from benchmarks import work
from benchmarks.peer import Figures, Order
from benchmarks.peers import ours


async def measure(order: Order) -> Figures:
    """Look into the journal of so many runs of ten steps."""
    async with ours.opened(order) as peer:
        await asyncio.gather(*(peer.many(f"run-{number}", work.STEPS) for number in range(order.steps)))
    with closing(sqlite3.connect(order.place / "runs.db")) as db:
        rows, size = db.execute("SELECT count(*), avg(length(body)) FROM turns").fetchone()
    return {"rows": rows / (order.steps * work.STEPS), "size": round(size)}
