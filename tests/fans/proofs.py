"""Proofs of fan-out with a real process and an outside ledger: killed in the middle, and stopped by too many failures."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from amends import Engine
from amends.model import records
from amends.model.chunk import MOST_ITEMS
from amends.model.fan import LANES
from tests.fans.worker import FRACTION

MOST_MIB = 64
"""Memory that a fan-out may take, beyond what its engine takes when it has nothing to do."""


def worker(folder: Path, *args: object, die_after: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a worker to its end, which is its death after so many effects, if that is asked for."""
    environment = {**os.environ, "LEDGER": str(folder / "ledger"), "DIE_AFTER": str(die_after)}
    command = [sys.executable, "-m", "tests.fans.worker", str(folder / "f.db"), *map(str, args)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def ledger(folder: Path) -> Counter[str]:
    """How often each key took effect."""
    return Counter((folder / "ledger").read_text().split())


async def committed(place: Path) -> set[str]:
    """The keys of the items whose outcome is in the journal."""
    done: set[str] = set()
    async with Engine(place, sagas=[]) as engine:
        for run in await engine.list(limit=1_000_000):
            keys: dict[int, str] = {}
            for turn in await engine.history(run.id):
                for record in turn:
                    if isinstance(record, records.StepWanted):
                        keys[record.pos] = record.key
                    elif isinstance(record, records.StepDone):
                        done.add(keys[record.pos])
    return done


def killed(folder: Path, items: int, limit: int) -> dict[str, Any]:
    """Kill the worker at 40 % of the items, go on, and say what the ledger holds."""
    first = worker(folder, "summed", items, limit, die_after=items * 2 // 5)
    assert first.returncode == -signal.SIGKILL, first.stderr
    before = asyncio.run(committed(folder / "f.db"))
    second = worker(folder, "summed", items, limit)
    assert second.returncode == 0, second.stderr
    told = json.loads(second.stdout)
    effects = ledger(folder)
    twice = {key for key, times in effects.items() if times > 1}
    assert told["value"] == items * (items - 1) // 2
    assert len(effects) == items, "an item is lost, or has two keys"
    assert max(effects.values()) <= 2 and len(twice) <= limit, "more than was in flight was done again"
    assert not twice & before, "an item whose outcome was committed was done again"
    assert 0 < told["mib"] <= MOST_MIB
    return {"items": items, "committed": len(before), "twice": len(twice), "mib": told["mib"]}


def given_up(folder: Path, items: int, limit: int, known: bool) -> dict[str, Any]:
    """A fiftieth of the items fail and a hundredth may: it stops at the first failure too many."""
    done = worker(folder, "given_up", items, limit, int(known))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    failed, counted = told["value"]
    really = len(ledger(folder))
    assert counted == items, "an item is forgotten"
    if known:
        allowed = int(items * FRACTION)
        assert allowed < failed <= really <= allowed + limit, "it did not stop at the first failure too many"
    else:
        assert failed <= really <= LANES * MOST_ITEMS * 2 * FRACTION + limit, "it went on, though too many fail"
    return {"items": items, "known": known, "failed": failed, "really": really, "mib": told["mib"]}
