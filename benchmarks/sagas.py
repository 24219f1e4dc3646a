"""The work that is measured: ten steps without effects, each durable before the next."""

from __future__ import annotations

from amends import saga, step


@step(no_undo="it does nothing")
async def noop(number: int) -> int:
    return number


@saga
async def ten(run: int) -> int:
    total = 0
    for number in range(10):
        total += await noop(number + run)
    return total


@saga
async def many(steps: int) -> int:
    total = 0
    for number in range(steps):
        total += await noop(number)
    return total
