"""Fan-out: what an item costs beside a step, how memory stays flat, and how quickly finished items are undone."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from amends import Engine, each, saga, step
from benchmarks import gauge
from benchmarks.sagas import noop

PAGE = 1000


def numbers(items: int) -> Iterator[range]:
    """Pages of numbers, made as they are read."""
    return (range(first, min(first + PAGE, items)) for first in range(0, items, PAGE))


@step
async def take(number: int) -> int:
    return number


@take.undo
async def give_back(number: int) -> None:
    pass


@saga
async def total(items: int, limit: int) -> int:
    return await each(noop, lambda: numbers(items), limit=limit).reduce(lambda so_far, number: so_far + number, 0)


@saga
async def regretted(items: int, limit: int) -> None:
    await each(take, lambda: numbers(items), limit=limit)
    raise ValueError("all of it is undone")


async def items(path: Path, number: int, limit: int = 100) -> tuple[float, float, float]:
    """Items per second, CPU microseconds per item, and bytes of journal per item."""
    async with Engine(path, sagas=[total]) as engine:
        cpu, began = gauge.read(None).cpu, time.perf_counter()
        found = await engine.run(total(number, limit), id="fan-out")
        taken, cpu = time.perf_counter() - began, gauge.read(None).cpu - cpu
    assert found == number * (number - 1) // 2
    with sqlite3.connect(path) as db:
        size = db.execute("SELECT sum(length(body)) FROM turns").fetchone()[0]
    db.close()
    return number / taken, cpu * 1e6 / number, size / number


async def undone(path: Path, number: int, limit: int = 100) -> float:
    """Seconds from the failure of a run that fanned out until all of its items are undone, for each item that was done."""
    async with Engine(path, sagas=[regretted]) as engine:
        began = time.perf_counter()
        outcome = await (await engine.start(regretted(number, limit), id="regret")).outcome()
        taken = time.perf_counter() - began
    assert outcome.state == "compensated"
    return taken / number


async def bare(number: int, limit: int = 100) -> float:
    """Items per second of an `asyncio.TaskGroup` with a semaphore, which keeps nothing."""
    room = asyncio.Semaphore(limit)

    async def one(each: int) -> None:
        async with room:
            await noop(each)

    began = time.perf_counter()
    for page in numbers(number):
        async with asyncio.TaskGroup() as group:
            for each_ in page:
                group.create_task(one(each_))
    return number / (time.perf_counter() - began)


def memory(number: int, limit: int = 50) -> float:
    """MiB that a process needs at most for a fan-out, beyond what its engine needs when it has nothing to do."""
    command = [sys.executable, "-m", "benchmarks.fanout", str(number), str(limit)]
    return float(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


async def _grows(number: int, limit: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        async with Engine(Path(folder) / "m.db", sagas=[total]) as engine:
            await engine.run(total(1, 1), id="warm")
            idle = gauge.peak()
            await engine.run(total(number, limit), id="fan-out")
            return (gauge.peak() - idle) / 1024


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_grows(int(sys.argv[1]), int(sys.argv[2])))))
