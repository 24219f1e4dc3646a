"""What a step costs, counted and not timed: a slow-down is a failing test on any machine."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from amends import Engine, saga, step
from amends.engine.flight import Flight
from amends.model.machine import Machine
from amends.stores.memory import MemoryStore
from amends.stores.sqlite import SQLiteStore

STEPS = 10


@step(no_undo="it does nothing")
async def noop(number: int) -> int:
    return number


@saga
async def count_up(steps: int) -> int:
    total = 0
    for number in range(steps):
        total += await noop(number)
    return total


class Counting(asyncio.SelectorEventLoop):
    """Counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    def call_soon_threadsafe(self, *args: Any, **kwargs: Any) -> Any:
        self.asked["woken"] += 1
        return super().call_soon_threadsafe(*args, **kwargs)

    def create_task(self, *args: Any, **kwargs: Any) -> Any:
        self.asked["tasks"] += 1
        return super().create_task(*args, **kwargs)


def counted(
    path: Path, runs: int, work: Callable[[Engine, SQLiteStore], Awaitable[Any]]
) -> tuple[Counter[str], Counter[str]]:
    """What the loop is asked for, and what the writer says to SQLite, while some work is done."""
    said: Counter[str] = Counter()

    async def main() -> tuple[Counter[str], Counter[str]]:
        store = SQLiteStore(path)
        async with Engine(store, sagas=[count_up], poll=60, lease=600, max_runs=2 * runs + 1) as engine:
            await engine.run(count_up(1), id="before")
            loop = asyncio.get_running_loop()
            assert isinstance(loop, Counting) and store._writer is not None
            loop.asked.clear()
            store._writer._connection.set_trace_callback(lambda sql: said.update([sql.split()[0]]))
            before = store._writer.commits
            await work(engine, store)
            said["commits"] = store._writer.commits - before
            store._writer._connection.set_trace_callback(None)
            return Counter(loop.asked), Counter(said)

    with asyncio.Runner(loop_factory=Counting) as runner:
        return runner.run(main())


def test_a_run_of_ten_steps_is_eleven_commits_and_seventeen_statements(tmp_path: Path) -> None:
    async def work(engine: Engine, _: SQLiteStore) -> None:
        await engine.run(count_up(STEPS), id="run")

    asked, said = counted(tmp_path / "a.db", 1, work)
    assert said["commits"] == STEPS + 1, "one commit a turn: the last result and the next intent"
    # the first turn comes with the run's row, and the last one with its end; between them a turn is one statement
    assert said == {"BEGIN": 2, "COMMIT": 2, "INSERT": STEPS + 2, "UPDATE": 1, "commits": STEPS + 1}
    assert asked["woken"] == STEPS + 1, "the event loop is woken once for each commit"
    assert asked["tasks"] <= STEPS + 2, "one task for each step, and what starts the run"


def test_the_turns_of_a_hundred_runs_share_statements_commits_and_wake_ups(tmp_path: Path) -> None:
    async def work(engine: Engine, _: SQLiteStore) -> None:
        await asyncio.gather(*(engine.run(count_up(STEPS), id=f"run-{number}") for number in range(100)))

    asked, said = counted(tmp_path / "a.db", 100, work)
    turns = 100 * (STEPS + 1)
    assert said["commits"] <= turns / 5 and asked["woken"] <= said["commits"] + 2
    assert said["INSERT"] <= 200 + said["commits"], "two for each new run, and one for all turns of a commit"
    assert said["UPDATE"] == 100


def test_what_a_step_leaves_in_the_file_is_one_row_of_so_many_bytes(tmp_path: Path) -> None:
    async def work(engine: Engine, store: SQLiteStore) -> None:
        await engine.run(count_up(1000), id="run")
        found.append(await store._read(lambda db: db.execute("SELECT count(*), sum(length(body)) FROM turns").fetchone()))

    found: list[tuple[int, int]] = []
    counted(tmp_path / "a.db", 1, work)
    rows, size = found[0]
    assert rows == 1000 + 1 + 2 and size / 1000 < 130


def calls_of_python(steps: int) -> int:
    """How many functions of Python are called while a run is driven in memory."""
    calls = 0

    def seen(_: Any, event: str, __: Any) -> None:
        nonlocal calls
        calls += event == "call"

    async def main() -> None:
        async with Engine(MemoryStore(), sagas=[count_up], poll=60) as engine:
            await engine.run(count_up(1), id="before")
            sys.setprofile(seen)
            try:
                await engine.run(count_up(steps), id="run")
            finally:
                sys.setprofile(None)

    asyncio.run(main())
    return calls


def test_a_step_takes_so_many_calls_of_python_and_a_thousandth_no_more_than_the_first() -> None:
    few, many = calls_of_python(200), calls_of_python(400)
    each = (many - few) / 200
    assert each <= 145, f"{each:.0f} calls for a step; they were 131 when this was written"
    assert many - few <= few * 1.05, "a step costs no more, the longer a run is"


def test_a_run_that_is_over_leaves_nothing_to_the_garbage_collector(tmp_path: Path) -> None:
    async def main() -> int:
        async with Engine(tmp_path / "a.db", sagas=[count_up], poll=60, lease=600) as engine:
            await engine.run(count_up(1), id="before")
            gc.collect()
            gc.disable()
            try:
                for number in range(20):
                    await engine.run(count_up(STEPS), id=f"run-{number}")
                await asyncio.sleep(0)
                return sum(isinstance(each, (Flight, Machine, asyncio.Task)) for each in gc.get_objects())
            finally:
                gc.enable()

    assert asyncio.run(main()) <= 5, "the task of the test, and those of the engine"
