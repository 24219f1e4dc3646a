"""A long run costs the same for each step, from the first to the last, forwards and backwards: counted in calls."""

from __future__ import annotations

import sys
from typing import Any

from amends.model import records as r
from amends.model.machine import Machine
from tests.model import shop


def calls_of(steps: int) -> int:
    """How many Python calls a run of so many steps takes, with the undo of all of them."""
    count = 0

    def counted(*_: Any) -> None:
        nonlocal count
        count += 1

    machine = Machine(shop.reserves, "run", b'{"times":%d}' % steps, seed=b"", namespace="")
    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        machine.receive(r.Started(0.0))
        for pos in range(1, steps + 1):
            machine.receive(r.StepDone(0.0, pos, 1, r.Raw(b'"h"')))
        for pos in range(steps, 0, -1):
            machine.receive(r.UndoDone(0.0, pos, 1))
    finally:
        sys.setprofile(before)
    assert machine.state == "compensated"
    return count


def test_calls_grow_with_the_steps_and_no_faster() -> None:
    calls_of(10)
    assert calls_of(4000) < calls_of(400) * 10.5
