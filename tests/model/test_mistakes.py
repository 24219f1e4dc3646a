"""What is easily got wrong with fan-outs and requests to several is refused at the call, and says what to do instead."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from amends import (
    Agreement,
    DefinitionError,
    Gathered,
    Joined,
    Partial,
    all_of,
    any_of,
    each,
    saga,
    scatter,
    sleep,
    step,
    vote,
)
from amends.errors import NoAgreement, NotStorable, TooFewInTime
from amends.model.chunk import NAME
from amends.model.codec import shape_of
from amends.model.saga import Saga
from tests.model.worlds import World


@step
async def pay(cents: int) -> int:
    return cents


@step(no_undo="it only asks")
async def ask(name: str) -> str:
    return name


@step(no_undo="it only asks")
async def compare(one: str, other: str) -> str:
    return one + other


@step(no_undo="it only asks")
async def nothing() -> str:
    return ""


async def plain(name: str) -> str:
    return name


async def names() -> AsyncIterator[str]:
    yield "a"


async def later() -> list[str]:
    return ["a"]


MISTAKES: list[tuple[Any, str]] = [
    (lambda: each(ask("a"), ["a"], limit=1), "not ask\\('a'\\). Give it without calling it: ask."),
    (lambda: each(plain, ["a"], limit=1), "Put @step on a function at the top level"),
    (lambda: each(ask.using(timeout=1), ["a"], limit=1), "Set its options where it is defined"),
    (lambda: each(compare, ["a"], limit=1), "one argument, the item.*'other'.*a dataclass or a tuple"),
    (lambda: each(nothing, ["a"], limit=1), "one argument, the item"),
    (lambda: each(ask, ["a"], limit="1"), "limit='1'"),
    (lambda: each(ask, ["a"], limit=True), "limit=True"),
    (lambda: each(ask, ["a"], limit=1, tolerate="5%"), "tolerate='5%'.*a whole number of items, or a fraction below 1"),
    (lambda: each(ask, ["a"], limit=1, tolerate=None), "tolerate=None"),
    (lambda: each(ask, ["a"], limit=1, tolerate=2.0), "tolerate=2.0"),
    (lambda: each(ask, "abc", limit=1), "not 'abc'"),
    (lambda: each(ask, names, limit=1), "is async.*Call it"),
    (lambda: each(ask, later, limit=1), "is async.*Call it"),
    (lambda: all_of(each(ask, names(), limit=1), ask("b")), "cannot be a branch. Put it into a saga"),
    (lambda: any_of(each(pay, [1], limit=1), sleep(1)), "step 'pay' has no undo"),
    (lambda: scatter(ask, "a"), "as a list, or as a mapping"),
    (lambda: scatter([ask("a")], "a"), "Give it without calling it: ask."),
    (lambda: scatter([plain], "a"), "Put @step on a function"),
    (lambda: scatter([compare], "a"), "one argument, the request"),
    (lambda: scatter([], "a"), "takes 1 to 10000 branches, not 0"),
]


@pytest.mark.parametrize(("made", "says"), MISTAKES)
def test_it_is_refused_at_the_call(made: Any, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        made()


def text() -> Iterator[Any]:
    yield "ab"


def numbers() -> Iterator[Any]:
    yield 1


@saga
async def reads(pages: str) -> None:
    await each(ask, {"text": text, "numbers": numbers}[pages], limit=1)


@pytest.mark.parametrize("pages", ["text", "numbers"])
def test_pages_are_lists_of_items(pages: str) -> None:
    world = World(reads(pages))
    world.start()
    assert world.machine.cause is not None
    assert "must give pages, each a list of items" in world.machine.cause.message


@saga
async def child(name: str) -> str:
    return name


@saga
async def calls_child() -> None:
    await child("a")


def test_the_saga_to_be_added_to_the_engine_is_the_users_own() -> None:
    world = World(calls_child())
    world.saga = Saga(calls_child.function, f"calls_child{NAME}", None)
    world.machine = world._fresh()
    world.start()
    assert world.machine.cause is not None and world.machine.cause.message.endswith("sagas=[calls_child, child]).")


@saga
async def compares_objects() -> str:
    return (await vote(ask("a"), agree=1, key=lambda _: object())).value


def test_a_key_that_cannot_be_compared_says_so() -> None:
    world = World(compares_objects())
    world.start()
    world.done(2, "a")
    assert world.machine.cause is not None
    assert "a vote cannot compare <object" in world.machine.cause.message and "key=" in world.machine.cause.message


KEPT_INSTEAD: list[tuple[Any, Any, str]] = [
    (Joined[str], Joined((), ()), "`.ok`"),
    (Agreement[str], Agreement("a", 1, (), Joined((), ())), "`.value`"),
    (Gathered[str], Gathered({}, {}, ()), r"dict\(got.answers\)"),
    (Partial[str], object.__new__(Partial), "`.ok`, `.done`"),
]


@pytest.mark.parametrize(("annotation", "value", "says"), KEPT_INSTEAD, ids=lambda value: type(value).__name__)
def test_what_came_of_a_join_is_for_the_body_and_what_to_return_is_said(annotation: Any, value: Any, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        shape_of(annotation)
    with pytest.raises(NotStorable, match=says):
        shape_of(Any).encode(value)


def test_a_join_of_which_nothing_failed_says_why_it_failed_all_the_same() -> None:
    assert str(TooFewInTime("too few", [], None)) == "too few: AmendsError: " + TooFewInTime.otherwise
    assert TooFewInTime.otherwise != NoAgreement.otherwise
