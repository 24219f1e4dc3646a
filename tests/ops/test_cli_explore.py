"""`amends explore`, as a user runs it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner, Result

from amends.ops import cli_explore
from amends.ops.cli import main
from amends.testing import Scenario
from amends.testing.explorer.plan import BUDGET
from tests.testing import own_sagas
from tests.testing.planted import undos

GOOD = Scenario(undos.cancels_by_key(), undos.world)
EMPTY = Scenario(undos.cancels_by_key(), undos.world, kinds=frozenset({"overtakes"}))
COMPENSATES = Scenario(own_sagas.fails_at_the_end("ada"), own_sagas.world, reaches=("compensated",))
SOMETHING = 17

HERE = "tests.ops.test_cli_explore"
BAD = ("tests.testing.planted.undos:advertises", "--processes", "1")


def run(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["explore", *words])
    assert result.exit_code == code, (result.exit_code, result.output, result.exception)
    return result


def test_a_finding_is_a_story_and_an_exit_code() -> None:
    said = run(*BAD, code=22)
    assert said.stderr == "" and "breaks the rule 'stays_undone' in a world with one fault" in said.stdout
    assert max(len(line) for line in said.stdout.splitlines()) <= 100
    replay = re.search(r"amends explore (\S+) --replay (\S+)", said.stdout)
    assert replay is not None and replay[1] == BAD[0]
    again = run(replay[1], "--replay", replay[2], code=22).stdout
    assert (
        again.split("\n\n1 world ")[0]
        == said.stdout.split(f"\n\n{said.stdout.rpartition(' worlds')[0].split()[-1]} worlds")[0]
    )


def test_the_command_that_replays_holds_the_input() -> None:
    given = '{"happy": false}'
    said = run("tests.testing.planted.undos:forgets_an_undo", "--input", given, "--processes", "1", code=22).stdout
    assert f"amends explore tests.testing.planted.undos:forgets_an_undo --input '{given}' --replay 1." in said


def test_a_scenario_holds_all_that_is_needed() -> None:
    assert "worlds (by faults: 1 with 0" in run(f"{HERE}:GOOD", "--faults", "1").stdout
    assert "worlds" in run(f"{HERE}:GOOD", "--faults", "1", "--store", "sqlite").stdout


def test_what_proves_nothing_says_so() -> None:
    said = run(f"{HERE}:EMPTY", "--faults", "1", code=20)
    assert said.stdout == "" and said.stderr.startswith("amends: nothing was proven. these faults never occurred: overtakes")
    assert "(by faults: 1 with 0)" in said.stderr
    told = json.loads(run(f"{HERE}:EMPTY", "--faults", "1", "--json", code=20).stdout)
    assert told["ok"] is False and told["finding"] is None and "never occurred: overtakes" in told["vacuous"]


def test_a_scenario_says_what_it_reaches() -> None:
    assert "compensated" in run(f"{HERE}:COMPENSATES", "--faults", "1").stdout


def test_progress_of_a_part_is_shown_while_it_plays_what_all_parts_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_explore, "OFTEN", 0.0)
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
    said = run(f"{HERE}:GOOD", "--faults", "2", "--shards", "2/2", "--processes", "1").stderr
    assert "playing the worlds that all parts have in common" in said and "worlds, now with 2 faults" in said


def test_the_command_that_replays_holds_the_store() -> None:
    assert f"amends explore {BAD[0]} --store sqlite --replay 1." in run(*BAD, "--store", "sqlite", code=22).stdout


def test_the_command_has_the_budget_of_the_function() -> None:
    assert f"[default: {BUDGET:,}]" in run("--help").stdout


def test_json_tells_what_the_story_tells() -> None:
    told = json.loads(run(*BAD, "--json", code=22).stdout)
    assert (told["store"], told["strategy"], told["budget"], told["seed"]) == ("memory", "exhaustive", BUDGET, None)
    found = told["finding"]
    assert found["cause"]["type"] == "ConnectionResetError" and found["value"] is None
    assert found["kept"] == [] and found["letters"] == []
    assert found["breaches"][0]["sentence"].startswith("What was undone stays undone")


def test_parts_and_processes_go_together() -> None:
    words = [f"{HERE}:GOOD", "--json", "--shards", "2/2", "--processes"]
    alone, shared = (json.loads(run(*words, processes).stdout) for processes in ("1", "2"))
    assert (alone["worlds"], alone["fired"]) == (shared["worlds"], shared["fired"])


def test_what_differs_from_world_to_world_proves_nothing() -> None:
    own_sagas.moods.clear()
    said = run("tests.testing.own_sagas:moody", "--faults", "1", "--processes", "2", code=20)
    assert said.stdout == "" and "nothing was proven. the same faults led to another world" in said.stderr
    assert said.stderr.count("the same faults led to another world") == 1


def test_json_is_one_document() -> None:
    found = json.loads(run(*BAD, "--json", code=22).stdout)
    assert found["ok"] is False and found["finding"]["breaches"][0]["rule"] == "stays_undone"
    assert json.loads(run(f"{HERE}:GOOD", "--faults", "1", "--json").stdout)["finding"] is None


def test_shards_add_up() -> None:
    def worlds(*words: str) -> Any:
        return json.loads(run(f"{HERE}:GOOD", "--faults", "1", "--json", *words).stdout)["worlds"]

    assert sum(worlds("--shards", f"{k}/3") for k in (1, 2, 3)) == worlds("--processes", "2")


@pytest.mark.parametrize("words", [["--strategy", "random"], ["--strategy", "hypothesis"]])
def test_luck_needs_a_budget(words: list[str]) -> None:
    assert "400 worlds" in run(f"{HERE}:GOOD", "--budget", "400", "--shards", "1/1", "--seed", "3", *words).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing.here:saga"], "no module 'nothing.here'"),
        ([HERE], "write MODULE:NAME"),
        ([f"{HERE}:NOTHING"], "has no 'NOTHING'"),
        ([f"{HERE}:SOMETHING"], "is int; name a saga, or a Scenario"),
        ([f"{HERE}:GOOD", "--input", "{}"], "--input is for a saga"),
        ([BAD[0], "--input", "{"], "are not a JSON object"),
        ([BAD[0], "--shards", "4/3"], "write K/N"),
        ([BAD[0], "--replay", "nonsense"], "no token of this version"),
    ],
)
def test_usage_errors_say_what_to_write(words: list[str], said: str) -> None:
    assert said in run(*words, code=2).stderr.replace("\n", " ")


def test_what_the_engine_refuses_is_said() -> None:
    assert "who" in run("tests.testing.own_sagas:trip", code=2).stderr
