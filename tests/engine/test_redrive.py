"""A fan-out that is redriven: under the same keys, except for those that were cancelled, of which nothing can come."""

from __future__ import annotations

import asyncio

from amends import Engine, Retry, current, each, saga, step
from amends.stores.memory import MemoryStore

tried: list[str] = []
cancelled: set[str] = set()
fails: list[Exception] = []


@step(retry=Retry(attempts=1))
async def attempt(what: str) -> str:
    key = current().key
    tried.append(key)
    if key in cancelled:
        raise ValueError("this key was cancelled")
    if fails:
        raise fails.pop()
    return what


@attempt.undo
async def call_off(done: str | None) -> None:
    cancelled.add(current().forward.key)


@saga
async def twice() -> list[str]:
    first = await each(attempt, ["a"], limit=1, tolerate=1)
    return list((await first.redrive()).values())


def keys_tried(first: Exception) -> list[str]:
    tried.clear()
    cancelled.clear()
    fails[:] = [first]

    async def main() -> None:
        async with Engine(MemoryStore(), sagas=[twice]) as engine:
            assert await engine.run(twice(), id="x") == ["a"]

    asyncio.run(main())
    return tried


def test_what_was_refused_is_tried_again_under_its_key() -> None:
    first, second = keys_tried(ValueError("not now"))
    assert first == second


def test_what_was_in_doubt_and_cancelled_is_tried_under_a_new_key() -> None:
    first, second = keys_tried(ConnectionResetError("no answer"))
    assert first != second and cancelled == {first}
