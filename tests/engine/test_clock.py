"""The time of day is set back by an hour between two workers: nothing waits for the hour to come again."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from amends import Engine, Retry, saga, sleep, step
from amends.model import records
from tests.engine import sagas

HOUR = 3600.0
LONG = 20.0
"""Seconds in which all of this is over many times, and an hour is not."""

calls: list[float] = []


@step(no_undo="it only counts", retry=Retry(attempts=4, first=0.1, factor=1.0, jitter=0.0))
async def lost() -> str:
    calls.append(time.monotonic())
    if len(calls) < 4:
        raise ConnectionResetError
    return "heard"


@saga
async def waits_often() -> str:
    await sleep(0.1)
    heard = await lost()
    await sleep(0.1)
    return heard


@saga
async def naps_twice() -> None:
    await sleep(0.3)
    await sleep(600)


def engine(store: Path, off: float, **more: Any) -> Engine:
    return Engine(
        store, sagas=[sagas.naps, waits_often, naps_twice, nests], poll=0.02, wall=lambda: time.time() + off, **more
    )


async def ended(store: Path, off: float) -> str:
    async with asyncio.timeout(LONG), engine(store, off) as later:
        return (await later.get("run").outcome()).state


def test_a_sleep_is_as_long_as_it_was_to_be(tmp_path: Path) -> None:
    async def story() -> str:
        async with engine(tmp_path / "a.db", HOUR) as ahead:
            await ahead.start(sagas.naps(0.3), id="run")
        return await ended(tmp_path / "a.db", 0.0)

    assert asyncio.run(story()) == "completed"


def test_a_run_that_nobody_has_taken_yet_is_taken_at_once(tmp_path: Path) -> None:
    async def story() -> str:
        async with engine(tmp_path / "a.db", HOUR, drive=False) as ahead:
            await ahead.start(sagas.naps(0.01), id="run")
        return await ended(tmp_path / "a.db", 0.0)

    assert asyncio.run(story()) == "completed"


def test_all_later_pauses_are_kept_too(tmp_path: Path) -> None:
    calls.clear()

    async def story() -> list[list[Any]]:
        async with engine(tmp_path / "a.db", HOUR) as ahead:
            await ahead.start(waits_often(), id="run")
        assert await ended(tmp_path / "a.db", 0.0) == "completed"
        async with engine(tmp_path / "a.db", 0.0, drive=False) as reader:
            return [[*turn] for turn in await reader.history("run")]

    turns = asyncio.run(story())
    assert len(calls) == 4 and all(later - before >= 0.099 for before, later in pairwise(calls))
    times = [record.at for turn in turns for record in turn if isinstance(record, records.Fact)]
    assert times == sorted(times) and times[-1] - times[0] < HOUR


def test_a_message_from_a_clock_that_is_ahead_holds_nothing_up(tmp_path: Path) -> None:
    async def story() -> str:
        async with asyncio.timeout(LONG), engine(tmp_path / "a.db", 0.0) as driver:
            await driver.start(waits_often(), id="run")
            async with engine(tmp_path / "a.db", HOUR, drive=False) as ahead:
                await ahead.tell("run", "hello")
            return (await driver.get("run").outcome()).state

    calls.clear()
    assert asyncio.run(story()) == "completed"


def test_a_sleep_that_leaves_memory_is_due_by_the_clock_of_whoever_let_go(tmp_path: Path) -> None:
    async def story() -> float:
        async with engine(tmp_path / "a.db", HOUR) as ahead:
            await ahead.start(naps_twice(), id="run")
        async with asyncio.timeout(LONG), engine(tmp_path / "a.db", 0.0) as later:
            while True:
                row = (await later.list())[0]
                if row.owner is None and row.next_at:
                    return row.next_at - time.time()
                await asyncio.sleep(0.02)

    assert 500 < asyncio.run(story()) <= 600


@saga(deadline=600)
async def nests() -> None:
    await naps_twice()


def test_a_run_that_makes_room_for_nested_ones_is_due_at_its_deadline_by_that_clock_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amends.engine.runner.PARK_AFTER", 0.0)

    async def due(driver: Engine, epoch: int) -> float:
        """When it wants to be driven again, once somebody has let go of it for the time of this number."""
        while (row := await driver._row("run")).epoch < epoch or row.owner is not None:
            await asyncio.sleep(0.005)
        assert row.next_at is not None
        return row.next_at - time.time()

    async def story() -> float:
        async with asyncio.timeout(LONG), engine(tmp_path / "a.db", HOUR) as ahead:
            await ahead.start(nests(), id="run")
            assert await due(ahead, 1) > HOUR
        async with asyncio.timeout(LONG), engine(tmp_path / "a.db", 0.0) as later:
            await later.tell("run", "wake up")
            return await due(later, 2)

    assert 500 < asyncio.run(story()) <= 600


@step(no_undo="it does nothing")
async def hangs() -> None:
    await asyncio.Event().wait()


@saga(deadline=0.1)
async def waits_for_a_hanging_step() -> None:
    await hangs()


def test_a_deadline_interrupts_a_step_that_hangs(tmp_path: Path) -> None:
    async def main() -> str:
        async with Engine(tmp_path / "a.db", sagas=[waits_for_a_hanging_step]) as engine, asyncio.timeout(LONG):
            outcome = await (await engine.start(waits_for_a_hanging_step(), id="x")).outcome()
            assert outcome.cause is not None
            return outcome.cause.type

    assert asyncio.run(main()) == "DeadlineExceeded"


@saga(deadline=HOUR / 2)
async def waits_for_half_an_hour() -> None:
    await hangs()


def test_an_alarm_is_set_anew_when_a_message_brings_the_run_s_time_forward(tmp_path: Path) -> None:
    async def story() -> str:
        async with asyncio.timeout(LONG), Engine(tmp_path / "a.db", sagas=[waits_for_half_an_hour]) as driver:
            handle = await driver.start(waits_for_half_an_hour(), id="run")
            async with engine(tmp_path / "a.db", HOUR, drive=False) as ahead:
                await ahead.tell("run", "hello")
            return (await handle.outcome()).state

    assert asyncio.run(story()) == "compensated"
