"""The long form of the load: several workers on one file, ten times what fits, and a steady load for as long as is wanted."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.load import crowd, gauge, overload, steady

WORKERS = (1, 2, 4, 8)
ROUNDS, RUNS = 3, 1600
"""How often each number of workers is tried, and the runs that they share."""

LEAST = 0.7
"""Of what one worker does, the part that several do together at least."""

FITS = 500
"""Runs that fit, where ten times as many come."""

SLACK = 8 << 20
"""Bytes of memory by which a reading may differ from those before it: what allocators keep."""

READINGS = 20
"""How often a steady load is looked at."""

PAUSE = 0.05
"""Seconds that a caller of the steady load waits before it starts the next run: it is not to fill the disk."""


def main() -> int:
    """Do all of it, print what came of it; 1 when anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of the steady load; 3600 for an hour")
    asked = parser.parse_args()
    wrong = [*_several_workers(), *_too_much(), *_a_long_time(asked.seconds)]
    for each in wrong:
        print(each)
    return 1 if wrong else 0


def _several_workers() -> Iterator[str]:
    rates: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    for _, workers in itertools.product(range(ROUNDS), WORKERS):
        with _place() as path:
            told = crowd.crowd(path, workers, RUNS)
        rates[workers].append(told.rate)
        yield from told.errors[:3]
        if told.done != RUNS:
            yield f"{workers} workers brought {told.done} of {RUNS} runs to their end"
    alone = statistics.median(rates[1])
    for workers, found in rates.items():
        ratio = statistics.median(found) / alone
        print(
            f"{workers} workers on one file: {statistics.median(found):,.0f} steps/s, {100 * ratio:.0f} % of one", flush=True
        )
        if ratio < LEAST:
            yield f"{workers} workers do less than {100 * LEAST:.0f} % of what one does"


def _too_much() -> Iterator[str]:
    with _place() as path:
        came = asyncio.run(overload.overload(path, FITS))
    for what, reading in zip(("idle", "full", f"{overload.TIMES} times that", "after"), came.readings, strict=True):
        print(f"{what}: {reading}")
    print(f"{came.refused:,} starts were refused at first, {came.at_work:,} runs were at work", flush=True)
    _, full, more, _ = came.readings
    if more.memory > full.memory + SLACK:
        yield "runs that wait in the store take memory"
    if (came.done, came.at_work) != (overload.TIMES * FITS, FITS) or not came.refused:
        yield f"of {overload.TIMES * FITS} runs {came.done} came to their end"


def _a_long_time(seconds: float) -> Iterator[str]:
    end = time.monotonic()
    with _place() as path:
        ends = [end + seconds * (number + 1) / READINGS for number in range(READINGS)]
        readings, count = asyncio.run(steady.load(path, map(_until, ends), PAUSE))
    half = READINGS // 2
    first, then = gauge.highest(readings[2:half]), gauge.highest(readings[half:])
    print(f"{count.total():,} runs in {seconds:.0f} s; highest in the first half: {first}; in the second: {then}", flush=True)
    if then.memory > first.memory + SLACK:
        yield "memory grows"
    if then.files > first.files:
        yield "open files become more"
    if max(first.threads, then.threads) > steady.MOST_THREADS:
        yield "there are too many threads"
    if max(first.log, then.log) > steady.MOST_LOG:
        yield "the write-ahead log grows"


def _until(end: float) -> Iterator[int]:
    """Numbers, until it is time."""
    return itertools.takewhile(lambda _: time.monotonic() < end, itertools.count())


@contextmanager
def _place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="amends-load-") as folder:
        yield Path(folder) / "load.db"


if __name__ == "__main__":
    sys.exit(main())
