"""Runs within runs on the command line: listed, told, explained and cancelled, and their dead letters."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from amends.ops import kin, watching
from amends.ops.cli import main

TRIPS = """
    from amends import Retry, StepFailed, all_of, any_of, each, quorum, receive, saga, step

    ONCE = Retry(attempts=1)

    @step(retry=ONCE)
    async def book(name: str) -> str:
        if name.startswith("full"):
            raise ValueError(f"no room at {name}")
        return name

    @book.undo(retry=ONCE)
    async def unbook(booked: str) -> None:
        if booked.startswith("stubborn"):
            raise RuntimeError("the desk is closed")

    @saga
    async def leg(name: str) -> str:
        return await book(name) + await book("car")

    @saga
    async def waiting_leg(name: str) -> str:
        return await book(name) + await receive(str)

    @saga
    async def stuck() -> None:
        await leg("stubborn")
        await all_of(book("a"), leg("full"), book("full too"))

    @saga
    async def held() -> str:
        return await leg("a") + await waiting_leg("b")

    @saga
    async def fans() -> int:
        return (await each(leg, [f"n{number}" for number in range(30)], limit=3)).done

    @saga
    async def fan_waits() -> int:
        return (await each(waiting_leg, ["a", "b"], limit=2)).done

    @saga
    async def keeps() -> str:
        return await any_of(book("quick"), waiting_leg("slow"), losers="keep")
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a module in it, and no colours."""
    (tmp_path / "trips_of_nested.py").write_text(textwrap.dedent(TRIPS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("AMENDS_STORE", raising=False)


def call(*words: str, code: int = 0, given: str | None = None) -> Result:
    result = CliRunner().invoke(main, list(words), input=given)
    assert result.exit_code == code, (result.exit_code, result.output, result.exception)
    return result


def begin(saga: str, *more: str, code: int) -> Result:
    return call("run", f"trips_of_nested:{saga}", "--id", saga, *more, code=code)


def begin_until(saga: str, run_id: str, waits: str) -> None:
    """Begin a run, and go on with it until a run in it waits for something."""
    begin(saga, "--timeout", "0.05", code=14)
    while not any(row["id"] == run_id for row in json.loads(call("ps", "--all", "--json").stdout)) or (
        waits not in call("why", run_id).stdout
    ):
        begin(saga, "--timeout", "0.05", code=14)


def runs(text: str) -> list[str]:
    return [re.split(r"(?<=\S)  ", line)[0] for line in text.splitlines()[1:]]


def test_ps_lists_roots_and_what_is_nested_in_them_when_asked() -> None:
    begin("stuck", code=11)
    assert runs(call("ps").stdout) == ["stuck"]
    assert runs(call("ps", "--tree").stdout) == ["stuck", "├─ stuck//1", "└─ stuck//4"]
    assert runs(call("ps", "--of", "stuck").stdout) == ["stuck//4", "stuck//1"]
    assert runs(call("ps", "--all").stdout) == ["stuck//4", "stuck//1", "stuck"]
    assert "no such runs" in call("ps", "--saga", "leg").stderr
    assert runs(call("ps", "--saga", "leg", "--all").stdout) == ["stuck//4", "stuck//1"]
    (row,) = json.loads(call("ps", "--tree", "--json").stdout)
    assert [each["id"] for each in row["nested"]] == ["stuck//1", "stuck//4"] and row["more"] is False
    call("ps", "--tree", "--all", code=2)


def test_a_tree_of_many_runs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kin, "MOST_UNDER", 4)
    assert begin("fans", code=0).stdout == "30\n"
    found = runs(call("ps", "--tree").stdout)
    assert found[:2] == ["fans", "└─ fans//2"] and found[-1] == "   └─ … more: amends ps --of fans//2" and len(found) == 7


def test_a_dead_letter_of_a_nested_run_says_where_it_belongs_and_the_root_leads_to_it() -> None:
    begin("stuck", code=11)
    listed = call("dlq", "list").stdout
    assert re.search(r"letter +saga +step +nested in\n", listed)
    assert re.search(r"stuck//1#1 +leg +book +stuck +open for", listed)
    shown = call("dlq", "show", "stuck//1#1").stdout
    assert "      run  stuck//1\nnested in  stuck\n" in shown and "so does run stuck\n" in shown
    assert json.loads(call("dlq", "list", "--json").stdout)[0]["root"] == "stuck"
    why = call("why", "stuck").stdout
    assert "In run stuck//1, nested in it: The undo of step 'book'" in why and "  amends dlq retry 'stuck//1#1'\n" in why
    call("dlq", "resolve", "stuck//1#1", "--note", "by hand", "--by", "ann")
    begin("stuck", code=10)
    assert "nested in" not in call("dlq", "list", "--all").stdout.partition("RuntimeError")[0]


def test_the_cause_names_the_branches_that_failed_and_a_rollback_in_order_is_never_red(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = begin("stuck", code=11).stderr
    assert "because: all_of 3 at 2 failed: 5 book: ValueError: no room at full too" in said
    told = call("show", "stuck", "--nested").stdout
    assert "!! letter stuck//1#1 (undo failed, about 1 book)\n" in told
    call("dlq", "resolve", "stuck//1#1", "--note", "by hand")
    begin("stuck", code=10)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    begin_until("keeps", "keeps", "has its value")
    for words in (("ps", "--tree"), ("show", "stuck", "--nested"), ("show", "keeps", "--nested"), ("why", "keeps")):
        assert not re.search(r"\x1b\[[0-9;]*\b(31|91)\b", call(*words).stdout), words


@pytest.mark.parametrize("width", [80, 120])
def test_on_a_terminal_nothing_is_wider_than_it_is_and_no_id_is_broken(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = "trip-" + "x" * 60
    call("run", "trips_of_nested:stuck", "--id", run_id, code=11)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    letter = f"{run_id}//1#1"
    for words in (("ps", "--tree"), ("show", "--nested", run_id), ("why", run_id), ("dlq", "list"), ("dlq", "show", letter)):
        said = re.sub(r"\x1b\[[0-9;]*m", "", call(*words).stdout).partition("Traceback")[0]
        assert (f"{run_id}//1" if words[0] == "ps" else letter) in said
        assert not [line for line in said.splitlines() if len(line) > width and run_id not in line], words


def test_cancel_of_a_nested_run_says_what_becomes_of_the_other() -> None:
    begin_until("held", "held//2", "a message str")
    assert "amends cancel held" in call("cancel", "held//1", "--reason", "x", code=4).stderr
    asked = call("cancel", "held//2", "--reason", "x", given="n\n", code=1).stderr
    assert "nested in run held, whose saga is told" in asked and "to stop all of it: amends cancel held --reason" in asked
    assert json.loads(call("cancel", "held//2", "--reason", "x", "--yes", "--json").stdout)["root"] == "held"
    assert "held//2" in begin("held", code=10).stderr
    begin_until("fan_waits", "fan_waits//2", "run fan_waits//2//2")
    assert "it is a part of a fan-out of run fan_waits" in call("cancel", "fan_waits//2", "--reason", "x", "--yes").stderr


def test_a_run_that_has_its_value_says_which_losers_it_waits_for_and_is_not_cancelled() -> None:
    begin_until("keeps", "keeps//3", "a message str")
    begin_until("keeps", "keeps", "has its value")
    why = call("why", "keeps").stdout
    assert "It has its value, and closes when what its losers do is at an end: it waits for run keeps//3 of saga" in why
    assert "amends why keeps//3\n" in why and "waits for a message str" in call("why", "keeps//3").stdout
    assert "still open: 3 waiting_leg\n" in call("show", "keeps").stdout
    assert "has its value" in call("cancel", "keeps", "--reason", "x", code=4).stderr


def test_while_one_waits_it_is_told_what_the_run_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "EVERY_PIPED", 0.01)
    monkeypatch.setattr(watching, "SHARE", 1.0)
    said = begin("held", "--timeout", "1", code=14).stderr
    assert re.search(r"^run held, running for .*, 1 of 2 steps done; 2 waiting_leg: run held//2 at work$", said, re.M)
