"""The command line, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import amends
from amends.ops.cli import main
from tests.model import shop


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AMENDS_STORE", str(tmp_path / "a.db"))
    monkeypatch.setenv("NO_COLOR", "1")
    shop.log.clear()

    def call(*words: str, code: int = 0, given: str | None = None) -> Result:
        result = CliRunner().invoke(main, list(words), input=given)
        assert result.exit_code == code, (result.exit_code, result.output, result.exception)
        return result

    return call


GOOD = ("run", "tests.model.shop:order", "--input", '["a","ok"]', "--id", "good")
BAD = ("run", "tests.model.shop:order", "--input", '{"sku":"a","card":"bad"}', "--id", "bad")
OPAQUE = ("run", "tests.engine.sagas:one", "--input", '["opaque"]', "--id", "x")


def test_a_run_prints_its_value_and_nothing_else_on_stdout(run: Any) -> None:
    assert run(*GOOD).stdout == '"hold-a-1/ch-ok"\n'
    assert run(*GOOD).stdout == '"hold-a-1/ch-ok"\n'


def test_exit_codes_say_how_it_ended(run: Any) -> None:
    refused = run(*BAD, code=10)
    assert refused.stdout == "" and "Declined: no money" in refused.stderr
    run(*OPAQUE, code=11)
    run("run", "tests.model.shop:order", "--input", '["b","ok"]', "--id", "bad", code=4)
    run("run", "tests.model.shop:patient", "--id", "p", "--timeout", "0.05", code=14)
    run("show", "none", code=3)
    run("dlq", "show", "none#1", code=3)
    run("cancel", "bad", "--yes", "--reason", "late", code=4)
    run("ps", "--limit", "0", code=2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "tests.model.shop"), "MODULE:SAGA"),
        (("run", "tests.model.shop:none"), "tests.model.shop:order"),
        (("run", "no.such:saga"), "no module"),
        (("run", "tests.model.shop:order", "--input", "{"), "not a JSON object"),
        (("run", "tests.model.shop:order", "--input", "5"), "JSON object"),
        (("run", "tests.model.shop:order", "--input", '{"sku":1,"card":"a"}'), "got `int` at order.sku"),
        (("run", "tests.model.shop:order", "--input", '{"sku":"a"}'), "--input: 'order' lacks card"),
        (("run", "tests.model.shop:order", "--input", '["a","b","c"]'), "takes 2"),
        (("worker", "json"), "no sagas"),
    ],
)
def test_wrong_input_is_a_usage_error_that_says_what_to_write(run: Any, words: tuple[str, ...], said: str) -> None:
    assert said in run(*words, code=2).output


def test_a_store_that_is_not_there_is_not_made(run: Any, tmp_path: Path) -> None:
    for words in (("ps",), ("show", "x"), ("dlq", "list"), ("tell", "x", "str", '"a"')):
        assert "no store" in run(*words, code=5).stderr
    assert not (tmp_path / "a.db").exists()


def test_the_story_shows_each_undo_beside_its_step(run: Any) -> None:
    run(*BAD, code=10)
    lines = run("show", "bad", "-v").stdout.splitlines()
    (reserve,) = [line for line in lines if " reserve " in line]
    assert "done" in reserve and "undone at +" in reserve
    assert any("rollback began" in line and "Declined" in line for line in lines)
    assert any("key " in line for line in lines)
    told = json.loads(run("show", "bad", "--json", "-v").stdout)
    assert told["state"] == "compensated" and told["turns"][0][0][0] == "Started"


def test_ps_lists_whole_ids_even_when_piped(run: Any) -> None:
    name = "order-" + "x" * 150
    run("run", "tests.model.shop:falsy", "--input", "[1]", "--id", name)
    assert name in run("ps").stdout
    (row,) = json.loads(run("ps", "--json", "--state", "completed").stdout)
    assert row["id"] == name and row["result"] == [0]
    assert "no such runs" in run("ps", "--state", "running").stderr


def test_an_operator_ends_a_dead_letter(run: Any) -> None:
    run(*OPAQUE, code=11)
    (letter,) = json.loads(run("dlq", "list", "--json").stdout)
    assert letter["id"] == "x#1" and letter["kind"] == "unstorable" and letter["args"] == {}
    assert "opaque" in run("dlq", "list").stdout
    shown = run("dlq", "show", "x#1").stdout
    assert "object" in shown
    for act in ("answer", "resolve", "abandon"):
        assert f"amends dlq {act} 'x#1'" in shown
    assert "retry" not in shown, "its step has neither a check nor an undo"
    assert "x#1" in run("why", "x").stdout
    run("dlq", "resolve", "x#1", code=2)
    run("dlq", "abandon", "x#1", "--note", "n", given="n\n", code=1)
    run("dlq", "resolve", "x#1", "--note", "by hand", "--by", "ann")
    assert "resolved by ann, " in run("dlq", "show", "x#1").stdout and "note  by hand" in run("dlq", "show", "x#1").stdout
    assert "ann" in run("dlq", "retry", "x#1", code=4).stderr


def test_why_says_what_a_run_waits_for(run: Any) -> None:
    run("run", "tests.engine.sagas:listens", "--id", "l", "--timeout", "0.05", code=14)
    assert "amends tell l str JSON" in run("why", "l").stdout
    run("tell", "l", "str", '"hello"')
    run("tell", "l", "str", "hello", code=2)
    run("run", "tests.model.shop:patient", "--id", "p", "--timeout", "0.05", code=14)
    assert "sleeps until" in run("why", "p").stdout
    run("cancel", "p", "--yes", "--reason", "enough")
    run("run", "tests.model.shop:patient", "--id", "p", code=10)
    assert "cancelled by" in run("show", "p").stdout


def test_version_help_and_completion(run: Any) -> None:
    assert amends.__version__ in run("--version").stdout
    for command in main.commands:
        assert "--help" in run(command, "--help").stdout
    assert "_AMENDS_COMPLETE" in run("completion", "zsh").stdout


def test_sagas_nested_in_a_run_need_not_be_named(run: Any) -> None:
    assert run("run", "tests.engine.family:deep", "--input", '["a"]', "--id", "d").stdout == '"a1a2a3"\n'
