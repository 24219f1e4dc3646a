"""Typing is part of the product: mypy, pyright and ty accept what is right, and reject each of the deliberate mistakes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.test_docs import blocks, module_of

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
Checker: TypeAlias = Callable[..., "tuple[int, set[int]]"]


def run(place: Path, *command: str) -> tuple[int, str]:
    """Run a checker as a user of the installed package does: in another directory, without this project's settings."""
    found = shutil.which(command[0], path=str(BIN))
    assert found, f"{command[0]} is not installed beside {sys.executable}"
    done = subprocess.run([found, *command[1:]], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode, done.stdout


def mypy(*files: Path) -> tuple[int, set[int]]:
    names = [file.name for file in files]
    code, said = run(files[0].parent, "mypy", "--strict", "--no-pretty", "--config-file", "", *names)
    return code, {int(line) for line in re.findall(r"^\w+\.py:(\d+): error", said, re.MULTILINE)}


def pyright(*files: Path) -> tuple[int, set[int]]:
    place = files[0].parent
    settings = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "include": [file.name for file in files]}
    (place / "pyrightconfig.json").write_text(json.dumps(settings))
    code, said = run(place, "pyright", "--outputjson", "--pythonpath", sys.executable)
    report = json.loads(said)
    assert report["summary"]["filesAnalyzed"] == len(files)
    errors = [each for each in report["generalDiagnostics"] if each["severity"] == "error"]
    return code, {each["range"]["start"]["line"] + 1 for each in errors}


def ty(*files: Path) -> tuple[int, set[int]]:
    names = [file.name for file in files]
    command = ("ty", "check", "--output-format", "concise", "--python", sys.prefix, "--python-version", "3.11", *names)
    code, said = run(files[0].parent, *command)
    return code, {int(line) for line in re.findall(r"^\w+\.py:(\d+):\d+: error", said, re.MULTILINE)}


each_checker = pytest.mark.parametrize("checker", [mypy, pyright, ty])


@each_checker
@pytest.mark.parametrize("name", ["api.py", "joins.py"])
def test_what_is_right_is_accepted(checker: Checker, name: str, tmp_path: Path) -> None:
    assert checker(copied(name, tmp_path)) == (0, set())


SHADOWED = "a method named `list` hides the built-in in its own annotation from ty, which then knows no type of it"
NOT_INFERRED = "ty does not infer a type that only the values at the other end of a call tell, and takes it as unknown"


@pytest.mark.parametrize("checker", [mypy, pyright, pytest.param(ty, marks=pytest.mark.xfail(strict=True, reason=SHADOWED))])
def test_lists_keep_their_type(checker: Checker, tmp_path: Path) -> None:
    assert checker(copied("lists.py", tmp_path)) == (0, set())


@pytest.mark.parametrize(
    "checker", [mypy, pyright, pytest.param(ty, marks=pytest.mark.xfail(strict=True, reason=NOT_INFERRED))]
)
def test_merges_and_lambdas_keep_their_type(checker: Checker, tmp_path: Path) -> None:
    assert checker(copied("inferred.py", tmp_path)) == (0, set())


@each_checker
@pytest.mark.parametrize("name", ["wrong.py", "wrong_joins.py"])
def test_each_mistake_is_rejected(checker: Checker, name: str, tmp_path: Path) -> None:
    wrong = copied(name, tmp_path)
    lines = wrong.read_text().splitlines()
    marked = {number for number, line in enumerate(lines, start=1) if "# wrong:" in line}
    assert checker(wrong) == (1, marked)


@each_checker
def test_the_examples_of_the_docs_are_accepted(checker: Checker, tmp_path: Path) -> None:
    root = HERE.parent.parent
    modules: list[Path] = []
    for page in (root / "README.md", *sorted((root / "docs").glob("*.md"))):
        text = page.read_text()
        if any(blocks(text, "python")):
            modules.append(tmp_path / f"{page.stem.replace('-', '_')}.py")
            modules[-1].write_text(module_of(text))
    assert checker(*modules) == (0, set())


def copied(name: str, place: Path) -> Path:
    return Path(shutil.copy(HERE / name, place))
