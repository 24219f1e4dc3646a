"""One mutant against one list of tests: in a copy of `src`, in a pytest of its own, stopped at the first failure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.mutants.mutant import ROOT, Mutant, copied
from tests.mutants.witness import COPY, NOTE

LIMIT = 90.0
"""Seconds that the tests of one trial may take; a mutant that makes them hang is found, and said to hang."""

ALL_OF_THEM = 600.0
"""Seconds that all tests may take together."""

OUTPUT = 3_000


@dataclass(frozen=True)
class Verdict:
    """What came of a trial; `test` is the one that failed, or that was running when the time was over."""

    end: Literal["passed", "failed", "hung"]
    test: str
    seconds: float


class Broken(Exception):
    """The trial itself did not work: it says nothing about the mutant."""


def tried(src: Path, mutant: Mutant | None, tests: Sequence[str], limit: float = LIMIT) -> Verdict:
    """Run tests on a mutated copy of `src`; without a mutant, on a faithful one.

    Raises:
        Broken: the copy was not what was tested, a named test does not exist, or pytest itself failed.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        copy = copied(src, folder / "src")
        if mutant is not None:
            mutant.apply(copy)
        code, said = _pytest(folder, copy, tests, limit)
        note = folder / "note"
        word, _, test = note.read_text().partition(" ") if note.exists() else ("", "", "")
        taken = time.monotonic() - began
    if code is None:
        return Verdict("hung", test, taken)
    if code == 0:
        return Verdict("passed", "", taken)
    if code == 1 and word == "failed":
        return Verdict("failed", test, taken)
    raise Broken(f"{mutant.name if mutant else 'the unmutated copy'}: pytest ended with {code}:\n{said[-OUTPUT:]}")


def _pytest(folder: Path, copy: Path, tests: Sequence[str], limit: float) -> tuple[int | None, str]:
    """The exit code, None when the time was over, and what was said."""
    options = ["-x", "--tb=short", "-p", "tests.mutants.witness", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command = [sys.executable, "-m", "pytest", *options, "--hypothesis-seed=0", f"--basetemp={folder / 'tmp'}", *tests]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"PYTHONPATH": str(copy), COPY: str(copy), NOTE: str(folder / "note")}
    environment |= {"HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis")}
    with (folder / "said").open("w+") as said:
        child = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
        )
        code = _waited(child, limit)
        said.seek(0)
        return code, said.read()


def _waited(child: subprocess.Popen[bytes], limit: float) -> int | None:
    """The exit code, or None when the time was over; nothing of a trial outlives it, its own children included."""
    end = time.monotonic() + limit
    in_time = True
    try:
        look = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while (in_time := time.monotonic() < end) and not os.waitid(os.P_PID, child.pid, look):
            time.sleep(0.02)
    finally:
        os.killpg(child.pid, signal.SIGKILL)  # the child is not reaped yet, so its number is still its own
        code = child.wait()
    return code if in_time else None
