"""Every story of a world of the fault explorer can be told, at each of its turns, and ends with nothing open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from amends.model.records import CLOSED
from amends.ops.plain import plain_story
from amends.ops.story import tell
from amends.ops.watching import under_way
from amends.ops.why import Look, explain
from amends.stores.port import Run
from amends.testing import Ending, always, explore
from amends.testing.explorer.account import Account
from tests.ops.pages import drawn
from tests.testing import own_families

SCENARIOS: dict[str, Any] = own_families.SCENARIOS


def can_be_told(ending: Ending) -> bool:
    """Tell each run of a world, and ask at each turn how it stands."""
    for account in ending.accounts.values():
        for turns in range(len(account.story) + 1):
            _tell(account, turns)
        _look_at_the_end(account)
    return True


def _tell(account: Account, turns: int) -> None:
    row, story = account.row, tell(account.story[:turns])
    assert list(under_way(row.id, story, story.now + 1))
    assert explain(Look(_still_open(row), story, (), (), False, story.start + story.now, "root")).text


def _still_open(row: Run) -> Run:
    return Run(row.id, row.saga, row.input, row.seed, row.created_at, parent=row.parent)


def _look_at_the_end(account: Account) -> None:
    row, story = account.row, tell(account.story)
    assert drawn(account.story, state=row.state, parent=row.parent, verbose=True)
    assert plain_story(row.id, story, {}, story.start + story.now, whole=True)
    if account.state not in CLOSED:
        waiting = {letter.no for letter in account.letters if letter.acted is None and letter.kind != "damaged"}
        assert set(story.letters) == waiting, (account.id, story.letters, waiting)
        return
    assert not story.open, (account.id, [(line.pos, line.what, line.outcome, line.undo) for line in story.open])
    assert not story.waiting and not story.letters, account.id
    undecided = [line.what for line in story.steps.values() if line.rule and line.rule.decided is None]
    assert not undecided or account.row.parent, (account.id, undecided)
    if story.state in CLOSED:
        left = [line.pos for line in story.steps.values() if "being" in line.undo or "being" in line.outcome]
        assert not left, (account.id, left)


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_story_of_a_world_without_faults_can_be_told(name: str) -> None:
    explored = explore(replace(SCENARIOS[name], expect=(always(can_be_told),)), reaches=(), faults=0)
    assert explored.ok, str(explored)


@pytest.mark.parametrize("name", ["each, then fails"])
def test_each_story_of_a_world_with_a_fault_can_be_told(name: str) -> None:
    explored = explore(replace(SCENARIOS[name], expect=(always(can_be_told),)), reaches=(), faults=1, budget=60)
    assert explored.ok, str(explored)
