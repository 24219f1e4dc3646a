"""Joins, nested runs and fan-out under the fault explorer: the small ones with two faults, all of them with one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amends.testing import explore
from amends.testing.explorer.scenario import StoreKind
from tests.testing import own_families, own_joins

SCENARIOS = own_joins.SCENARIOS | own_families.SCENARIOS
NEVER_COMPLETE = own_joins.NEVER_COMPLETE | own_families.NEVER_COMPLETE


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_fault_breaks_a_rule(name: str, store: StoreKind) -> None:
    reaches = () if name in NEVER_COMPLETE else ("completed",)
    exploration = explore(replace(SCENARIOS[name], store=store), faults=1, reaches=reaches)
    assert exploration.ok and not exploration.tally.elsewhere
