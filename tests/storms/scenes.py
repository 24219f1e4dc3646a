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


def cut_short(place: Place, off: Rule | None, saga: str, call: int) -> Tally:
    """A worker dies right after a call took effect, of which the journal knows nothing yet if it is written late."""
    tally = Tally()
    with ForkServer(place) as server:
        halt = Halt(call, "after", signal.SIGKILL)
        victim = server.bear(Life(0, 0, starts=(saga,), halt=halt, hurry=True, off=off))
        _expect(tally, server, lambda: victim.code is not None, "killed")
        tally.kills = victim.code == -signal.SIGKILL
        _bring_to_an_end(tally, server, place)
    return tally


def in_peace(place: Place, off: Rule | None, *sagas: str) -> Tally:
    """A worker brings what it starts to an end, and nothing happens to it."""
    tally = Tally()
    with ForkServer(place) as server:
        _bring_to_an_end(tally, server, place, sagas, off)
    return tally


FIRST = partial(cut_short, saga="completes", call=1)
"""Dies in its first effect, whose arguments were another price each time they were asked for."""

LOSER = partial(cut_short, saga="contested", call=3)
"""Dies in the undo of the loser, which would be the winner if the join were decided again."""

SCENES: dict[str, Callable[[Place], Tally]] = {
    "woken": partial(woken, off=None),
    "woken, without fencing": partial(woken, off="fencing"),
    "cut short": partial(FIRST, off=None),
    "cut short, without intent first": partial(FIRST, off="intent first"),
    "cut short at a loser": partial(LOSER, off=None),
    "cut short at a loser, without decision first": partial(LOSER, off="decision first"),
    "in peace": lambda place: in_peace(place, None, "contested", "taken_back"),
    "in peace, without losers undone": lambda place: in_peace(place, "losers undone", "contested"),
    "in peace, without reverse order": lambda place: in_peace(place, "reverse order", "taken_back"),
}

CONTROLS = {
    "woken, without fencing": {"stuck", "at odds"},
    "cut short, without intent first": {"doubled key", "unasked"},
    "cut short at a loser, without decision first": {"missing", "unasked", "empty promise"},
    "in peace, without losers undone": {"left over"},
    "in peace, without reverse order": {"out of order"},
}
"""Scenes in which one rule is switched off, and what the audit must find then; in all others there is nothing to find."""


def _bring_to_an_end(
    tally: Tally, server: ForkServer, place: Place, starts: tuple[str, ...] = (), off: Rule | None = None
) -> None:
    last: Child = server.bear(Life(1, 1, starts=starts, off=off, most_open=len(starts), hurry=True, tells=True, last=True))
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
