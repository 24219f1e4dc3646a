"""What may be a step or a saga, and what is refused with the cure."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from amends import Call, DefinitionError, Retry, current, receive, saga, sleep, sleep_until, step
from amends.errors import EngineClosed, ForeignAwait
from amends.model import definition
from tests.model import shop


def free(x: int) -> int:
    return x


async def gen() -> AsyncIterator[int]:
    yield 1


class Holder:
    def method(self) -> None: ...

    @staticmethod
    def static() -> None: ...


def local() -> Any:
    async def inner() -> None: ...

    return inner


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: x, "lambda"),
        (local(), "inside a function"),
        (functools.partial(free, 1), "partial"),
        (Holder().method, "not a plain function"),
        (Holder.method, "belongs to a class"),
        (Holder.static, "belongs to a class"),
        (gen, "generator"),
        (len, "not a plain function"),
    ],
)
@pytest.mark.parametrize("decorate", [step, saga])
def test_what_cannot_be_found_again_is_refused(decorate: Any, function: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        decorate(function)


def make(source: str, file: str) -> Any:
    space: dict[str, Any] = {"__name__": "tests.made", "step": step}
    exec(compile(source, file, "exec"), space)
    return space


def test_two_definitions_under_one_name_are_refused_but_loading_again_is_not() -> None:
    one = "@step\nasync def twin(): ...\n"
    make(one, "a.py")
    make(one, "a.py")
    make("\n\n" + one, "next_cell.py")
    with pytest.raises(DefinitionError, match="two definitions"):
        make(one + "\n\n" + one, "b.py")
    assert definition._defined


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"timeout": "1"},
        {"idempotent": "maybe"},
        {"on_rollback": "maybe"},
        {"no_undo": " "},
    ],
)
def test_options_out_of_range_are_refused(options: Any) -> None:
    with pytest.raises(DefinitionError):
        step(**options)


@pytest.mark.parametrize(
    "options",
    [{"attempts": 0}, {"attempts": 10**6}, {"first": -1}, {"factor": 0.5}, {"most": float("inf")}, {"jitter": 2}],
)
def test_a_retry_out_of_range_is_refused(options: Any) -> None:
    with pytest.raises(DefinitionError, match="Retry"):
        Retry(**options)


def test_pauses_grow_are_bounded_and_repeat() -> None:
    retry = Retry(attempts=9, first=1, factor=2, most=20, jitter=0)
    assert [retry.pause(n, "k") for n in (1, 2, 3, 5, 6, 5000)] == [1, 2, 4, 16, 20, 20]
    spread = Retry(first=1, jitter=0.5)
    assert 0.5 < spread.pause(1, "k") <= 1 and spread.pause(1, "k") == spread.pause(1, "k") != spread.pause(1, "other")


def test_a_step_has_one_undo_and_one_check() -> None:
    with pytest.raises(DefinitionError, match="undo already"):
        shop.reserve.undo(shop.release)
    with pytest.raises(DefinitionError, match="check already"):
        shop.wire.check(shop.find_wire)
    with pytest.raises(DefinitionError, match="no_undo"):
        shop.look.undo(free)
    with pytest.raises(DefinitionError, match="one argument"):
        shop.bare.undo(local())
    with pytest.raises(DefinitionError, match="arguments of step"):
        shop.bare.check(free)  # type: ignore[arg-type]


def test_a_call_is_a_value() -> None:
    call = shop.reserve("a", qty=2)
    assert call == shop.reserve("a", qty=2) != shop.reserve("a", qty=3)
    assert isinstance(call, Call) and repr(call) == "reserve('a', qty=2)" and hash(call) == hash(shop.reserve("a", qty=2))


def test_outside_a_saga_functions_just_run() -> None:
    async def main() -> None:
        assert await shop.reserve("a", 1) == "hold-a-1"
        assert await shop.look() == 0
        assert await shop.falsy(2) == [0, 0]
        assert await shop.look.using(timeout=3)() == 0

    asyncio.run(main())


def test_what_is_for_bodies_only_says_so() -> None:
    async def nap() -> None:
        await sleep(1)

    with pytest.raises(ForeignAwait, match="saga body only"):
        asyncio.run(nap())
    with pytest.raises(EngineClosed):
        current()
    for wrong in (-1, float("nan"), "1", True):
        with pytest.raises(DefinitionError):
            sleep(wrong)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="zone"):
        sleep_until(datetime(2026, 1, 1))
    with pytest.raises(DefinitionError):
        receive(str, timeout=timedelta(seconds=-1))


def test_a_saga_must_be_async() -> None:
    with pytest.raises(DefinitionError, match="async def"):
        saga(free)  # type: ignore[arg-type]
