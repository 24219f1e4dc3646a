"""The process in which a storm takes place, or a scene: nothing of it outlives whoever started it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from amends import Engine
from tests.storms.fork_server import die_with
from tests.storms.scenes import SCENES
from tests.storms.storm import Plan, Tally, storm
from tests.storms.worker import Place

LONGEST = 300.0
"""Seconds that a stage may be open beyond the time of its plan."""


def staged(place: Place, what: Plan | str) -> Tally:
    """Let a storm rage, or play a scene by its name, in a process of its own; its own children end with it."""
    place.pages.mkdir()
    asked = json.dumps({"folder": str(place.folder), "lease": place.lease, "durability": place.durability})
    play = json.dumps(what if isinstance(what, str) else asdict(what))
    told = place.folder / "tally"
    command = [sys.executable, "-m", "tests.storms.stage", asked, play, str(os.getpid())]
    with told.open("w") as out:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, start_new_session=True)
    seconds = LONGEST if isinstance(what, str) else LONGEST + what.patience
    try:
        child.wait(seconds)
    finally:
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
            child.wait()
    if child.returncode:
        raise RuntimeError(f"the stage ended with {child.returncode}")
    return Tally(**json.loads(told.read_text()))


def main(asked: str, play: str, parent: str) -> None:
    """Play what is asked for, and print the tally."""
    die_with(int(parent))
    given = json.loads(asked)
    place = Place(Path(given["folder"]), given["lease"], given["durability"])
    what = json.loads(play)
    asyncio.run(_warm_up(place))
    perform: Callable[[], Tally]
    perform = (lambda: SCENES[what](place)) if isinstance(what, str) else (lambda: storm(place, Plan(**what)))
    print(json.dumps(asdict(perform())))


async def _warm_up(place: Place) -> None:
    """Make the store, and import all that is imported on the way, so that no worker has to."""
    async with Engine(place.store, drive=False, durability=place.durability) as engine:
        await engine.list(limit=1)
        await engine.dlq.list()


if __name__ == "__main__":
    main(*sys.argv[1:])
