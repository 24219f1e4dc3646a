"""Runs the benchmarks and prints a table: `make bench`."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from amends import Engine
from amends.model import records as r
from amends.model.machine import Machine
from benchmarks import limits
from benchmarks.exploration import worlds
from benchmarks.sagas import many, ten

ROUNDS = 3


async def w1(path: Path, at_once: int, runs: int) -> tuple[float, float, float]:
    """Steps per second, CPU microseconds per step, and bytes of journal per step."""
    async with Engine(path, sagas=[ten], max_runs=at_once) as engine:
        await engine.run(ten(-1), id="warm")
        left = iter(range(runs))

        async def caller() -> None:
            for number in left:
                await engine.run(ten(number), id=f"run-{number}")

        cpu, began = _cpu(), time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(at_once)))
        taken, cpu = time.perf_counter() - began, _cpu() - cpu
    with sqlite3.connect(path) as db:
        size = db.execute("SELECT sum(length(body)) FROM turns").fetchone()[0]
    db.close()
    return runs * 10 / taken, cpu * 1e6 / (runs * 10), size / (runs * 10)


async def long(path: Path, steps: int) -> float:
    """Steps per second of one long run."""
    async with Engine(path, sagas=[many]) as engine:
        began = time.perf_counter()
        await engine.run(many(steps), id="long")
        return steps / (time.perf_counter() - began)


def machine_turn(steps: int = 5000) -> float:
    """Microseconds that a machine takes for one turn."""
    machine = Machine(many, "m", b'{"steps":%d}' % steps, seed=b"", namespace="")
    machine.receive(r.Started(0.0))
    began = time.perf_counter()
    for pos in range(1, steps + 1):
        machine.receive(r.StepDone(0.0, pos, 1, r.Raw(b"1")))
    return (time.perf_counter() - began) / steps * 1e6


def import_time() -> float:
    """Milliseconds that `import amends` adds to the start of Python, compiled beforehand as an installed package is."""
    code = "import time; t = time.perf_counter(); import amends; print(time.perf_counter() - t)"
    keeps_bytecode = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code]
    done = [subprocess.run(command, capture_output=True, text=True, check=True, env=keeps_bytecode) for _ in range(8)]
    return statistics.median(float(each.stdout) for each in done[1:]) * 1000


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Interleave the rounds, take medians, and print."""
    found: dict[str, list[float]] = {}

    def keep(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            place = Path(folder) / str(number)
            place.mkdir()
            keep("raw 1", limits.commits(place / "l1", 500, 1))
            keep("raw 100", limits.commits(place / "l100", 20_000, 100))
            for at_once, runs in ((1, 40), (10, 150), (100, 600), (1000, 1000)):
                speed, cpu, size = asyncio.run(w1(place / f"w{at_once}", at_once, runs))
                keep(f"w1 {at_once}", speed)
                keep(f"cpu {at_once}", cpu)
                keep(f"size {at_once}", size)
            keep("long", asyncio.run(long(place / "long", 1000)))
            keep("machine", machine_turn())
            for processes in (1, 2):
                explored, taken = worlds(processes)
                keep("worlds", explored)
                keep(f"explorer {processes}", taken)
    keep("import", import_time())
    middle = {name: statistics.median(values) for name, values in found.items()}
    print(
        f"load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}, {ROUNDS} rounds\n"
    )
    print(f"raw sqlite3, one row a commit       {middle['raw 1']:>9,.0f} rows/s")
    print(f"raw sqlite3, 100 rows a commit      {middle['raw 100']:>9,.0f} rows/s\n")
    for at_once in (1, 10, 100, 1000):
        raw = "raw 1" if at_once == 1 else "raw 100"
        speed = middle[f"w1 {at_once}"]
        # a run of ten steps is eleven turns and so eleven rows
        ratio = speed * 1.1 / middle[raw]
        print(
            f"10-step runs, {at_once:>4} at once           {speed:>9,.0f} steps/s   {ratio:>5.0%} of {raw}"
            f"   CPU {middle[f'cpu {at_once}']:.0f} µs and {middle[f'size {at_once}']:.0f} bytes a step"
        )
    ratio = middle["long"] / middle["raw 1"]
    print(f"one run of 1,000 steps              {middle['long']:>9,.0f} steps/s   {ratio:>5.0%} of raw 1")
    print(
        f"\nfault explorer, 4 steps, all pairs    {middle['worlds']:>7,.0f} worlds"
        f" in {middle['explorer 1']:.1f} s with one process, {middle['explorer 2']:.1f} s with two"
    )
    print(f"\na turn within the machine {middle['machine']:.1f} µs, import {middle['import']:.0f} ms")


if __name__ == "__main__":
    main()
