"""Typing is part of the product: mypy, pyright and ty accept api.py, and reject each mistake in wrong.py."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BIN = Path(sys.executable).parent


def run(*command: str) -> str:
    found = shutil.which(command[0], path=str(BIN))
    assert found, f"{command[0]} is not installed beside {sys.executable}"
    done = subprocess.run([found, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def mypy(file: Path) -> set[int]:
    said = run("mypy", "--strict", "--no-error-summary", "--no-pretty", "--cache-dir", ".mypy_cache/typing", str(file))
    return {int(n) for n in re.findall(rf"{file.name}:(\d+): error", said)}


def pyright(file: Path) -> set[int]:
    said = json.loads(run("pyright", "--outputjson", "--pythonpath", sys.executable, str(file)))
    errors = [each for each in said["generalDiagnostics"] if each["severity"] == "error"]
    return {each["range"]["start"]["line"] + 1 for each in errors}


def ty(file: Path) -> set[int]:
    said = run("ty", "check", "--output-format", "concise", "--python", sys.prefix, str(file))
    return {int(n) for n in re.findall(rf"{file.name}:(\d+):\d+: error", said)}


@pytest.mark.parametrize("checker", [mypy, pyright, ty])
def test_what_is_right_is_accepted(checker) -> None:  # type: ignore[no-untyped-def]
    assert checker(HERE / "api.py") == set()


@pytest.mark.parametrize("checker", [mypy, pyright, ty])
def test_each_mistake_is_rejected(checker) -> None:  # type: ignore[no-untyped-def]
    lines = (HERE / "wrong.py").read_text().splitlines()
    marked = {number for number, line in enumerate(lines, start=1) if "# wrong:" in line}
    assert checker(HERE / "wrong.py") == marked
