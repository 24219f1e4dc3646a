"""Runs that take their turns in one go share a commit, and nothing else; whoever stops watching one is forgotten."""

from __future__ import annotations

import asyncio

import pytest

from amends import Engine, Retry, saga, step
from amends.engine import runner, trouble
from amends.model.records import Record
from amends.stores.memory import MemoryStore
from amends.stores.port import Turn

calls: list[int] = []
together = asyncio.Event()


@step(no_undo="it only waits for the others", retry=Retry(first=0.0))
async def meet() -> int:
    calls.append(len(calls))
    if len(calls) == 3:
        together.set()
    await together.wait()
    return len(calls)


@saga
async def meets() -> int:
    return await meet()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    calls.clear()
    monkeypatch.setitem(globals(), "together", asyncio.Event())
    monkeypatch.setattr(trouble, "LEAST", 0.01)


def test_a_turn_that_cannot_be_written_down_holds_up_no_other_run(monkeypatch: pytest.MonkeyPatch) -> None:
    written, broken = runner.entry, 1

    def breaks_once(seq: int, before: bytes, turn: list[Record]) -> Turn:
        nonlocal broken
        if broken:
            broken -= 1
            raise MemoryError
        return written(seq, before, turn)

    monkeypatch.setattr(runner, "entry", breaks_once)

    async def main() -> list[str]:
        async with Engine(MemoryStore(), sagas=[meets]) as engine, asyncio.timeout(5):
            handles = [await engine.start(meets(), id=f"r{number}") for number in range(3)]
            return [(await handle.outcome()).state for handle in handles]

    assert asyncio.run(main()) == ["completed"] * 3 and not broken


def test_whoever_stops_waiting_for_a_run_is_forgotten() -> None:
    async def main() -> None:
        async with Engine(MemoryStore(), sagas=[meets]) as engine:
            handle = await engine.start(meets(), id="x")
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(handle.outcome(), 0.01)
            assert watched(engine) == 0
            together.set()
            assert await handle.result() == 1

    asyncio.run(main())


def watched(engine: Engine) -> int:
    return sum(map(len, engine._crew._watchers.values()))
