"""Where an effect stands."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """Where a step stands."""

    CALLING = "calling"
    PAUSING = "pausing before another call"
    CHECKING = "checking"
    PAUSING_CHECK = "pausing before another check"
    UNDOING = "undoing"
    PAUSING_UNDO = "pausing before another undo"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"
    NOTHING_TO_UNDO = "nothing to undo"
    KEPT = "kept"
    LETTER = "dead letter"
    RESOLVED = "resolved"
    ABANDONED = "abandoned"
    LEFT = "interrupted and left alone, in doubt"
    RUNNING = "running"
    UNWINDING = "rolling back"
    STUCK = "waiting for a person"

    __hash__ = object.__hash__  # members are themselves only; Enum's own hash is a call of Python at every look into a table


IN_FLIGHT = frozenset({Phase.CALLING, Phase.CHECKING, Phase.UNDOING})
PAUSED = frozenset({Phase.PAUSING, Phase.PAUSING_CHECK, Phase.PAUSING_UNDO})
IN_ITS_OWN_RUN = frozenset({Phase.RUNNING, Phase.UNWINDING})
BUSY = IN_FLIGHT | PAUSED | IN_ITS_OWN_RUN
