"""What is made in a saga body and never awaited never happened: the run fails, and names it with its place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from amends import all_of, any_of, each, merges, receive, saga, scatter, sleep, step, within
from tests.model.worlds import World


@step(no_undo="it only asks")
async def ask(name: str) -> str:
    return name


@step(no_undo="it only searches")
async def search(words: str) -> list[str]:
    return [words]


def longest(so_far: int, name: str) -> int:
    return max(so_far, len(name))


@saga
async def forgets_a_join() -> None:
    all_of(ask("a"), any_of(ask("b"), ask("c")))


@saga
async def forgets_a_fan_out() -> None:
    each(ask, ["a"], limit=1)


@saga
async def forgets_a_fold() -> None:
    each(ask, ["a"], limit=1).reduce(longest, 0)


@saga
async def forgets_a_redrive() -> None:
    (await each(ask, [], limit=1)).redrive()


@saga
async def forgets_a_request() -> None:
    scatter([search], "a")


@saga
async def forgets_a_merge() -> None:
    scatter([search], "a").merge(merges.union())


@saga
async def forgets_a_pause() -> None:
    sleep(5)


@saga
async def forgets_a_message() -> None:
    receive(str)


@saga
async def returns_what_it_should_await() -> Any:
    return within(5, ask("a"))


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (forgets_a_join, "all_of(ask('a'), any_of(ask('b'), ask('c')))"),
        (forgets_a_fan_out, "each(ask, …)"),
        (forgets_a_fold, "each(ask, …).reduce(longest, …)"),
        (forgets_a_redrive, "each(ask, …)"),
        (forgets_a_request, "scatter(search('a'))"),
        (forgets_a_merge, "scatter(search('a'))"),
        (forgets_a_pause, "sleep(5)"),
        (forgets_a_message, "receive(str)"),
        (returns_what_it_should_await, "within(ask('a'))"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_is_never_awaited_fails_the_run_and_is_named_with_its_place(made: Any, named: str) -> None:
    world = World(made())
    world.start()
    cause = world.machine.cause
    assert cause is not None and cause.type.endswith("NeverAwaited")
    assert cause.message.startswith(f"{named}, made at {__file__}:") and cause.message.endswith("Put `await` before it.")


async def none() -> AsyncIterator[str]:
    for name in list[str]():
        yield name


@saga
async def forgets_nothing() -> list[str]:
    call = ask("a")
    pause = sleep(1)
    await any_of(receive(str), pause)
    found = await any_of(call, within(5, ask("b")))
    async for name in each(ask, [], limit=1):
        found = name
    await each(ask, none(), limit=1)
    total = await each(ask, none(), limit=1).reduce(longest, 0)
    merged = await scatter([search], "a").merge(merges.first())
    return [str(found), str(total), *merged.value]


def test_what_is_awaited_alone_or_as_a_part_is_not_reported() -> None:
    world = World(forgets_nothing())
    world.start()
    world.time_up(3)
    world.done(5, "a")
    world.broke(7)
    world.done(world.machine.effects.in_flight()[-1].pos, ["x"])
    assert world.machine.state == "completed", world.machine.cause
