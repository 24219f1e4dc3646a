"""Map and reduce: a fold in the order of the items, by a function or by what is durable itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from amends import DefinitionError, each, saga, step
from amends.model import chunk
from tests.engine import family
from tests.engine.family import book, to_the_end

NAMES = [f"n{number}" for number in range(7)]
calls: list[list[str]] = []


@step(no_undo="it only joins")
async def join(told: str, names: list[str]) -> str:
    calls.append(names)
    return told + "".join(name[-1] for name in names)


@saga
async def join_nested(told: str, names: list[str]) -> str:
    return await join(told, names)


async def not_durable(told: str, name: str) -> str:
    return told + name


@saga
async def by_a_function() -> str:
    return await each(book, NAMES, limit=2).reduce(lambda told, name: told + name[-1], "")


@saga
async def by_a_step() -> str:
    return await each(book, NAMES, limit=2).reduce(join, "")


@saga
async def by_a_saga() -> str:
    return await each(book, NAMES, limit=2).reduce(join_nested, "")


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    family.fresh()
    calls.clear()
    monkeypatch.setattr(family, "SAGAS", [by_a_function, by_a_step, by_a_saga, join_nested])
    monkeypatch.setattr(chunk, "MOST_ITEMS", 3)


@pytest.mark.parametrize("made", [by_a_function(), by_a_step(), by_a_saga()], ids=repr)
def test_values_are_folded_in_the_order_of_the_items(made: Any) -> None:
    assert asyncio.run(to_the_end(made))[0].value == "0123456"


def test_a_step_is_called_once_for_each_chunk() -> None:
    asyncio.run(to_the_end(by_a_step()))
    assert calls == [NAMES[:3], NAMES[3:5], NAMES[5:6], NAMES[6:]]


def test_an_async_function_that_is_no_step_is_refused_at_the_call() -> None:
    with pytest.raises(DefinitionError, match=r"an `async def`\. Make it a `def`"):
        each(book, NAMES, limit=1).reduce(not_durable, "")  # type: ignore[arg-type]
