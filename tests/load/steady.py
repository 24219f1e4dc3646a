"""A steady load: callers who each start a run, wait for its end, and start the next one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from amends import Compensated, Engine
from amends.model.records import OPEN
from tests.load.gauge import Reading, read
from tests.load.sagas import SAGAS, waits

CALLERS = 20

THREADS = 4
"""Threads for `def` steps."""

MOST_THREADS = THREADS + 3
"""These, the one that writes, the one that reads, and the event loop's own."""

MOST_LOG = 16 << 20
"""Bytes of the write-ahead log: SQLite begins it anew when it has about 4 MiB, if nobody reads just then."""


async def load(path: Path, rounds: Iterator[Iterator[int]], pause: float = 0.0) -> tuple[list[Reading], Counter[str]]:
    """Do rounds of runs in one engine; what it takes of the machine after each of them, and how the runs ended."""
    readings: list[Reading] = []
    ends: Counter[str] = Counter()
    async with Engine(path, sagas=SAGAS, threads=THREADS) as engine:
        for number, runs in enumerate(rounds):
            await asyncio.gather(*(_caller(engine, f"{number}", runs, ends, pause) for _ in range(CALLERS)))
            while await engine.list(states=OPEN, limit=1):  # losers may still be on their way back
                await asyncio.sleep(0.01)
            readings.append(read(path))
    return readings, ends


async def _caller(engine: Engine, name: str, runs: Iterator[int], ends: Counter[str], pause: float) -> None:
    for number in runs:
        saga = SAGAS[number % len(SAGAS)]
        handle = await engine.start(saga(number), id=f"{name}-{number}")
        if saga is waits:
            await engine.tell(handle.id, 1)
        try:
            await handle.result()
            ends["completed"] += 1
        except Compensated:
            ends["compensated"] += 1
        await asyncio.sleep(pause)
