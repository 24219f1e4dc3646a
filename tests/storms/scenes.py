"""What a storm does by chance, once and on purpose: the controls, which show that the audit sees a broken rule.

Each scene is played with the rule in force, when there is nothing to find, and with the rule switched off.
"""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable
from functools import partial

from tests.storms.fork_server import Child, ForkServer
from tests.storms.rules import Rule
from tests.storms.storm import Tally
from tests.storms.worker import OPEN, Halt, Life, Place

PATIENCE = 60.0


def woken(place: Place, off: Rule | None) -> Tally:
    """A worker is stopped as it gives up a run that waits; another one ends the run; then it wakes up, and writes."""
    tally = Tally()
    with ForkServer(place) as server:
        halt = Halt(1, "giving up", signal.SIGSTOP)
        zombie = server.bear(Life(0, 0, starts=("told",), halt=halt, hurry=True, off=off))
        _expect(tally, server, lambda: zombie.stopped, "stopped")
        _bring_to_an_end(tally, server, place)
        server.wake(zombie)
        _expect(tally, server, lambda: zombie.board.refused > 0 or _is_open_again(place), "refused, or done harm")
        tally.refused = zombie.board.refused
        server.kill(zombie)
    return tally


def cut_short(place: Place, off: Rule | None) -> Tally:
    """A worker dies right after an effect whose arguments were never asked for by the journal, if it wrote them late."""
    tally = Tally()
    with ForkServer(place) as server:
        halt = Halt(1, "after", signal.SIGKILL)
        victim = server.bear(Life(0, 0, starts=("completes",), halt=halt, hurry=True, off=off))
        _expect(tally, server, lambda: victim.code is not None, "killed")
        tally.kills = victim.code == -signal.SIGKILL
        _bring_to_an_end(tally, server, place)
    return tally


SCENES: dict[str, Callable[[Place], Tally]] = {
    "woken": partial(woken, off=None),
    "woken, without fencing": partial(woken, off="fencing"),
    "cut short": partial(cut_short, off=None),
    "cut short, without intent first": partial(cut_short, off="intent first"),
}


def _bring_to_an_end(tally: Tally, server: ForkServer, place: Place) -> None:
    last: Child = server.bear(Life(1, 1, hurry=True, tells=True, last=True))
    _expect(tally, server, lambda: last.code == 0, "through with all runs")


def _is_open_again(place: Place) -> bool:
    """Whether a run that had ended is open."""
    db = sqlite3.connect(place.store)
    try:
        return bool(db.execute("SELECT 1 FROM runs WHERE state IN (?, ?)", OPEN).fetchone())
    finally:
        db.close()


def _expect(tally: Tally, server: ForkServer, so: Callable[[], bool], what: str) -> None:
    if not server.wait_for(so, PATIENCE):
        tally.wrong.append(f"a worker was not {what} within {PATIENCE:g} s")
