"""The work of the load: a bit of everything that an engine does, and no outside world."""

from __future__ import annotations

import time
from typing import Any

from amends import Retry, Saga, all_of, any_of, current, each, receive, saga, sleep, step

NAP = 0.005
"""Seconds of the durable sleeps, and of the calls in threads."""


@step
async def reserve(number: int) -> int:
    return number


@reserve.undo
async def release(number: int | None) -> None:
    pass


@step(no_undo="it only computes", retry=Retry(attempts=3, first=0.001, factor=1.0, on=ConnectionError))
async def stumble(number: int) -> int:
    """It comes about at its second attempt."""
    if current().attempt == 1:
        raise ConnectionError
    return number


@step(no_undo="it only computes")
def compute(number: int) -> int:
    """It keeps a thread busy."""
    time.sleep(NAP)
    return number * number


@step(no_undo="it never happens")
async def refuse(number: int) -> int:
    raise ValueError(number)


@saga
async def straight(number: int) -> int:
    total = 0
    for _ in range(5):
        total += await reserve(number)
    return total


@saga
async def turns_back(number: int) -> int:
    await reserve(number)
    await reserve(number)
    return await refuse(number)


@saga
async def pauses(number: int) -> int:
    await reserve(number)
    await sleep(NAP)
    return await stumble(number)


@saga
async def joins(number: int) -> int:
    first, second = await all_of(reserve(number), compute(number))
    return first + second + await any_of(reserve(number), reserve(number))


@saga
async def nests(number: int) -> int:
    return await straight(number) + await reserve(number)


@saga
async def fans_out(number: int) -> int:
    return len((await each(reserve, range(number, number + 10), limit=5)).ok)


@saga
async def waits(number: int) -> int:
    await reserve(number)
    return await receive(int)


SAGAS: tuple[Saga[[int], Any], ...] = (straight, turns_back, pauses, joins, nests, fans_out, waits)
