"""What a worker has done so far, on one line of stderr; read off the log events, so it costs the store nothing."""

from __future__ import annotations

import asyncio
import logging

from amends.ops.screen import aside, bottom

TELLING = {"StepDone": "steps done", "Ended": "runs ended", "RollbackBegan": "rollbacks", "Recovered": "runs taken up again"}
EVERY = 1.0
EVERY_PIPED = 30.0
"""Seconds between looks at the figures: on a terminal the line is written anew, else another line is written."""


class Progress(logging.Handler):
    """Counts the events of `amends.run`, and passes on what is a warning."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._counts = dict.fromkeys(TELLING.values(), 0)
        self._log = logging.getLogger("amends")
        self._before = self._log.level
        self._shown = ""

    def __enter__(self) -> Progress:
        self._before = self._log.level
        self._log.setLevel(logging.INFO)
        self._log.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._log.removeHandler(self)
        self._log.setLevel(self._before)
        bottom.clear()

    def emit(self, record: logging.LogRecord) -> None:
        """Take in one event."""
        name = TELLING.get(getattr(record, "amends_event", ""))
        if name is not None:
            self._counts[name] += 1
        if record.levelno == logging.WARNING:  # errors are passed on for every command
            aside(f"warning: {_warning(record)}")
            self._shown = ""

    def said(self) -> str:
        """The figures in words."""
        return ", ".join(f"{name}: {count}" for name, count in self._counts.items() if count or name == "runs ended")

    async def watch(self, stop: asyncio.Event) -> None:
        """Show the figures until told to stop."""
        while not stop.is_set():
            self._show()
            try:
                await asyncio.wait_for(stop.wait(), EVERY if bottom.live else EVERY_PIPED)
            except TimeoutError:
                continue

    def _show(self) -> None:
        said = self.said()
        if said == self._shown or not any(self._counts.values()):
            return
        if bottom.live:
            bottom.show([said])
        else:
            aside(said)
        self._shown = said


def _warning(record: logging.LogRecord) -> str:
    if getattr(record, "amends_event", "") != "DeadLettered":
        return record.getMessage()
    run_id, step = getattr(record, "amends_run_id", ""), getattr(record, "amends_step", None)
    about = f" about step {step!r}" if step else ""
    return f"run {run_id} wrote a dead letter{about}; see `amends why {run_id}`"
