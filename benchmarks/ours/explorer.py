"""The fault explorer on a saga of four steps: every pair of faults."""

from __future__ import annotations

from benchmarks.exploration import worlds
from benchmarks.peer import Figures, Order


async def measure(order: Order) -> Figures:
    """With so many processes."""
    played, taken = worlds(order.at_once)
    return {"worlds": played, "rate": played / taken}
