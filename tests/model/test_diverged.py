"""Code that changed under an open run: found on replay, shown as a small diff, and nothing is asked of the world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from amends import sleep
from amends.errors import Diverged
from amends.model.replay import replay
from tests.model import shop
from tests.model.worlds import World


async def same(sku: str, card: str) -> str:
    """The same work in other words: fine."""
    hold, price = await shop.reserve(sku=sku, qty=1), 50 * 2
    paid = await shop.charge(card, price)
    await shop.look()
    return f"{hold}/{paid.id}"


async def gained(sku: str, card: str) -> str:
    await shop.look()
    return await same(sku, card)


async def lost(sku: str, card: str) -> str:
    await shop.charge(card, 100)
    return ""


async def reordered(sku: str, card: str) -> str:
    await shop.charge(card, 100)
    return await shop.reserve(sku, 1)


async def other_input(sku: str, card: str) -> str:
    await shop.reserve(sku, 2)
    return await same(sku, card)


async def ends_early(sku: str, card: str) -> str:
    return await shop.reserve(sku, 1)


async def raises(sku: str, card: str) -> str:
    await shop.reserve(sku, 1)
    raise ValueError("new")


async def waits(sku: str, card: str) -> str:
    await shop.reserve(sku, 1)
    await sleep(1)
    return ""


CHANGES: list[tuple[Callable[..., Awaitable[str]], int, str, str]] = [
    (gained, 1, "reserve", "look"),
    (lost, 1, "reserve", "charge"),
    (reordered, 1, "reserve", "charge"),
    (other_input, 1, '"qty":1', '"qty":2'),
    (ends_early, 2, "charge", "Ended"),
    (raises, 2, "charge", "RollbackBegan"),
    (waits, 2, "charge", "TimerWanted"),
]


def half_way() -> World:
    world = World(shop.order("a", "ok"))
    world.start()
    world.done(1, "hold")
    return world


def replayed(world: World, code: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(shop.order, "function", code)
    again = World(shop.order("a", "ok"))
    try:
        replay(again.machine, world.turns)
    finally:
        again.machine.close()
    return again


@pytest.mark.parametrize(("code", "turn", "recorded", "asked"), CHANGES, ids=lambda each: getattr(each, "__name__", "-"))
def test_changed_code_is_found(code: Any, turn: int, recorded: str, asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Diverged) as caught:
        replayed(half_way(), code, monkeypatch)
    assert caught.value.turn == turn and recorded in caught.value.recorded and asked in caught.value.asked
    assert "key" not in str(caught.value), "a key differs because something else does, and says nothing to a reader"


def test_a_key_that_differs_alone_is_shown() -> None:
    world, again = half_way(), World(shop.order("a", "ok"), "run-2")
    with pytest.raises(Diverged, match=r"recorded: StepWanted.*key='(?s:.*)asked: .*key='"):
        replay(again.machine, world.turns)
    again.machine.close()


def test_a_renamed_step_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    world = half_way()
    monkeypatch.setattr(shop.charge, "name", "pay")
    with pytest.raises(Diverged, match="charge"):
        replayed(world, shop.order.function, monkeypatch)


def test_the_same_work_in_other_words_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [effect.step.name for effect in replayed(half_way(), same, monkeypatch).machine.effects.in_flight()] == ["charge"]


async def leaves_sooner(sku: str, card: str) -> str:
    await shop.reserve(sku, 1)
    raise KeyError("new")


async def leaves(sku: str, card: str) -> str:
    await shop.reserve(sku, 1)
    raise ValueError("old")


def test_failing_for_another_reason_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shop.order, "function", leaves)
        world = half_way()
    with pytest.raises(Diverged) as caught:
        replayed(world, leaves_sooner, monkeypatch)
    assert "ValueError" in caught.value.recorded and "KeyError" in caught.value.asked


def test_the_cause_stays_as_it_was_told_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same error in edited code has another traceback; the story of the run does not change with it."""

    async def edited(sku: str, card: str) -> str:
        await shop.reserve(sku, 1)
        raise ValueError("in other words")

    with monkeypatch.context() as patch:
        patch.setattr(shop.order, "function", leaves)
        world = half_way()
    again = replayed(world, edited, monkeypatch)
    assert again.machine.cause == world.machine.cause
    assert world.machine.cause is not None and world.machine.cause.message == "old"


def test_more_than_was_asked_and_less_than_was_asked_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    world = half_way()
    for change in (lambda turn: turn[:-1], lambda turn: [*turn, turn[-1]]):
        again = World(shop.order("a", "ok"))
        with pytest.raises(Diverged) as caught:
            replay(again.machine, [world.turns[0], change(world.turns[1])])
        again.machine.close()
        assert "nothing more" in (caught.value.recorded, caught.value.asked)
