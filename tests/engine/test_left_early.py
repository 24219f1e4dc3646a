"""An async generator that a body leaves early is closed on the spot: nothing of it is left to the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from amends import each, receive, saga, step
from amends.errors import ForeignAwait
from amends.stores.memory import MemoryStore
from tests.engine import family

seen: list[str] = []


@step(no_undo="it only counts")
async def count(number: int) -> int:
    seen.append(f"count {number}")
    return number


async def numbers() -> AsyncIterator[int]:
    try:
        for number in range(5):
            yield await count(number)
    finally:
        seen.append("left")
        await count(99)


@saga
async def own_generator() -> int:
    async for number in numbers():
        if number == 1:
            return number
    return 0


@saga
async def cleans_up() -> None:
    try:
        await receive(str)
    finally:
        try:
            asyncio.get_running_loop().create_task(asyncio.sleep(0), name="left behind")
        except ForeignAwait:
            seen.append("refused")


@saga
async def fan_out() -> int:
    async for number in each(count, range(5), limit=1):
        if number == 1:
            return number
    return 0


@pytest.mark.parametrize(("call", "calls"), [(own_generator(), 2), (fan_out(), 3)], ids=repr)
def test_nothing_is_left_to_the_loop(call: Any, calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(family, "SAGAS", [own_generator, fan_out])
    seen.clear()
    told: list[Any] = []

    async def main() -> Any:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        async with family.engine(MemoryStore()) as engine:
            before = asyncio.all_tasks()
            value = await engine.run(call, id="x")
            assert {task for task in asyncio.all_tasks() if "athrow" in repr(task)} <= before
            return value

    assert asyncio.run(main()) == 1 and told == []
    assert [line for line in seen if line != "left"] == [f"count {number}" for number in range(calls)]


def test_a_body_that_is_let_go_of_finds_no_loop_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(family, "SAGAS", [cleans_up])
    seen.clear()

    async def main() -> None:
        async with family.engine(MemoryStore()) as engine:
            await engine.start(cleans_up(), id="x")
        assert "left behind" not in [task.get_name() for task in asyncio.all_tasks()]

    asyncio.run(main())
    assert seen == ["refused"]
