"""Replays journals in another process: with another hash seed, a body that depends on the order of a set diverges."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from amends.engine import noloop
from amends.errors import AmendsError, Diverged
from amends.model.machine import Machine
from amends.model.records import Record
from amends.model.replay import replay
from amends.model.saga import Saga
from amends.model.turn import decode_turn

if TYPE_CHECKING:
    from amends.testing.explorer.player import Played
    from amends.testing.explorer.scenario import Scenario

MOST = 200
"""Journals that are replayed elsewhere."""

PATIENCE = 60.0
"""Seconds that the other process may take."""


class Sheet(msgspec.Struct, frozen=True):
    """One run, to be replayed."""

    input: str
    seed: str
    turns: tuple[str, ...]


class Order(msgspec.Struct, frozen=True):
    """What the other process gets: where the saga is defined, and the runs."""

    path: list[str]
    module: str
    saga: str
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
        ending = played.ending
        self.first = self.first or played
        if ending.row is not None and len(self._sheets) < MOST:
            turns = tuple(turn.body.decode() for turn in ending.turns)
            self._sheets[Sheet(ending.row.input.decode(), ending.row.seed.hex(), turns)] = None

    def verdict(self) -> Verdict:
        """Have them replayed, and say what came of it."""
        saga = self._scenario.saga
        module = saga.function.__module__
        if module == "__main__":
            return Verdict(cannot="the saga is defined in __main__, which another process cannot import")
        order = Order([os.path.abspath(entry) for entry in sys.path], module, saga.name, list(self._sheets))
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
    module: Any = importlib.import_module(order.module)
    saga = next((each for each in vars(module).values() if isinstance(each, Saga) and each.name == order.saga), None)
    if saga is None:
        return Verdict(cannot=f"{order.module} has no saga {order.saga!r} once it is imported anew")
    for sheet in order.sheets:
        story = [list[Record](decode_turn(turn.encode())) for turn in sheet.turns]
        machine = Machine(saga, "explored", sheet.input.encode(), seed=bytes.fromhex(sheet.seed), namespace="explored")
        try:
            noloop.call(replay, machine, story)
        except Diverged as diverged:
            return Verdict(diverged=str(diverged))
        except AmendsError as error:
            return Verdict(cannot=str(error))
        finally:
            machine.close()
    return Verdict()


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(answer(msgspec.json.decode(sys.stdin.buffer.read(), type=Order))))
