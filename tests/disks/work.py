"""The work that is done on a simulated disk, and what must be left of it whatever happens: all that was acknowledged."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from amends.errors import AmendsError, StoreError
from amends.stores import files
from amends.stores.pen import RUN_COLUMNS
from amends.stores.port import Change, Durability, Run, Turn, chain, verified
from amends.stores.sqlite import SQLiteStore
from tests.stores.rows import first, row

RUNS, TURNS, SITTINGS = 4, 3, 2
"""Runs that are begun at each sitting, turns that are added to each, and how often the store is opened."""

SIZE = 600
"""Bytes of a turn, so that a commit writes several pages."""

OFTEN = 6
"""Pages of the log between two checkpoints: often, so that the power goes in the middle of many."""

PATIENCE = 20.0
"""Seconds after which work that does not end counts as hanging."""


@dataclass
class Acknowledged:
    """What the store has said to be durable: for each run its turns, and when it was said (by a count of operations)."""

    now: Callable[[], int]
    turns: dict[str, list[tuple[Turn, int]]] = field(default_factory=dict)
    refused: list[AmendsError] = field(default_factory=list)

    def add(self, run_id: str, turn: Turn) -> None:
        """A turn was said to be durable."""
        self.turns.setdefault(run_id, []).append((turn, self.now()))

    def by(self, moment: int) -> dict[str, list[Turn]]:
        """What had been said before a moment."""
        said = {run_id: [turn for turn, when in turns if when <= moment] for run_id, turns in self.turns.items()}
        return {run_id: turns for run_id, turns in said.items() if turns}


def work(path: Path, durability: Durability, said: Acknowledged) -> None:
    """Open the store, begin runs, add to all of them at once, close it; and again."""

    async def main() -> None:
        async with asyncio.timeout(PATIENCE):
            for sitting in range(SITTINGS):
                await _sit(SQLiteStore(path, durability=durability, busy=0.2), f"worker-{sitting}", sitting, said)

    asyncio.run(main())


async def _sit(store: SQLiteStore, worker: str, sitting: int, said: Acknowledged) -> None:
    try:
        await store.open(worker, lease=1000.0)
    except StoreError as refused:
        said.refused.append(refused)
        return
    try:
        runs = [f"run-{sitting}-{number}" for number in range(RUNS)]
        await asyncio.gather(*(_write(store, run_id, worker, said) for run_id in runs))
    finally:
        try:
            await store.close()
        except StoreError as refused:
            said.refused.append(refused)


async def _write(store: SQLiteStore, run_id: str, worker: str, said: Acknowledged) -> None:
    run = row(run_id, owner=worker)
    turn = first(run)
    try:
        await store.create(run, turn)
        said.add(run_id, turn)
        for seq in range(2, 2 + TURNS):
            body = f'["{run_id}",{seq},"{"x" * SIZE}"]'.encode()
            turn = Turn(seq, body, chain(turn.sum, body))
            await store.commit(Change(run.id, 1, turn, "running", touched=False))
            said.add(run_id, turn)
    except StoreError as refused:
        said.refused.append(refused)


def lost(path: Path, said: dict[str, list[Turn]]) -> list[str]:
    """What is wrong with a file: acknowledged turns that are not in it, a damaged journal, a corrupt database."""
    if not path.exists():
        return [f"{run_id} is lost" for run_id in said]
    db = sqlite3.connect(path)
    try:
        wrong = [f"corrupt: {line}" for (line,) in db.execute("PRAGMA integrity_check") if line != "ok"]
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        if "runs" not in tables:
            return wrong + [f"{run_id} is lost" for run_id in said]
        there = {run.id: (number, run) for number, run in _runs(db)}
        for run_id, turns in said.items():
            wrong += _missing(db, there.get(run_id), run_id, turns)
        return wrong
    except sqlite3.DatabaseError as error:
        return [f"corrupt: {error}"]
    finally:
        db.close()


def _runs(db: sqlite3.Connection) -> list[tuple[int, Run]]:
    return [(found[0], Run(*found[1:])) for found in db.execute(f"SELECT no, {RUN_COLUMNS} FROM runs")]


def _missing(db: sqlite3.Connection, there: tuple[int, Run] | None, run_id: str, said: list[Turn]) -> list[str]:
    if there is None:
        return [f"{run_id} is lost"]
    rows = db.execute("SELECT seq, body, sum FROM turns WHERE run = ? ORDER BY seq", (there[0],))
    found = [Turn(*each) for each in rows]
    try:
        verified(there[1], found)
    except AmendsError as damaged:
        return [f"corrupt: {damaged}"]
    return [] if found[: len(said)] == said else [f"{run_id} has {len(found)} turns, and {len(said)} were acknowledged"]


def goes_on(path: Path) -> list[str]:
    """What is wrong when the store is opened again and used."""
    said = Acknowledged(lambda: 0)

    async def main() -> None:
        async with asyncio.timeout(PATIENCE):
            await _sit(SQLiteStore(path, busy=0.2), "next", 99, said)

    asyncio.run(main())
    wrong = [f"refused: {refused}" for refused in said.refused]
    return wrong + lost(path, said.by(0))


def checkpoint_often(patch: Callable[[object, str, object], None]) -> None:
    """Let every connection of the store write checkpoints early."""
    real = files._set

    def set_(path: Path, connection: sqlite3.Connection, durability: Durability, busy: float) -> None:
        real(path, connection, durability, busy)
        connection.execute(f"PRAGMA wal_autocheckpoint={OFTEN}")

    patch(files, "_set", set_)
