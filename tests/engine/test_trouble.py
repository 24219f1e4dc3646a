"""A store that fails is left alone for longer and longer, and is complained of once a minute. The time is virtual."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from amends import Engine, saga, step
from amends.engine import trouble
from amends.engine.trouble import Trouble
from amends.errors import StoreBusy, StoreError
from amends.stores.memory import MemoryStore
from amends.stores.port import Change, Run, Turn
from amends.testing.clock import Clock, Loop

RUNS = 50
HOUR = 3600.0
NO_ROOM = "the disk is full"


@step(no_undo="it does nothing")
async def work() -> str:
    await asyncio.sleep(0.5)
    return "done"


@saga
async def works() -> str:
    return await work()


class Full(MemoryStore):
    """A store with no room for a turn until `room` says that there is some, or fails."""

    def __init__(self, room: Callable[[], bool]) -> None:
        super().__init__()
        self.tried: Counter[str] = Counter()
        self._room = room

    def commit(self, change: Change) -> asyncio.Future[None]:
        if self._room():
            return super().commit(change)
        refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        refused.set_exception(StoreBusy(NO_ROOM))
        return refused

    async def journal(self, run_id: str) -> list[Turn]:
        self.tried[run_id] += 1
        return await super().journal(run_id)


def virtually(main: Callable[[Loop], Coroutine[Any, Any, None]]) -> None:
    """Run it in virtual time, to its end."""
    clock = Clock()
    loop = Loop(clock)
    task = loop.create_task(main(loop))
    assert clock.run(horizon=100 * HOUR, most=10_000_000)
    task.result()
    loop.bury()


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def test_an_hour_without_room_is_waited_for_and_told_of_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)

    async def main(loop: Loop) -> None:
        full = Full(lambda: loop.time() >= HOUR)
        async with Engine(full, sagas=[works]) as engine:
            for number in range(RUNS):
                await engine.start(works(), id=str(number))
            results = [await engine.run(works(), id=str(number)) for number in range(RUNS)]
            assert results == ["done"] * RUNS
            assert HOUR < loop.time() < HOUR + trouble.MOST + 1
        doublings = 12
        assert len(full.tried) == RUNS
        assert max(full.tried.values()) <= HOUR / trouble.MOST + doublings

    virtually(main)
    assert 30 <= len(complaints(caplog)) <= HOUR / trouble.REMINDER + 2
    assert all(NO_ROOM in said for said in complaints(caplog))


def test_a_write_that_fails_once_is_made_up_for_at_once() -> None:
    async def main(loop: Loop) -> None:
        fails = iter([True, False, True])
        async with Engine(Full(lambda: next(fails, True)), sagas=[works]) as engine:
            await engine.run(works(), id="x")
            assert loop.time() < 2 * trouble.LEAST + 2

    virtually(main)


def test_trouble_that_is_over_is_forgotten() -> None:
    refused: list[float] = []

    def room(now: float) -> bool:
        """None for the first ten minutes, and once more for one write after an hour."""
        if now >= 600 and (now < HOUR or refused[-1] >= HOUR):
            return True
        refused.append(now)
        return False

    async def main(loop: Loop) -> None:
        async with Engine(Full(lambda: room(loop.time())), sagas=[works]) as engine:
            await engine.run(works(), id="long")
            assert len(refused) > 5
            await asyncio.sleep(HOUR - loop.time())
            await engine.run(works(), id="short")
            assert refused[-1] >= HOUR and loop.time() < HOUR + 2 * trouble.LEAST + 2

    virtually(main)


class Unreadable(MemoryStore):
    """Says of nothing whether there is work, for an hour."""

    async def claim(self, *_: Any, **__: Any) -> list[Run]:
        raise StoreError("the disk cannot be read")


def test_what_fails_at_every_poll_is_told_of_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)

    async def main(loop: Loop) -> None:
        async with Engine(Unreadable(), sagas=[works]):
            await asyncio.sleep(HOUR)

    virtually(main)
    assert HOUR / trouble.REMINDER - 1 <= len(complaints(caplog)) <= HOUR / trouble.REMINDER + 1


# ── one by one ───────────────────────────────────────────────────────────────────────────────────


def test_the_wait_is_as_long_as_the_trouble_within_bounds() -> None:
    instants = iter([100.0, 100.5, 103.0, 120.0, 190.0, 200.0])
    met = Trouble(lambda: next(instants))
    assert [met.met() for _ in range(5)] == [1.0, 1.0, 3.0, 20.0, 30.0]
    met.over()
    assert met.since is None and met.met() == 1.0


def test_another_error_is_told_of_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = 0.0
    met = Trouble(lambda: now)
    for about, why in (("run a", "full"), ("run b", "full"), ("run c", "locked")):
        met.complain(about, StoreBusy(why))
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO", "ERROR"]
    now = trouble.REMINDER
    met.complain("run b", StoreBusy("full"))
    assert caplog.records[-1].levelname == "ERROR" and "run b: full" in caplog.records[-1].getMessage()


def test_an_error_of_nobody_comes_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    met = Trouble(lambda: 0.0)
    for error in (StoreBusy(NO_ROOM), ZeroDivisionError("a mistake of ours")):
        met.complain("run", error)
    assert [record.exc_info is not None for record in caplog.records] == [False, True]


def test_complaints_that_never_come_again_are_not_kept_for_ever() -> None:
    met = Trouble(lambda: 0.0)
    for number in range(3 * trouble.MOST_COMPLAINTS):
        met.complain("run", StoreError(f"error {number}"))
    assert len(met._said) <= trouble.MOST_COMPLAINTS
