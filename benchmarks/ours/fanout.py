"""W3: a fan-out over very many items, beside `asyncio.TaskGroup`, which keeps nothing."""

from __future__ import annotations

from benchmarks import fanout
from benchmarks.peer import Figures, Order


async def measure(order: Order) -> Figures:
    """So many items, so many of them in flight."""
    rate, cpu, size = await fanout.items(order.place / "items.db", order.steps, order.at_once)
    undone = await fanout.undone(order.place / "undone.db", order.steps // 10, order.at_once)
    return {
        "rate": rate,
        "cpu": cpu,
        "body": size,
        "bare_rate": await fanout.bare(order.steps, order.at_once),
        "undone_us": undone * 1e6,
        "memory_mib": fanout.memory(order.steps, order.at_once),
    }
