"""The demo for real, and the auditor on ledgers that are wrong."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from amends.ops.demo.audit import audit

ORDERS = 40


@pytest.fixture(scope="module")
def performance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "files"
    command = [sys.executable, "-m", "amends", "demo", "--orders", str(ORDERS), "--kills", "4", "--seed", "7"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AMENDS")}
    done = subprocess.run(
        [*command, "--keep", str(folder), "--json"], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    facts = json.loads(done.stdout)
    assert facts["passed"] and facts["kills"] == 4 and facts["letters"] == 1
    return folder


@pytest.fixture
def files(performance: Path, tmp_path: Path) -> tuple[Path, Path]:
    for name in ("orders.db", "world.ledger"):
        (tmp_path / name).write_bytes((performance / name).read_bytes())
    return tmp_path / "orders.db", tmp_path / "world.ledger"


def test_it_passes(files: tuple[Path, Path]) -> None:
    found = audit(*files, ORDERS)
    assert found.wrong == []
    assert found.states["completed"] > found.states["compensated"] > 0


def entries(ledger: Path, edit: Callable[[list[dict[str, str]]], list[dict[str, str]]]) -> None:
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    ledger.write_text("".join(json.dumps(line) + "\n" for line in edit(lines)))


def swap(lines: list[dict[str, str]]) -> list[dict[str, str]]:
    """Exchange the refund and the release of one order."""
    refund = next(n for n, x in enumerate(lines) if x["op"] == "refund" and x["order"] != "order-5")
    release = next(n for n, x in enumerate(lines) if x["op"] == "release" and x["order"] == lines[refund]["order"])
    lines[refund], lines[release] = lines[release], lines[refund]
    return lines


LEDGERS: dict[str, tuple[Callable[[list[dict[str, str]]], list[dict[str, str]]], str]] = {
    "a doubled key": (lambda lines: [*lines, lines[0]], "took effect 2 times"),
    "a missing refund": (lambda lines: [x for x in lines if x["op"] != "refund"], "was undone as"),
    "a missing effect": (lambda lines: [x for x in lines if x["op"] != "confirm"], "journal says completed"),
    "an unknown order": (lambda lines: [*lines, {"op": "charge", "order": "x-1", "key": "k"}], "the journal does not"),
    "undone in the wrong order": (swap, "was undone as"),
}


@pytest.mark.parametrize("name", LEDGERS)
def test_the_auditor_finds(name: str, files: tuple[Path, Path]) -> None:
    edit, said = LEDGERS[name]
    entries(files[1], edit)
    assert any(said in wrong for wrong in audit(*files, ORDERS).wrong)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE runs SET state = 'running' WHERE no = 1", "still running"),
        (
            "UPDATE turns SET body = CAST(replace(body, 'lamp', 'limp') AS BLOB) WHERE run = 1 AND seq = 1",
            "is not what was written",
        ),
        ("UPDATE letters SET acted = NULL", "dead letters are open"),
        ("DELETE FROM turns WHERE run = 2", "has no journal"),
    ],
)
def test_the_auditor_finds_in_the_journal(sql: str, said: str, files: tuple[Path, Path]) -> None:
    with sqlite3.connect(files[0]) as db:
        assert db.execute(sql).rowcount
    db.close()
    assert any(said in wrong for wrong in audit(*files, ORDERS).wrong)
