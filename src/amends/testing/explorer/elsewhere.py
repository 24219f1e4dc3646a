"""Replays journals in other processes: with another hash seed, a body that depends on the order of a set diverges."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import msgspec

from amends.errors import AmendsError, DefinitionError, Diverged
from amends.model.saga import Saga
from amends.stores.port import Run, Turn
from amends.testing.explorer.account import Account, apart
from amends.testing.explorer.sets import makes_sets
from amends.testing.explorer.sheaf import Sheaf, Sheet

if TYPE_CHECKING:
    from amends.testing.explorer.path import Deviations
    from amends.testing.explorer.scenario import Scenario

SEEDS = 3
"""Processes that replay the journals where users' code makes sets, each with a hash seed of its own; else one is enough.
A set of two elements has one of two orders: with three others, one in eight goes by unseen."""

HERE = "AMENDS_ELSEWHERE"
"""Set in the environment of the other processes: what is imported there must not explore, and start others in its turn."""

PATIENCE = 60.0
"""Seconds that another process may take."""


class Order(msgspec.Struct, frozen=True):
    """What another process gets at first, to get ready: where modules are, and which hold the sagas, by name."""

    path: list[str]
    sagas: dict[str, str]


class Verdict(msgspec.Struct, frozen=True):
    """What another process says: how the journal of this number diverged, or why it could not look."""

    diverged: str = ""
    number: int = 0
    cannot: str = ""


class Elsewhere:
    """Gathers the journals of worlds, and has them replayed. The other processes get ready while the worlds are played."""

    def __init__(self, scenario: Scenario) -> None:
        self._modules = {saga.name: saga.function.__module__ for saga in scenario.by_name.values()}
        self._processes: list[subprocess.Popen[bytes]] = []
        self.sheaf = Sheaf()

    def __enter__(self) -> Self:
        if HERE in os.environ:
            raise DefinitionError("the saga's module explores while it is imported: let a test do so, or a function.")
        if "__main__" not in self._modules.values():
            order = msgspec.json.encode(Order([os.path.abspath(entry) for entry in sys.path], self._modules)) + b"\n"
            mine = os.environ.get("PYTHONHASHSEED")
            count = SEEDS if makes_sets(self._modules.values()) else 1
            seeds = [seed for seed in map(str, range(1, count + 2)) if seed != mine][:count]
            self._processes = [_started(seed, order) for seed in seeds]
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            with process:
                process.kill()

    def verdict(self) -> tuple[Verdict, Deviations]:
        """Have them replayed, and say what came of it: of the smallest world whose journal diverged, with its faults."""
        if not self._processes:
            return Verdict(cannot="the saga is defined in __main__, which another process cannot import"), ()
        sheets = self.sheaf.smallest_first()
        lines = msgspec.json.encode([sheet for sheet, _ in sheets]) + b"\n"
        with ThreadPoolExecutor(len(self._processes)) as pool:
            verdicts = list(pool.map(partial(_verdict, lines), self._processes))
        diverged = [verdict for verdict in verdicts if verdict.diverged]
        worst = min(diverged, key=lambda verdict: verdict.number, default=max(verdicts, key=lambda verdict: verdict.cannot))
        return worst, sheets[worst.number][1] if worst.diverged else ()


def _started(seed: str, order: bytes) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "amends.testing.explorer.elsewhere"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=os.environ | {"PYTHONHASHSEED": seed, HERE: "1"},
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # why it has ended, it says on stderr
        process.stdin.write(order)
    return process


def _verdict(lines: bytes, process: subprocess.Popen[bytes]) -> Verdict:
    try:
        said, complaint = process.communicate(lines, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return Verdict(cannot=f"the other process has not answered within {PATIENCE:g} seconds")
    if process.returncode:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        return Verdict(cannot=last or f"the other process has ended with {process.returncode}")
    return msgspec.json.decode(said, type=Verdict)


def answer(order: Order, lines: BinaryIO) -> Verdict:
    """What happens when the runs of the next line are replayed in this process."""
    sys.path[:] = order.path
    sagas: dict[str, Saga[..., Any]] = {}
    for name, place in order.sagas.items():
        module: Any = importlib.import_module(place)
        saga = next((each for each in vars(module).values() if isinstance(each, Saga) and each.name == name), None)
        if saga is None:
            return Verdict(cannot=f"{place} has no saga {name!r} once it is imported anew")
        sagas[name] = saga
    for number, sheet in enumerate(msgspec.json.decode(lines.readline(), type=list[Sheet])):
        row = Run(sheet.id, sheet.saga, sheet.input.encode(), bytes.fromhex(sheet.seed), 0.0, parent=sheet.parent)
        turns = [Turn(no, turn.encode(), b"") for no, turn in enumerate(sheet.turns, start=1)]
        try:
            replayed = Account(row, turns, [], sagas).replayed
        except AmendsError as error:
            return Verdict(cannot=str(error))
        if isinstance(replayed, Diverged):
            return Verdict(diverged=apart(replayed), number=number)
    return Verdict()


def main() -> None:
    """Answer on standard output; what the sagas' modules print while they are imported goes to standard error."""
    lines, out, sys.stdout = sys.stdin.buffer, sys.stdout.buffer, sys.stderr
    verdict = answer(msgspec.json.decode(lines.readline(), type=Order), lines)
    out.write(msgspec.json.encode(verdict))


if __name__ == "__main__":
    main()
