"""Joins, nested runs and fan-out under the fault explorer: one fault, and as many pairs of faults as there is time for.

`python -m tests.testing` plays every pair, on both stores.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from amends.model.records import State
from amends.testing import Scenario, explore
from tests.testing import own_families, own_joins

SCENARIOS = own_joins.SCENARIOS | own_families.SCENARIOS
NEVER_COMPLETE = own_joins.NEVER_COMPLETE | own_families.NEVER_COMPLETE

ENOUGH = 200
"""Worlds of one saga: all with one fault are among them."""

IN_SQL = (
    "either",
    "two of three",
    "catches",
    "fails around",
    "two pairs",
    "nests in nested",
    "sends in a nested run",
    "each",
)
"""Those that a store has to do most for: runs that it starts, frees and tells."""


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_fault_breaks_a_rule(name: str) -> None:
    exploration = explore(SCENARIOS[name], faults=2, budget=ENOUGH, reaches=reaches(name))
    assert not exploration.tally.elsewhere and all(faults == 2 for faults, _, _ in exploration.tally.sampled)


@pytest.mark.parametrize("name", IN_SQL)
def test_no_fault_breaks_a_rule_in_sqlite(name: str) -> None:
    exploration = explore(replace(with_one_fault(name), store="sqlite"), faults=1, reaches=reaches(name))
    assert exploration.ok and not exploration.tally.sampled


def test_branches_are_done_in_another_order_too() -> None:
    fired = explore(with_one_fault("two of three"), faults=1).tally.fired
    assert (
        fired["overtakes"] == 3
        and {"deadline_before", "deadline_in_call"} <= explore(SCENARIOS["in time"], faults=1).tally.fired.keys()
    )


def with_one_fault(name: str) -> Scenario:
    """A scenario, without what it expects of an end that it takes two faults to come to."""
    scenario = SCENARIOS[name]
    if name != "two of three":
        return scenario
    return replace(scenario, expect=tuple(each for each in scenario.expect if each is not own_joins.CLEAN))


def reaches(name: str) -> tuple[State, ...]:
    """The states that some world must end in."""
    return () if name in NEVER_COMPLETE else ("completed",)
