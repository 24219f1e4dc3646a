"""The process in which a storm takes place, or a scene: nothing of it outlives whoever started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tests.storms.fork_server import die_with
from tests.storms.sagas import SAGAS
from tests.storms.scenes import SCENES
from tests.storms.storm import Plan, Tally, storm
from tests.storms.worker import Board, Life, Place, live

ROUNDS = 3
"""How often each saga is rehearsed."""

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
        _until_gone(child.pid)
    if child.returncode:
        raise RuntimeError(f"the stage ended with {child.returncode}")
    return Tally(**json.loads(told.read_text()))


def _until_gone(group: int) -> None:
    """Wait until the kernel has ended the last one of a group, so that nobody writes where the folder is removed."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)


def main(asked: str, play: str, parent: str) -> None:
    """Play what is asked for, and print the tally."""
    die_with(int(parent))
    given = json.loads(asked)
    place = Place(Path(given["folder"]), given["lease"], given["durability"])
    what = json.loads(play)
    if isinstance(what, str):
        tally = SCENES[what](place)
    else:
        rehearse(place)
        tally = storm(place, Plan(**what))
    print(json.dumps(asdict(tally)))


def rehearse(place: Place) -> None:
    """Drive every saga to its end, elsewhere: what is imported and learned on the way, no worker has to do again."""
    with tempfile.TemporaryDirectory(dir=place.folder) as elsewhere:
        other = Place(Path(elsewhere), place.lease, place.durability)
        other.pages.mkdir()
        starts = tuple(saga.name for saga in SAGAS) * ROUNDS
        board = Board(memoryview(bytearray(2)), 0)
        live(other, Life(0, 0, starts=starts, most_open=len(starts), hurry=True, tells=True, last=True), board)


if __name__ == "__main__":
    main(*sys.argv[1:])
