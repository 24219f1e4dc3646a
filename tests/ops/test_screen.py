"""What people see: wrapped at 80 columns with no id broken, and a way out of every mistake."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from amends.ops.cli import main

STUCK = """
    from amends import Retry, saga, step

    @step(no_undo="nothing is done")
    async def look(text: str) -> str:
        return text

    @step
    async def book(text: str) -> str:
        return text

    @book.undo(retry=Retry(attempts=1))
    async def unbook(text: str) -> None:
        raise RuntimeError("the desk is closed \\x1b[31m until Monday, and nobody else can cancel a booking here")

    @saga
    async def looks(text: str) -> str:
        return await look(text)

    @saga
    async def stuck(text: str) -> str:
        await look(text)
        await book(text)
        raise ValueError("enough")
"""
LONG = "order-" + "x" * 90


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module in it, as a user has it."""
    (tmp_path / "desk_of_screen.py").write_text(textwrap.dedent(STUCK))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root / "src"), str(root)]))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("AMENDS_STORE", raising=False)
    return tmp_path


def call(*words: str, code: int = 0, given: str | None = None) -> Result:
    result = CliRunner().invoke(main, list(words), input=given)
    assert result.exit_code == code, (result.exit_code, result.output, result.exception)
    return result


def spawn(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", "-m", "amends", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("working", [True, False])
@pytest.mark.parametrize("command", ["ps", "show x", "why x", "dlq list", "dlq show x#1"])
def test_looking_needs_no_room_on_the_disk(place: Path, command: str, working: bool) -> None:
    """Least of all when the disk is full: then people want to see what happened."""
    call("run", "desk_of_screen:stuck", "--input", '["word"]', "--id", "x", code=11)
    worker = sqlite3.connect("amends.db")
    if working:
        worker.execute("SELECT * FROM runs")  # it has beside the file what SQLite needs there
    done = with_a_full_disk(*command.split())
    worker.close()
    assert (done.returncode, done.stderr) == (0, "") and "x" in done.stdout


def with_a_full_disk(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "amends", *words],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
        check=False,
    )


