"""What is left of dead workers: nothing of it is heard before their world is judged, and none of it holds the explorer up."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from amends import DefinitionError, saga, step
from amends.testing import Ending, World, always, explore
from amends.testing.clock import Clock, Loop
from amends.testing.explorer import lockstep
from amends.testing.world import Effect

world = World()
desk = world.service("desk")
said: list[str] = []
lock = threading.Lock()

CRASHES: dict[str, Any] = {"world": world, "faults": 1, "kinds": ["crash_after_effect"]}


@step
def tidies_up() -> str:
    try:
        return str(desk.sync.do("note"))
    finally:
        desk.sync.check()
        said.append("in a thread")


@tidies_up.undo
def tears_up(note: str | None) -> None:
    desk.sync.undo(note)


@step
async def tidies_up_too() -> str:
    try:
        return str(await desk.do("note"))
    except GeneratorExit:
        await desk.undo()
    finally:
        said.append("in a task")


@tidies_up_too.undo
async def tears_up_too(note: str | None) -> None:
    await desk.undo(note)


@saga
async def writes_in_a_thread() -> str:
    return await tidies_up()


@saga
async def writes() -> str:
    return await tidies_up_too()


@step(timeout=5, no_undo="it does nothing")
def waits_for_its_lock() -> None:
    with lock:
        return


@step(no_undo="it does nothing")
def holds_on() -> None:
    try:
        desk.sync.do("note")
    finally:
        with lock:
            said.append("at last")


@saga
async def blocks() -> None:
    await waits_for_its_lock()


@saga
async def blocks_when_dead() -> None:
    await holds_on()


@pytest.fixture(autouse=True)
def silence() -> None:
    said.clear()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(lockstep, "PATIENCE", 0.05)
    with lock:
        yield lock


def test_a_dead_thread_is_refused_what_it_still_asks_for() -> None:
    assert explore(writes_in_a_thread(), **CRASHES).tally.fired == {"crash_after_effect": 1}


@pytest.mark.parametrize("call", [writes_in_a_thread(), writes()], ids=["thread", "task"])
def test_what_a_dead_worker_still_says_nobody_hears_before_the_next_world(call: Any) -> None:
    """Of two workers only the second has ended its step; and what the first tries as it is cleared away changes nothing."""
    heard: list[list[str]] = []
    effects: list[Effect] = []

    def listens(ending: Ending) -> None:
        heard.append(said.copy())
        effects.extend(ending.effects)

    explore(call, **CRASHES, expect=[always(listens)], setup=said.clear)
    assert [len(words) for words in heard] == [1, 1]
    assert [effect.net for effect in effects] == [1, 1]


def test_a_thread_that_is_blocked_for_good_is_an_error(held: Any) -> None:
    with pytest.raises(DefinitionError, match=r"'waits_for_its_lock' has held its thread for 0\.05 seconds of real time"):
        explore(blocks(), world=world)


def test_a_dead_thread_that_does_not_end_is_an_error(held: Any) -> None:
    with pytest.raises(DefinitionError, match="'holds_on' has held its thread"):
        explore(blocks_when_dead(), **CRASHES)


def test_who_interrupts_an_exploration_ends_it() -> None:
    async def is_interrupted() -> None:
        try:
            await loop.create_future()
        finally:
            raise KeyboardInterrupt

    clock = Clock()
    loop = Loop(clock)
    loop.create_task(is_interrupted())
    clock.run(horizon=1, most=10)
    with pytest.raises(KeyboardInterrupt):
        loop.bury()
