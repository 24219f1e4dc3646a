"""Replays journals in another process: with another hash seed, a body that depends on the order of a set diverges."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import msgspec

from amends.errors import AmendsError, Diverged
from amends.model.saga import Saga
from amends.stores.port import Run, Turn
from amends.testing.explorer.account import Account

if TYPE_CHECKING:
    from collections.abc import Iterable

    from amends.testing.explorer.scenario import Scenario

MOST = 200
"""Journals that are replayed elsewhere."""

PATIENCE = 60.0
"""Seconds that the other process may take."""


class Sheet(msgspec.Struct, frozen=True):
    """One run, to be replayed."""

    id: str
    saga: str
    input: str
    seed: str
    parent: str | None
    turns: tuple[str, ...]


class Order(msgspec.Struct, frozen=True):
    """What the other process gets at first, to get ready: where modules are, and which hold the sagas, by name."""

    path: list[str]
    sagas: dict[str, str]


class Verdict(msgspec.Struct, frozen=True):
    """What the other process says: what diverged, or why it could not look."""

    diverged: str = ""
    cannot: str = ""


class Elsewhere:
    """Gathers the journals of worlds, and has them replayed. The other process gets ready while the worlds are played."""

    def __init__(self, scenario: Scenario) -> None:
        self._modules = {saga.name: saga.function.__module__ for saga in scenario.by_name.values()}
        self._process: subprocess.Popen[bytes] | None = None
        self.sheets: dict[Sheet, None] = {}

    def __enter__(self) -> Self:
        if "__main__" not in self._modules.values():
            seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
            self._process = subprocess.Popen(
                [sys.executable, "-m", "amends.testing.explorer.elsewhere"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=os.environ | {"PYTHONHASHSEED": seed},
            )
            order = Order([os.path.abspath(entry) for entry in sys.path], self._modules)
            assert self._process.stdin is not None
            with suppress(BrokenPipeError):  # why it has ended, it says on stderr
                self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            with self._process:
                self._process.kill()

    def gather(self, accounts: Iterable[Account]) -> None:
        """Remember the journals of a world, if there is room."""
        self.take(
            Sheet(
                account.row.id,
                account.row.saga,
                account.row.input.decode(),
                account.row.seed.hex(),
                account.row.parent,
                tuple(turn.body.decode() for turn in account.turns),
            )
            for account in accounts
        )

    def take(self, sheets: Iterable[Sheet]) -> None:
        """Remember journals, each once, if there is room."""
        for sheet in sheets:
            if len(self.sheets) == MOST:
                break
            self.sheets[sheet] = None

    def verdict(self) -> Verdict:
        """Have them replayed, and say what came of it."""
        if self._process is None:
            return Verdict(cannot="the saga is defined in __main__, which another process cannot import")
        try:
            said, complaint = self._process.communicate(msgspec.json.encode(list(self.sheets)) + b"\n", timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return Verdict(cannot=f"the other process has not answered within {PATIENCE:g} seconds")
        if self._process.returncode:
            last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
            return Verdict(cannot=last or f"the other process has ended with {self._process.returncode}")
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
    for sheet in msgspec.json.decode(lines.readline(), type=list[Sheet]):
        row = Run(sheet.id, sheet.saga, sheet.input.encode(), bytes.fromhex(sheet.seed), 0.0, parent=sheet.parent)
        turns = [Turn(number, turn.encode(), b"") for number, turn in enumerate(sheet.turns, start=1)]
        try:
            replayed = Account(row, turns, [], sagas).replayed
        except AmendsError as error:
            return Verdict(cannot=str(error))
        if isinstance(replayed, Diverged):
            return Verdict(diverged=str(replayed))
    return Verdict()


def main() -> None:
    """Answer on standard output; what the sagas' modules print while they are imported goes to standard error."""
    lines, out, sys.stdout = sys.stdin.buffer, sys.stdout.buffer, sys.stderr
    verdict = answer(msgspec.json.decode(lines.readline(), type=Order), lines)
    out.write(msgspec.json.encode(verdict))


if __name__ == "__main__":
    main()
