"""One log event for each record, under `amends.run`: what happened to which step of which run, never its values."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from amends.model import records

if TYPE_CHECKING:
    from collections.abc import Iterable

    from amends.model.machine import Machine
    from amends.model.records import Record

log = logging.getLogger("amends.run")

_LOUD = frozenset({records.DeadLettered, records.Stalled})


def report(machine: Machine, turn: Iterable[Record]) -> None:
    """Log the records of a turn once they are durable."""
    quiet = log.isEnabledFor(logging.INFO)
    for record in turn:
        if type(record) in _LOUD:
            _log(machine, record, logging.WARNING)
        elif quiet:
            _log(machine, record, logging.INFO)


def _log(machine: Machine, record: Record, level: int) -> None:
    effect = machine.effects.get(getattr(record, "pos", 0))
    fields = {
        "run_id": machine.run_id,
        "saga": machine.saga.name,
        "event": type(record).__name__,
        "step": effect.step.name if effect else None,
        "attempt": getattr(record, "attempt", None),
    }
    words = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
    log.log(level, words, extra={f"amends_{name}": value for name, value in fields.items()})