def test_at_80_columns_text_is_wrapped_and_ids_stay_whole(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call("run", "desk_of_screen:stuck", "--input", json.dumps(["word " * 60]), "--id", LONG, code=11)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    for words in (
        ("ps",),
        ("show", LONG),
        ("show", "-v", LONG),
        ("why", LONG),
        ("dlq", "list"),
        ("dlq", "show", f"{LONG}#1"),
    ):
        said = re.sub(r"\x1b\[[0-9;]*m", "", call(*words).stdout)
        assert LONG in said and "\x1b" not in said, words
        text = said.partition("Traceback")[0]  # a traceback keeps the lines that Python gave it
        wide = [line for line in text.splitlines() if len(line) > 80 and LONG not in line]
        assert not wide, (words, wide)


def test_piped_each_row_is_one_line_and_nothing_is_cut(place: Path) -> None:
    call("run", "desk_of_screen:stuck", "--input", json.dumps(["word " * 60]), "--id", LONG, code=11)
    (row,) = call("ps").stdout.splitlines()[1:]
    assert row.split()[:2] == [LONG, "stuck"] and "needs attention" in row
    story = call("show", LONG).stdout
    assert not any(line != line.rstrip() for line in story.splitlines())
    booked = next(line for line in story.splitlines() if " book " in line)
    assert "done" in booked and "needs a person (#1)" in booked
    assert "undo attempt 1 failed at +" in story and "the desk is closed \\x1b[31m until Monday" in story
    assert "word " * 60 not in story and "word " * 60 in call("show", "-v", LONG).stdout


def test_a_clean_rollback_is_never_red(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call("run", "tests.model.shop:order", "--input", '["a","bad"]', "--id", "clean", code=10)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    for words in (("ps",), ("show", "clean"), ("why", "clean")):
        said = call(*words).stdout
        assert not re.search(r"\x1b\[[0-9;]*\b(31|91)\b", said), words
    assert "\x1b[" in call("show", "clean").stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_that_name", "No module named 'nothing_of_that_name'"),
        ("x = (", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero ("),
        ("", "decorate an `async def`"),
    ],
)
def test_a_module_that_cannot_be_used_is_a_usage_error(place: Path, text: str, said: str) -> None:
    name = f"broken_{abs(hash(text))}"
    (place / f"{name}.py").write_text(text)
    assert said in call("run", f"{name}:x", code=2).stderr


def test_a_file_name_is_not_a_module_name(place: Path) -> None:
    assert "write desk_of_screen" in call("run", "desk_of_screen.py:stuck", code=2).stderr
    assert "shop.orders" in call("worker", "./desk_of_screen.py", code=2).stderr
    assert "desk_of_screen:stuck" in call("run", "desk_of_screen", code=2).stderr


def test_what_cannot_be_taken_back_is_asked_for_once_it_is_known_to_be_possible(place: Path) -> None:
    call("run", "desk_of_screen:stuck", "--input", '["a"]', "--id", "s", code=11)
    assert "[y/N]" not in call("cancel", "none", "--reason", "x", code=3).stderr
    call("cancel", "s", code=2)
    assert "nothing was done" in call("cancel", "s", "--reason", "x", code=1, given="n\n").stderr
    assert "--yes" in call("dlq", "abandon", "s#1", "--note", "x", code=1, given="").stderr
    said = call("dlq", "abandon", "s#1", "--note", "x", given="y\n").stderr
    assert "nobody drives the run" in said and "amends worker" in said
    again = call("dlq", "abandon", "s#1", "--note", "x", code=4).stderr
    assert "abandoned" in again and "[y/N]" not in again
    assert "Posted, and not yet taken up: abandoned by" in call("why", "s").stdout
    call("dlq", "answer", "s#1", "did-not-happen", "--result", "1", code=2)


def test_an_act_that_does_not_fit_is_refused_before_anybody_is_asked(place: Path) -> None:
    call("run", "desk_of_screen:stuck", "--input", '["a"]', "--id", "s", code=11)
    with contextlib.closing(sqlite3.connect(place / "amends.db")) as db, db:
        db.execute("""UPDATE letters SET kind = 'diverged', step = '', body = json_set(body, '$.acts', json('["retry"]'))""")
    refused = call("dlq", "abandon", "s#1", "--note", "x", code=2).stderr
    assert "[y/N]" not in refused and "a letter about 'diverged' cannot be abandoned; what can be done: retry." in refused


def test_where_a_sign_cannot_be_shown_another_is(place: Path) -> None:
    call("run", "desk_of_screen:stuck", "--input", '["\u00e9"]', "--id", "s", code=11)
    with contextlib.closing(sqlite3.connect(place / "amends.db")) as db, db:
        db.execute("UPDATE runs SET id = 's\u2026' WHERE id = 's'")
    plain = CliRunner(charset="ascii")
    told = plain.invoke(main, ["ps", "--tree"])
    assert told.exit_code == 0 and "s..." in told.stdout
    told = plain.invoke(main, ["ps", "--json"])
    assert told.exit_code == 0 and json.loads(told.stdout_bytes)[0]["id"] == "s\u2026"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize(
    "words", [("ps",), ("ps", "--json"), ("--help",), ("run", "desk_of_screen:looks", "--input", '["a"]')]
)
def test_output_that_cannot_be_written_is_said_with_a_sentence_and_a_code(place: Path, words: tuple[str, ...]) -> None:
    call("run", "desk_of_screen:stuck", "--input", '["a"]', "--id", "s", code=11)
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "amends", *words], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 6 and "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert done.stderr.rstrip().endswith("cannot be written: No space left on device. What the command did stays done.")


def test_a_store_that_cannot_be_used_is_an_error_of_its_own(place: Path) -> None:
    (place / "text.db").write_text("this is no database, whatever its name says\n" * 40)
    for store in (str(place), "text.db", "no/such/folder/a.db"):
        assert call("run", "desk_of_screen:stuck", "--input", '["a"]', "--store", store, code=5).stderr.startswith(
            "run stuck-"
        )
    assert "Traceback" not in call("ps", "--store", "text.db", code=5).stderr


def test_every_command_gives_one_json_document(place: Path) -> None:
    call("run", "desk_of_screen:stuck", "--input", '["a"]', "--id", "s", "--json", code=11)
    call("run", "tests.model.shop:patient", "--id", "p", "--timeout", "0.05", code=14)
    reads = (("ps",), ("show", "s"), ("why", "s"), ("dlq", "list"), ("dlq", "show", "s#1"))
    acts = (("tell", "p", "str", "1"), ("dlq", "retry", "s#1"), ("cancel", "p", "--yes", "--reason", "x"))
    found = {words[:2]: json.loads(call(*words, "--json").stdout) for words in (*reads, *acts)}
    assert found["why", "s"]["commands"] and found["show", "s"]["input"] == {"text": "a"}
    assert found["cancel", "p"] == {"id": "p", "cancelled": True, "root": "p", "driven": False}
    waits = json.loads(call("run", "tests.model.shop:patient", "--id", "q", "--timeout", "0.05", "--json", code=14).stdout)
    assert waits["state"] == "running"


def test_sigterm_pauses_a_worker_and_a_second_one_goes_on(place: Path) -> None:
    call("run", "tests.model.shop:patient", "--id", "p", "--timeout", "0.05", code=14)
    worker = spawn("worker", "tests.model.shop", "desk_of_screen")
    assert worker.stderr is not None and "patient" in worker.stderr.readline()
    call("cancel", "p", "--reason", "x", "--yes")
    call("run", "tests.model.shop:patient", "--id", "p", code=10)
    worker.send_signal(signal.SIGTERM)
    said = worker.communicate(timeout=20)
    assert worker.returncode == 0 and "paused (" in said[1] and said[0] == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_is_a_short_word_and_130(number: signal.Signals, place: Path) -> None:
    run = spawn("run", "tests.model.shop:patient")
    assert run.stderr is not None and run.stderr.readline().startswith("run patient-")
    while not (place / "amends.db").exists() or not json.loads(call("ps", "--json").stdout):
        assert run.poll() is None
    run.send_signal(number)
    _, said = run.communicate(timeout=20)
    assert run.returncode == 130 and len(said.splitlines()) == 2 and "pausing" in said and "interrupted" in said
