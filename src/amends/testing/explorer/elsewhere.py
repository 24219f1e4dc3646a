"""Replays journals in another process: with another hash seed, a body that depends on the order of a set diverges."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from amends.errors import AmendsError, Diverged
from amends.model.saga import Saga
from amends.stores.port import Run, Turn
from amends.testing.explorer.account import Account

if TYPE_CHECKING:
    from amends.testing.explorer.player import Played
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
    """What the other process gets: the modules of the sagas, by name, and the runs."""

    path: list[str]
    sagas: dict[str, str]
    sheets: list[Sheet]


class Verdict(msgspec.Struct, frozen=True):
    """What the other process says: what diverged, or why it could not look."""

    diverged: str = ""
    cannot: str = ""


class Elsewhere:
    """Gathers the journals of worlds, and has them replayed."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._sheets: dict[Sheet, None] = {}
        self.first: Played | None = None

    def gather(self, played: Played) -> None:
        """Remember a world's journal, if there is room."""
        self.first = self.first or played
        for account in played.ending.accounts.values():
            if len(self._sheets) < MOST:
                row, turns = account.row, tuple(turn.body.decode() for turn in account.turns)
                sheet = Sheet(row.id, row.saga, row.input.decode(), row.seed.hex(), row.parent, turns)
                self._sheets[sheet] = None

    def verdict(self) -> Verdict:
        """Have them replayed, and say what came of it."""
        modules = {saga.name: saga.function.__module__ for saga in self._scenario.by_name.values()}
        if "__main__" in modules.values():
            return Verdict(cannot="the saga is defined in __main__, which another process cannot import")
        order = Order([os.path.abspath(entry) for entry in sys.path], modules, list(self._sheets))
        seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
        done = subprocess.run(
            [sys.executable, "-m", "amends.testing.explorer.elsewhere"],
            input=msgspec.json.encode(order),
            capture_output=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode:
            return Verdict(cannot=done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
        return msgspec.json.decode(done.stdout, type=Verdict)


def answer(order: Order) -> Verdict:
    """What happens when the runs are replayed in this process."""
    sys.path[:] = order.path
    sagas: dict[str, Saga[..., Any]] = {}
    for name, place in order.sagas.items():
        module: Any = importlib.import_module(place)
        saga = next((each for each in vars(module).values() if isinstance(each, Saga) and each.name == name), None)
        if saga is None:
            return Verdict(cannot=f"{place} has no saga {name!r} once it is imported anew")
        sagas[name] = saga
    for sheet in order.sheets:
        row = Run(sheet.id, sheet.saga, sheet.input.encode(), bytes.fromhex(sheet.seed), 0.0, parent=sheet.parent)
        turns = [Turn(number, turn.encode(), b"") for number, turn in enumerate(sheet.turns, start=1)]
        try:
            replayed = Account(row, turns, [], sagas).replayed
        except AmendsError as error:
            return Verdict(cannot=str(error))
        if isinstance(replayed, Diverged):
            return Verdict(diverged=str(replayed))
    return Verdict()


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(answer(msgspec.json.decode(sys.stdin.buffer.read(), type=Order))))
