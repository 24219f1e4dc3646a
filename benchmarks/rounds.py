"""Measures all cells, round by round, so that whatever happens to the machine happens to all of them alike."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks import servers, venvs
from benchmarks.entries import OURS, Entry
from benchmarks.forms import Cell, Form, engine_cells, limit_cells, own_cells

Pieces: TypeAlias = dict[str, list[dict[str, Any]]]
"""What was measured, by `who/what`: the figures of each round, with the round's number and the load of the machine."""

PATIENCE = 300.0
"""Seconds that one piece may take."""


class Rounds:
    """The measurements of one run of the programme: `pieces`, and `failed`, which says why something has none."""

    def __init__(self, form: Form, peers: Iterable[Entry]) -> None:
        self.form = form
        self.pieces: Pieces = {}
        self.failed: dict[str, str] = {}
        self._spent: dict[str, float] = {}
        self._peers = list(peers)

    def measure(self) -> Iterator[int]:
        """All rounds; yields after each, so that what is there can be kept."""
        size = int(self._piece("amends/rows", {"module": "benchmarks.ours.rows", "steps": 20}, 0)["size"])
        for number in range(self.form.rounds):
            self._cells("limit", limit_cells(self.form, size), number)
            self._cells("amends", [*engine_cells(self.form, OURS), *own_cells(self.form)], number)
            for entry in self._peers:
                self._peer(entry, number)
            yield number

    def _peer(self, entry: Entry, number: int) -> None:
        """An engine's cells of one round, with its server, if it has one, running for just so long."""
        left = [cell for cell in engine_cells(self.form, entry) if self._is_due(f"{entry.name}/{cell[0]}")]
        if not left:
            return
        try:
            with _folder() as folder, servers.ALL[entry.server](folder) if entry.server else nullcontext() as server:
                self.failed.pop(entry.name, None)
                where = {} if server is None else {"address": server.address, "server": server.pid}
                for name, order in left:
                    self._cell(f"{entry.name}/{name}", {**order, **where}, number, entry.venv)
        except servers.Absent as absent:
            self.failed[entry.name] = str(absent)

    def _cells(self, who: str, cells: Iterable[Cell], number: int) -> None:
        for name, order in cells:
            if self._is_due(f"{who}/{name}"):
                self._cell(f"{who}/{name}", order, number)

    def _is_due(self, key: str) -> bool:
        budget = self.form.own if key.startswith(("amends/", "limit/")) else self.form.budget
        return key not in self.failed and self._spent.get(key, 0.0) < budget

    def _cell(self, key: str, order: dict[str, Any], number: int, venv: str = "") -> None:
        began = time.monotonic()
        try:
            self._piece(key, order, number, venv)
        except ValueError as error:
            self.failed[key] = str(error)
        self._spent[key] = self._spent.get(key, 0.0) + time.monotonic() - began
        print(f"{number + 1}/{self.form.rounds} {key}: {self._last(key)}", file=sys.stderr, flush=True)

    def _piece(self, key: str, order: dict[str, Any], number: int, venv: str = "") -> dict[str, Any]:
        """One measurement, in a process of its own."""
        load = os.getloadavg()[0]
        with _folder() as folder:
            command = [str(venvs.python(venv)), "-m", "benchmarks.piece", json.dumps({**order, "folder": str(folder)})]
            out, err, code = _run(command)
        if code:
            raise ValueError(err.strip().rpartition("\n")[2] or f"it ended with {code}")
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
        self.pieces.setdefault(key, []).append({"round": number, "load": load, **found})
        return found

    def _last(self, key: str) -> str:
        if key in self.failed:
            return self.failed[key]
        numbers = self.pieces[key][-1].items()
        return ", ".join(f"{name} {value:.4g}" for name, value in numbers if name not in ("round", "load", "import_ms"))


def _run(command: list[str]) -> tuple[str, str, int]:
    """What a command prints, on both channels, and how it ends; past its time it is ended, with all that it started."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=venvs.ROOT, env=_environment(), stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as started:
        try:
            return *started.communicate(timeout=PATIENCE), started.returncode
        except subprocess.TimeoutExpired:
            return "", f"it took more than {PATIENCE:.0f} seconds", 1
        finally:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)


@contextmanager
def _folder() -> Iterator[Path]:
    """An empty folder that others may look into: a server may run as another user."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment() -> dict[str, str]:
    """Modules are compiled once and kept, as those of an installed package are."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")}
