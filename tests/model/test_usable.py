"""What is not usable as written is found out before anything is called that relies on it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from amends import Compensated, DefinitionError, Engine
from amends.stores.memory import MemoryStore
from tests.model import unusable
from tests.model.worlds import World

WRONG = {
    "pay": "annotations of the undo 'unpay' cannot be read.*TYPE_CHECKING",
    "pay_nobody": "annotations of 'pay_nobody' cannot be read.*TYPE_CHECKING",
    "look_up": "what 'look_up' returns .*IPv4Address is no type that JSON can hold",
    "weigh": "what 'weigh' returns .*Fraction is no type",
    "walk": "the parameter 'items' of 'walk' .*Iterable is no type",
    "plain": "what 'plain' returns .*Plain is no type",
    "call": "the parameter 'then' of 'call' .*Callable is no type",
    "said_no": "the check 'was_said' .*annotated to return a bool. Let it return the result itself, or None",
    "says_no": "the check 'is_said' .*annotated to return a bool",
    "unannotated": "the check 'find_unannotated' .*does not say what it returns",
    "nothing": "the check 'find_nothing' .*returns None, so a check could never say yes",
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("saga", [unusable.asks, unusable.joins, unusable.maps], ids=lambda saga: saga.name)
def test_a_step_is_refused_when_a_body_asks_for_it(saga: Any, name: str) -> None:
    world = World(saga(name))
    unusable.called.clear()
    world.start()
    assert world.machine.cause is not None
    with pytest.raises(DefinitionError, match=WRONG[name]):
        raise DefinitionError(world.machine.cause.message)
    assert world.machine.ended is not None and world.machine.ended.state == "compensated"


def test_whoever_starts_the_run_is_told() -> None:
    async def main() -> None:
        async with Engine(MemoryStore(), sagas=[unusable.asks]) as engine:
            for name in WRONG:
                with pytest.raises(Compensated, match=WRONG[name]):
                    await engine.run(unusable.asks(name), id=name)

    unusable.called.clear()
    asyncio.run(main())
    assert unusable.called == []


@pytest.mark.parametrize("name", sorted(unusable.STEPS.keys() - WRONG.keys()))
def test_what_can_be_meant_is_not(name: str) -> None:
    unusable.STEPS[name].demand_usable()


@pytest.mark.parametrize(
    ("saga", "says"),
    [
        (unusable.unknown, "annotations of 'unknown' cannot be read"),
        (unusable.taken_back, "annotations of the undo 'take_back' cannot be read"),
        (unusable.unkept, "what 'unkept' returns .*Plain is no type"),
    ],
)
def test_a_saga_is_refused_when_the_engine_opens(saga: Any, says: str) -> None:
    async def main() -> None:
        async with Engine(MemoryStore(), sagas=[saga]):
            pass

    with pytest.raises(DefinitionError, match=says):
        asyncio.run(main())
