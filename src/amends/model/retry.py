"""When to try again: how often, after which pause, and after which errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from amends.model import door, keys

Errors: TypeAlias = type[BaseException] | tuple[type[BaseException], ...]

MOST_ATTEMPTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and when a step is tried again; pauses grow exponentially and are spread by jitter.

    A *lost* answer (time-out, connection loss, crash) is always asked for again while attempts last, with the same key.
    A step's own exception is an answer: it is final, unless `on` names its type.

    Args:
        attempts: how many calls in all, 1 to 1000. Calls that a crash of the worker interrupted are not counted.
        first: the pause before the second call, in seconds (or a timedelta).
        factor: each pause is this many times longer than the one before, at least 1.
        most: no pause is longer than this many seconds (or a timedelta).
        jitter: the part of a pause that is left to chance, 0 to 1. The chance comes from the step's key, so that a
            replay waits as long.
        on: an exception type, or a tuple of them, that is worth asking again after.
        never: exception types that are final even if `on` names a parent of theirs.

    Raises:
        DefinitionError: a number is out of its range, or `on` or `never` is no exception type.
    """

    attempts: int = 3
    first: float | timedelta = 1.0
    factor: float = 2.0
    most: float | timedelta = 60.0
    jitter: float = 0.25
    on: Errors = ()
    never: Errors = ()

    def __post_init__(self) -> None:
        door.count(self.attempts, "Retry(attempts=...)", 1, MOST_ATTEMPTS)
        door.seconds(self.first, "Retry(first=...)")
        door.ratio(self.factor, "Retry(factor=...)", 1)
        door.seconds(self.most, "Retry(most=...)")
        door.ratio(self.jitter, "Retry(jitter=...)", 0, 1)
        door.errors(self.on, "Retry(on=...)")
        door.errors(self.never, "Retry(never=...)")

    def again(self, error: BaseException, *, lost: bool) -> bool:
        """Whether this error is worth another attempt, if any are left."""
        return not isinstance(error, self.never) and (lost or isinstance(error, self.on))

    def pause(self, spent: int, key: str) -> float:
        """Seconds to wait after `spent` attempts; the jitter is drawn from the key and the count."""
        first, most = door.seconds(self.first, "first"), door.seconds(self.most, "most")
        try:
            full = min(most, first * self.factor ** (spent - 1))
        except OverflowError:
            full = most
        return full * (1 - self.jitter * keys.luck_float(key.encode(), spent))


DEFAULT = Retry()
"""What a step without `retry=` gets: three attempts for a lost answer, one for any other."""

PATIENT = Retry(attempts=10, first=9.0, factor=3.0, most=86_400.0, jitter=0.1, on=Exception)
"""What an undo gets: ten attempts spread over about a day, whatever the error. A check gets the same errors."""

ASKING = Retry(attempts=5, on=Exception)
"""What a check gets: it only asks, so any error is worth asking again."""
