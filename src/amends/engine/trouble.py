"""A store that fails: how long it is left alone, and how much is said about it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from amends.errors import AmendsError

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("amends.engine")

LEAST = 1.0
"""Seconds before a run is taken up again after a failure."""

MOST = 30.0
"""Seconds after which it is tried again, however long the trouble has lasted."""

REMINDER = 60.0
"""Seconds after which a complaint is made again: a thousand runs on a full disk would make it a thousand times a second."""

MOST_COMPLAINTS = 100
"""Different complaints that are remembered."""


class Trouble:
    """What goes wrong between an engine and its store. It lasts from a write that failed to one that succeeds.

    Args:
        clock: seconds that never jump.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.since: float | None = None
        self._clock = clock
        self._said: dict[str, float] = {}

    def met(self) -> float:
        """A write failed. Returns how many seconds to wait: as long again as the trouble has lasted, within bounds."""
        now = self._clock()
        if self.since is None:
            self.since = now
        return min(max(LEAST, now - self.since), MOST)

    def over(self) -> None:
        """A write succeeded."""
        self.since = None

    def complain(self, about: str, error: BaseException) -> None:
        """Log what failed: aloud, unless the same error was told of within the last minute; then it is only information.

        An error that is none of amends' own comes with its traceback.
        """
        now, why = self._clock(), f"{type(error).__name__}: {error}"
        last = self._said.get(why)
        if last is not None and now - last < REMINDER:
            log.info("%s: %s", about, error)
            return
        if len(self._said) >= MOST_COMPLAINTS:
            self._said.clear()
        self._said[why] = now
        unknown = None if isinstance(error, AmendsError) else error
        said = "%s: %s (what fails the same way within %.0f seconds is logged as information)"
        log.error(said, about, error, REMINDER, exc_info=unknown)
