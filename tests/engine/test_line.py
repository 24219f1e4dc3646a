"""What callers ask for is written whatever becomes of them, and so much may wait and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from amends import DefinitionError, Engine, Saga, all_of, saga, step
from amends.errors import Overloaded
from amends.stores.memory import MemoryStore
from amends.stores.port import Act, Run, Turn

at_work: list[int] = []
most_at_work = 0


@step(no_undo="it does nothing")
async def work(number: int) -> int:
    global most_at_work
    at_work.append(number)
    most_at_work = max(most_at_work, len(at_work))
    await asyncio.sleep(0)
    at_work.remove(number)
    return number


@saga
async def works(number: int) -> int:
    return await work(number)


@saga
async def nests(number: int) -> int:
    return sum(await all_of(work(number), works(number)))


class Slow(MemoryStore):
    """Writes nothing that callers ask for before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = asyncio.Event()

    async def create(self, run: Run, first: Turn | None) -> Run:
        await self.goes_on.wait()
        await asyncio.sleep(0)
        return await super().create(run, first)

    async def post(self, run_id: str, body: bytes, act: Act | None = None) -> None:
        await self.goes_on.wait()
        await super().post(run_id, body, act)


def on_a_slow_store(do: Callable[[Engine, Slow], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        store = Slow()
        async with asyncio.timeout(20), Engine(store, sagas=[works, nests], poll=0.02, **options) as engine:
            await do(engine, store)

    asyncio.run(main())


def asked(engine: Engine, number: int) -> asyncio.Task[int]:
    """A caller of its own that waits for a run."""
    return asyncio.create_task(engine.run(works(number), id=f"r{number}"))


@pytest.mark.parametrize("max_runs", [1, 10])
def test_a_run_whose_caller_went_away_while_it_was_written_is_driven(max_runs: int) -> None:
    async def do(engine: Engine, store: Slow) -> None:
        callers = [asked(engine, 1), asked(engine, 2)]
        await asyncio.sleep(0)
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers)
        store.goes_on.set()
        while len(store.shelf.runs) < 2:
            await asyncio.sleep(0)
        assert [await engine.get(run).result() for run in ("r1", "r2")] == [1, 2]

    on_a_slow_store(do, max_runs=max_runs)


@pytest.mark.parametrize("max_runs", [1, 10])
def test_what_is_too_much_is_refused_before_anything_is_written(max_runs: int) -> None:
    async def do(engine: Engine, store: Slow) -> None:
        callers = [asked(engine, 1), asked(engine, 2)]
        await asyncio.sleep(0)
        callers[0].cancel()  # what it asked for waits all the same
        with pytest.raises(Overloaded, match=r"^2 starts and messages wait .*max_pending"):
            await engine.run(works(3), id="r3")
        for refused in (engine.tell("r1", 1), engine.cancel("r1"), engine.run(works(1), id="r1")):
            with pytest.raises(Overloaded):
                await refused
        assert store.shelf.runs == {}
        store.goes_on.set()
        assert await callers[1] == 2
        assert await engine.run(works(3), id="r3") == 3, "there is room again"
        assert set(store.shelf.runs) == {"r1", "r2", "r3"}

    on_a_slow_store(do, max_pending=2, max_runs=max_runs)


@pytest.mark.parametrize(("starts", "gives"), [(works, 1), (nests, 2)])
def test_many_starts_at_once_are_driven_a_few_at_a_time(starts: Saga[[int], int], gives: int) -> None:
    global most_at_work
    most_at_work = 0

    async def do(engine: Engine, store: Slow) -> None:
        store.goes_on.set()
        runs = (engine.run(starts(number), id=f"r{number}") for number in range(40))
        assert await asyncio.gather(*runs) == [gives * number for number in range(40)]
        assert most_at_work <= 3

    on_a_slow_store(do, max_runs=3)


def test_an_engine_that_closes_waits_for_what_was_asked() -> None:
    store = Slow()

    async def main() -> None:
        async with Engine(store, sagas=[works]) as engine:
            caller = asked(engine, 1)
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0.05, store.goes_on.set)
        await asyncio.wait([caller])
        assert (store.shelf.runs["r1"].owner, store.shelf.runs["r1"].next_at) == (None, 0.0), "left to the next worker"

    asyncio.run(main())


def test_a_limit_is_at_least_one() -> None:
    with pytest.raises(DefinitionError, match=r"max_pending=.* is 0"):
        Engine(MemoryStore(), max_pending=0)
