"""A process that fans out over so many items, writes each effect to an outside ledger, and may die on the way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator

from amends import Engine, Retry, current, each, saga, step
from amends.errors import TooManyFailures
from benchmarks.gauge import peak

PAGE = 1000
FRACTION = 0.01
LEDGER = os.open(os.environ.get("LEDGER", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
ANOTHER = os.getpid() if os.environ.get("BROKEN") else ""
"""Breaks the rule that the control is about: what the world sees as the key depends on the process too."""
LEFT = [int(os.environ.get("DIE_AFTER", "0"))]


def pages(items: int) -> Iterator[range]:
    return (range(first, min(first + PAGE, items)) for first in range(0, items, PAGE))


@step(no_undo="the ledger keeps all", retry=Retry(attempts=1))
async def note(number: int) -> int:
    os.write(LEDGER, f"{current().key}{ANOTHER}\n".encode())
    LEFT[0] -= 1
    if LEFT[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.sleep(0)
    return number


@step(no_undo="the ledger keeps all", retry=Retry(attempts=1))
async def fail_of_fifty(number: int) -> int:
    if number % 50 == 0:
        os.write(LEDGER, f"{current().key}\n".encode())
        raise ValueError(number)
    return number


@saga
async def summed(items: int, limit: int) -> int:
    return await each(note, lambda: pages(items), limit=limit).reduce(lambda total, number: total + number, 0)


@saga
async def given_up(items: int, limit: int, known: int) -> list[int]:
    of = range(items) if known else (lambda: pages(items))
    try:
        await each(fail_of_fifty, of, limit=limit, tolerate=FRACTION, losers="keep")
    except TooManyFailures as error:
        return [len(error.partial.failed), sum(error.partial.counts)]  # type: ignore[attr-defined]
    return []


async def main(place: str, name: str, *args: str) -> None:
    target = {"summed": summed, "given_up": given_up}[name]
    async with Engine(place, sagas=[summed, given_up], lease=2, poll=0.05) as engine:
        idle = peak()
        value = await engine.run(target(*map(int, args)), id="fan-out")  # type: ignore[operator]
        print(json.dumps({"value": value, "mib": (peak() - idle) / 1024}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
