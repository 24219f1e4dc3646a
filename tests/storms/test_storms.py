"""A short storm of real processes, and the controls: with a rule switched off, the same audit must find something."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.storms.audit import audit
from tests.storms.scenes import CONTROLS, SCENES
from tests.storms.stage import staged
from tests.storms.storm import Plan
from tests.storms.worker import Place


def test_nothing_is_lost_in_a_storm(tmp_path: Path) -> None:
    place = Place(tmp_path, lease=0.3, durability="relaxed")
    plan = Plan(seed=random.randrange(10**6), kills=80, zombies=2, zombie_births=0.15)
    print(f"seed {plan.seed}")
    tally = staged(place, plan)
    found = audit(place)
    assert (found.findings, tally.wrong) == ([], []), plan
    assert "Traceback" not in place.log.read_text()
    assert found.counts["acknowledged"] > 0 and found.counts["Recovered"] > 0
    assert found.counts["joins"] > 0 and found.counts["nested runs"] > 0


@pytest.mark.parametrize("scene", SCENES)
def test_the_audit_sees_a_broken_rule_and_nothing_else(scene: str, tmp_path: Path) -> None:
    place = Place(tmp_path, lease=0.3, durability="relaxed")
    tally = staged(place, scene)
    found = audit(place)
    assert tally.wrong == []
    names = CONTROLS.get(scene, set())
    assert found.names >= names if names else found.findings == []
