"""A run costs the same for each thing in it, however many there are, forwards and backwards: counted in calls, by no clock.

After each fact the machine is asked what the one who drives it asks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from amends.engine.papers import letter_row, outcome_of
from amends.model import records as r
from amends.model.machine import Machine
from amends.model.records import Fact
from tests.model import forks, shop

DONE = r.Raw(b'"h"')
NO = r.Failure("Declined", "no")


def asked(machine: Machine, decided: list[r.Decision]) -> None:
    """What a driver asks after each turn."""
    assert machine.state
    for decision in decided:
        if isinstance(decision, r.DeadLettered):
            letter_row(machine, decision, 0.0)
    assert machine.timers.next_due is None or machine.timers.next_due >= 0
    machine.effects.waits_for_runs()
    if machine.returned is not None:
        outcome_of(machine)


def calls_of(count: int, call: Callable[[int], Any], facts: Callable[[int], Iterator[Fact]], end: str) -> int:
    """How many Python calls a run takes that is told these facts."""
    made = call(count)
    args = made.target.signature.encode(made.args, made.kwargs)
    calls = 0

    def counted(*_: Any) -> None:
        nonlocal calls
        calls += 1

    sagas = {each.name: each for each in forks.NESTED}
    machine = Machine(made.target, "run", args, seed=b"", namespace="", sagas=sagas)
    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        asked(machine, machine.receive(r.Started(0.0)))
        for fact in facts(count):
            asked(machine, machine.receive(fact))
    finally:
        sys.setprofile(before)
    assert machine.state == end
    return calls


def there_and_back(count: int) -> Iterator[Fact]:
    for pos in range(1, count + 1):
        yield r.StepDone(0.0, pos, 1, DONE)
    for pos in range(count, 0, -1):
        yield r.UndoDone(0.0, pos, 1)


def all_done(count: int) -> Iterator[Fact]:
    for pos in range(2, count + 2):
        yield r.StepDone(0.0, pos, 1, DONE)


def one_wins_and_the_rest_is_undone(count: int) -> Iterator[Fact]:
    yield from all_done(count)
    for pos in range(3, count + 2):
        yield r.UndoDone(0.0, pos, 1)


def one_wins_and_the_rest_is_in_doubt(count: int) -> Iterator[Fact]:
    """Each loser that cannot be undone is a dead letter, and a person looks at each."""
    yield r.StepDone(0.0, 2, 1, DONE)
    for pos in range(3, count + 2):
        yield r.StepBroke(0.0, pos, 1, NO, "in_doubt", False)
    for letter in range(1, count):
        yield r.Resolved(0.0, letter, "ann", "by hand")


def the_last_fails(count: int) -> Iterator[Fact]:
    for pos in range(2, count + 1):
        yield r.StepDone(0.0, pos, 1, DONE)
    yield r.StepBroke(0.0, count + 1, 1, NO, "failed", False)
    for pos in range(2, count + 1):
        yield r.UndoDone(0.0, pos, 1)


def cancelled_in_flight(count: int) -> Iterator[Fact]:
    yield r.Cancelled(0.0, "ann", "")
    yield from all_done(count)
    for pos in range(2, count + 2):
        yield r.UndoDone(0.0, pos, 1)


def nested_then_taken_back(count: int) -> Iterator[Fact]:
    for pos in range(2, count + 2):
        yield r.ChildDone(0.0, pos, DONE)
    for pos in range(2, count + 2):
        yield r.ChildStuck(0.0, pos, (f"run//{pos}#1",))
    for pos in range(2, count + 2):
        yield r.ChildClosed(0.0, pos, "compensated", NO, ())


def all_told(count: int) -> Iterator[Fact]:
    for _ in range(count):
        yield r.Told(0.0, "str", DONE, "ann")


LONG: dict[str, tuple[Callable[[int], Any], Callable[[int], Iterator[Fact]], str]] = {
    "steps, one after the other, and back": (shop.reserves, there_and_back, "compensated"),
    "a barrier": (forks.books, all_done, "completed"),
    "a barrier that fails at the last": (forks.books, the_last_fails, "compensated"),
    "a barrier cancelled in flight": (forks.books, cancelled_in_flight, "compensated"),
    "one winner, and losers that took effect": (forks.one_of, one_wins_and_the_rest_is_undone, "completed"),
    "one winner, and losers that nobody can undo": (forks.one_of_strict, one_wins_and_the_rest_is_in_doubt, "completed"),
    "nested runs that are taken back": (forks.legs_then_stop, nested_then_taken_back, "compensated"),
    "messages": (forks.ears, all_told, "completed"),
}


@pytest.mark.parametrize("name", LONG)
def test_calls_grow_with_what_is_in_a_run_and_no_faster(name: str) -> None:
    call, facts, end = LONG[name]
    calls_of(10, call, facts, end)
    assert calls_of(2000, call, facts, end) < calls_of(200, call, facts, end) * 13
