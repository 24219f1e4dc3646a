"""The fixture `explore`, in a pytest of its own, as users run it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

TESTS = """
from tests.testing.planted import undos

def test_good(explore):
    assert explore(undos.cancels_by_key(), world=undos.world, faults=1).ok

def test_bad(explore):
    explore(undos.advertises(), world=undos.world)

def test_vacuous(explore):
    explore(undos.cancels_by_key(), world=undos.world, faults=1, kinds=["overtakes"])
"""


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """As at a terminal: with `CI` set, pytest shows what failed in its summary too."""
    monkeypatch.delenv("CI", raising=False)


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
    assert said.count("What happened (seconds, who, what)") == 1, "the story is told once"
    assert said.count("never occurred: overtakes") == 1
    assert "another exception occurred" not in said and "RuleBroken" not in said and "Vacuous" not in said
    assert re.search(r"exploration.*\n\d+ worlds \(by faults", said), "what passed says how much was tried"


def test_a_token_plays_one_world_and_nothing_of_the_others(user: pytest.Pytester) -> None:
    token = _token_of_a_bad_world(user)
    result = user.runpytest_inprocess(f"--amends-replay={token}", "-rA")
    result.assert_outcomes(failed=1, passed=2)
    said = result.stdout.str()
    assert said.count("1 world (by faults: 1 with 1)") == 1 and "0 worlds" in said
    assert "fits no exploration" not in said


def test_a_token_finds_its_exploration_among_several(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        TESTS
        + """
def test_one_after_the_other(explore):
    explore(undos.cancels_by_key(), world=undos.world, faults=1)
    explore(undos.advertises(), world=undos.world)

def test_with_fewer_kinds(explore):
    explore(undos.advertises(), world=undos.world, kinds=["crash_after_commit"], faults=1)
"""
    )
    token = _token_of_a_bad_world(pytester)
    result = pytester.runpytest_inprocess(f"--amends-replay={token}", "-k", "one_after or fewer")
    result.assert_outcomes(failed=1, passed=1)


@pytest.mark.parametrize("options", [(), ("-n", "2", "-p", "no:cacheprovider")], ids=["alone", "spread"])
def test_a_token_that_fits_nothing_fails_and_says_so(
    user: pytest.Pytester, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}")
    stale = user.runpytest_subprocess("--amends-replay=1.advertises.00000000.1-late_effect", *options)
    stale.assert_outcomes(passed=3)
    assert stale.ret == pytest.ExitCode.TESTS_FAILED
    said = stale.stdout.str()
    assert "--amends-replay fits no exploration of these tests" in said and "another version of the saga" in said
    assert "this token is of saga 'advertises', and 'cancels_by_key' is explored here" in said


def test_a_token_without_any_exploration_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_nothing(): pass")
    result = pytester.runpytest_inprocess("--amends-replay=1.advertises.00000000.1-late_effect")
    assert result.ret == pytest.ExitCode.TESTS_FAILED and "no test explores anything" in result.stdout.str()


def test_what_is_no_token_is_refused_at_once(user: pytest.Pytester) -> None:
    garbage = user.runpytest_inprocess("--amends-replay=nonsense")
    assert garbage.ret == pytest.ExitCode.USAGE_ERROR
    assert "'nonsense' is no token" in garbage.stderr.str()


def _token_of_a_bad_world(user: pytest.Pytester) -> str:
    token = re.search(r"--amends-replay=(\S+)", user.runpytest_inprocess("-k", "bad").stdout.str())
    assert token is not None
    return token[1]


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
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}")
    user.runpytest_subprocess("-n", "2", "-p", "no:cacheprovider").assert_outcomes(passed=1, failed=2)
