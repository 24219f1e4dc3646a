"""An application may let its tasks begin at once: then they can be over before whoever made them knows of them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from amends import Engine, all_of, each, receive, saga, step
from amends.engine.flight import Flight
from amends.stores.memory import MemoryStore
from tests.engine.eager import eager

NEVER = 1000.0
"""Seconds between polls: nothing is found by chance."""


@step(no_undo="it only adds")
async def more(number: int) -> int:
    return number + 1


@saga
async def nested(number: int) -> int:
    return await more(number)


@saga
async def hears_twice() -> str:
    return await receive(str, timeout=60) + await receive(str, timeout=60)


@saga
async def does_all() -> int:
    several = await all_of(more(1), nested(2), more(3))
    return sum(several) + sum(await each(more, [10, 20, 30], limit=2))


SAGAS = [nested, hears_twice, does_all]


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return MemoryStore() if request.param == "memory" else tmp_path / "a.db"


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def eagerly(store: Any, work: Callable[[Engine], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(eager)
        async with asyncio.timeout(10), Engine(store, sagas=SAGAS, poll=NEVER) as engine:
            await work(engine)

    asyncio.run(main())


def test_every_message_is_heard(store: Any) -> None:
    async def work(engine: Engine) -> None:
        handle = await engine.start(hears_twice(), id="x")
        for word in ("one", "two"):
            await engine.tell("x", word)
        assert await handle.result() == "onetwo"

    eagerly(store, work)


def test_steps_joins_nested_runs_and_fans_come_to_their_end(store: Any) -> None:
    async def work(engine: Engine) -> None:
        assert await engine.run(does_all(), id="x") == 2 + 3 + 4 + 11 + 21 + 31

    eagerly(store, work)


def test_a_call_that_is_over_at_once_leaves_nothing_to_the_garbage_collector(uncollected: None) -> None:
    async def work(engine: Engine) -> None:
        for number in range(20):
            await engine.run(nested(number), id=str(number))
        assert sum(type(each) is Flight for each in gc.get_objects()) <= 1

    eagerly(MemoryStore(), work)
