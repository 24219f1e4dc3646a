"""The fixture `explore`, in a pytest of its own, as users run it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = """
from tests.testing.planted import undos

def test_good(explore):
    assert explore(undos.cancels_by_key(), world=undos.world, faults=1).ok

def test_bad(explore):
    explore(undos.advertises(), world=undos.world)

def test_vacuous(explore):
    explore(undos.cancels_by_key(), world=undos.world, faults=1, kinds=["overtakes"])
"""


@pytest.fixture
def user(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(TESTS)
    return pytester


def test_a_finding_fails_with_its_story_and_nothing_else(user: pytest.Pytester) -> None:
    result = user.runpytest_inprocess("-rA")
    result.assert_outcomes(passed=1, failed=2)
    said = result.stdout.str()
    assert (
        "breaks the rule 'stays_undone' in a world with one fault" in said and "pytest --amends-replay=1.advertises." in said
    )
    assert "these faults never occurred: overtakes" in said
    assert "explorer/search.py" not in said, "no frames of ours"
    assert re.search(r"exploration.*\n\d+ worlds \(by faults", said), "what passed says how much was tried"


def test_a_token_plays_one_world_and_skips_the_others(user: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    token = re.search(r"--amends-replay=(\S+)", user.runpytest_inprocess("-k", "bad").stdout.str())
    assert token is not None
    result = user.runpytest_inprocess(f"--amends-replay={token[1]}", "-rs")
    result.assert_outcomes(failed=1, skipped=2)
    assert "plays a world of saga 'advertises'" in result.stdout.str() and "1 world (" in result.stdout.str()
    stale = user.runpytest_inprocess("--amends-replay=1.advertises.00000000.1-late_effect")
    assert "another version of the saga" in stale.stdout.str()
    garbage = user.runpytest_inprocess("--amends-replay=nonsense")
    garbage.assert_outcomes(failed=3)


def test_a_world_that_was_repaired_says_so(user: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    token = _token_of_a_good_world()
    result = user.runpytest_inprocess(f"--amends-replay={token}", "-k", "good", "-rA")
    result.assert_outcomes(passed=1)
    assert "this world breaks no rule any more" in result.stdout.str()


def _token_of_a_good_world() -> str:
    from amends.testing import Scenario
    from amends.testing.explorer.elsewhere import Elsewhere
    from amends.testing.explorer.path import Deviation
    from amends.testing.explorer.player import playing
    from amends.testing.explorer.token import token_of
    from tests.testing.planted import undos

    scenario = Scenario(undos.cancels_by_key(), undos.world)
    with playing(scenario, Elsewhere(scenario)) as player:
        return token_of(player.follow((Deviation(1, "answer_lost"),)), "cancels_by_key")


def test_the_search_can_go_further_for_a_night(user: pytest.Pytester) -> None:
    result = user.runpytest_inprocess("-k", "good", "-rA", "--amends-faults=2", "--amends-budget=50")
    result.assert_outcomes(passed=1)
    assert re.search(r"50 worlds \(by faults: 1 with 0, \d+ with 1, \d+ with 2\)", result.stdout.str())


def test_it_works_spread_over_processes(user: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent.parent))
    user.runpytest_subprocess("-n", "2", "-p", "no:cacheprovider").assert_outcomes(passed=1, failed=2)
