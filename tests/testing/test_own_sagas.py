"""The ring under the fault explorer: every saga in every world with two faults, the small ones with three, on both stores."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amends.testing import explore
from amends.testing.explorer.scenario import StoreKind
from tests.testing.own_sagas import SCENARIOS

NEVER_COMPLETE = {"fails at the end", "keeps", "asks, refused"}


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_two_faults_break_a_rule(name: str, store: StoreKind) -> None:
    exploration = explore(
        replace(SCENARIOS[name], store=store), faults=2, reaches=() if name in NEVER_COMPLETE else ("completed",)
    )
    assert exploration.ok and not exploration.tally.sampled and not exploration.tally.elsewhere


@pytest.mark.parametrize("name", ["pays", "draws", "sends, not happened"])
def test_no_three_faults_break_a_rule(name: str) -> None:
    exploration = explore(SCENARIOS[name], faults=3)
    assert exploration.ok and not exploration.tally.sampled and exploration.tally.levels[3] >= 40


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_together_they_reach_every_end_by_every_fault(store: StoreKind) -> None:
    """Each scenario is played with one fault: what none of them meets, nobody has explored."""
    ends: set[str] = set()
    fired: set[str] = set()
    for scenario in SCENARIOS.values():
        tally = explore(replace(scenario, store=store), faults=1, reaches=()).tally
        ends |= set(tally.ends)
        fired |= set(tally.fired)
    assert ends == {"completed", "compensated", "partly_compensated", "needs_attention", "abandoned"}
    assert {"unavailable", "deadline_before", "deadline_in_call", "deadline", "message_late", "broken"} <= fired
