"""Several worker processes on one file: what they do together, and what each of them is told by the store."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from amends import Engine
from tests.load.sagas import straight

AT_ONCE = 50
"""Runs that each worker has at work at once."""

STEPS = 5
"""Steps of each run."""

PATIENCE = 300.0


@dataclass(frozen=True)
class Told:
    """What came of some workers' work: runs that ended well, steps a second of all together, and errors that they saw."""

    done: int
    rate: float
    errors: list[str]


def crowd(path: Path, workers: int, runs: int) -> Told:
    """Let so many workers do so many runs between them, all at once."""
    command = [sys.executable, "-m", "tests.load.crowd", str(path), str(runs // workers)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    all_ = [subprocess.Popen([*command, str(number)], text=True, **pipes) for number in range(workers)]
    try:
        for each in all_:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n", each.communicate()
        began = time.perf_counter()
        for each in all_:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        said = [each.communicate(timeout=PATIENCE) for each in all_]
    finally:
        for each in all_:
            each.kill()
            each.wait()
    told = [json.loads(out) if out else {"done": 0, "ended": began, "errors": [err]} for out, err in said]
    seconds = max(each["ended"] for each in told) - began
    done = sum(each["done"] for each in told)
    errors = [error for each in told for error in each["errors"]] + [err for _, err in said if err]
    return Told(done, done * STEPS / seconds, errors)


async def work(path: Path, runs: int, name: str) -> None:
    """One worker: open the file, wait for the word, do the runs, and say what came of it."""
    errors: list[str] = []
    done = 0
    async with Engine(path, sagas=[straight]) as engine:
        await engine.run(straight(0), id=f"{name}-first")
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        numbers = iter(range(runs))

        async def caller() -> None:
            nonlocal done
            for number in numbers:
                try:
                    value = await engine.run(straight(number), id=f"{name}-{number}")
                    done += value == STEPS * number
                except Exception as error:  # whatever a user would see
                    errors.append(repr(error))

        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
        ended = time.perf_counter()
    print(json.dumps({"done": done, "ended": ended, "errors": errors}))


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
