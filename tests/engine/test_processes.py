"""Real processes: killed at every commit, stopped for longer than the lease, and two at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from amends import Engine
from amends.ops.story import tell
from tests.engine import sagas

COMMITS = {"forth": 6, "forth_and_back": 9}
"""The commits of a whole run: opening, the start, one for each answer, and closing the store."""

ENDS = {"forth": "completed", "forth_and_back": "compensated"}
EFFECTS = {"forth": ["first", "second"], "forth_and_back": ["first", "second", "unsecond", "unfirst"]}


def child(folder: Path, saga: str, number: int, moment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.engine.child", str(folder / "a.db"), saga, str(number), moment]
    environment = {**os.environ, "LEDGER": str(folder / "ledger")}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def ledger(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "ledger").read_text().splitlines()]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("saga", "number"), [(saga, n) for saga, most in COMMITS.items() for n in range(1, most)])
def test_a_kill_at_any_commit_changes_nothing(saga: str, number: int, moment: str, tmp_path: Path) -> None:
    first = child(tmp_path, saga, number, moment)
    first.communicate(timeout=30)
    assert first.returncode == -signal.SIGKILL
    second = child(tmp_path, saga, 0, "never")
    said, _ = second.communicate(timeout=30)
    assert said.strip() == ENDS[saga]
    done = ledger(tmp_path)
    assert list(dict.fromkeys(op for op, _, _ in done)) == EFFECTS[saga]
    for effect in EFFECTS[saga]:
        assert len({key for op, key, _ in done if op == effect}) == 1


def test_the_number_of_commits_is_as_said(tmp_path: Path) -> None:
    for saga, most in COMMITS.items():
        folder = tmp_path / saga
        folder.mkdir()
        alive = child(folder, saga, most + 1, "before")
        alive.communicate(timeout=30)
        assert alive.returncode == 0


def test_a_zombie_can_neither_write_nor_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped between its effect and its commit for longer than the lease; another takes over; then it wakes up."""
    monkeypatch.setenv("LEDGER", str(tmp_path / "ledger"))
    zombie = stopped_in_the_middle(tmp_path)

    async def take_over() -> str:
        async with Engine(tmp_path / "a.db", sagas=[sagas.held], lease=0.3, poll=0.02) as engine:
            outcome = await engine.get("run").outcome()
            zombie.send_signal(signal.SIGCONT)
            zombie.communicate(timeout=30)
            story = tell(await engine.history("run"))
            assert story.recoveries == 1 and story.state == outcome.state
            return outcome.state

    try:
        assert asyncio.run(take_over()) == "completed"
    finally:
        zombie.kill()
        zombie.wait()
    assert zombie.stdout is not None
    zombie.stdout.close()
    done = ledger(tmp_path)
    assert len({key for _, key, _ in done}) == 1 and len(done) == 2
    with sqlite3.connect(tmp_path / "a.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def stopped_in_the_middle(folder: Path) -> subprocess.Popen[str]:
    """A process that has stopped itself within a step, after the effect."""
    command = [sys.executable, "-m", "tests.engine.zombie", str(folder / "a.db")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "LEDGER": str(folder / "ledger")}
    )
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    return process


def test_many_processes_open_a_new_file_at_once(tmp_path: Path) -> None:
    code = "import asyncio, sys; from amends.stores.files import opened; from pathlib import Path; "
    code += "print(opened(Path(sys.argv[1]), 'full', 30.0)[0])"
    for round_ in range(3):
        command = [sys.executable, "-c", code, str(tmp_path / f"{round_}.db")]
        all_ = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(6)]
        said = [each.communicate(timeout=30) for each in all_]
        assert len({identity for identity, _ in said}) == 1 and said[0][0], said


def test_two_processes_with_one_id_share_one_run(tmp_path: Path) -> None:
    both = [child(tmp_path, "forth", 0, "never") for _ in range(2)]
    said = [each.communicate(timeout=30)[0].strip() for each in both]
    assert said == ["completed", "completed"]
    assert [op for op, _, _ in ledger(tmp_path)] == EFFECTS["forth"]
