"""What a turn takes within the machine alone, without a store."""

from __future__ import annotations

import time

from amends.model import records as r
from amends.model.machine import Machine
from benchmarks.peer import Figures, Order
from benchmarks.peers.ours import many


async def measure(order: Order) -> Figures:
    """Microseconds a turn, over a run of so many steps."""
    machine = Machine(many, "m", b'{"steps":%d}' % order.steps, seed=b"", namespace="")
    machine.receive(r.Started(0.0))
    began = time.perf_counter()
    for pos in range(1, order.steps + 1):
        machine.receive(r.StepDone(0.0, pos, 1, r.Raw(b'""')))
    return {"turn_us": (time.perf_counter() - began) / order.steps * 1e6}
