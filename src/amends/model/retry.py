"""When to try again: how often, after which pause, and after which errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from amends.errors import DefinitionError
from amends.model import keys

Errors: TypeAlias = type[BaseException] | tuple[type[BaseException], ...]

MOST_ATTEMPTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and when a step is tried again; pauses grow exponentially and are spread by jitter.

    A *lost* answer (time-out, connection loss, crash) is always asked for again while attempts last, with the same key.
    A step's own exception is an answer: it is final, unless `on` names its type.

    Args:
        attempts: how many calls in all, 1 to 1000. Calls that a crash of the worker interrupted are not counted.
        first: the pause before the second call, in seconds.
        factor: each pause is this many times longer than the one before, at least 1.
        most: no pause is longer than this many seconds.
        jitter: the part of a pause that is left to chance, 0 to 1. The chance comes from the step's key, so that a
            replay waits as long.
        on: exception types that are worth asking again after.
        never: exception types that are final even if `on` names a parent of theirs.

    Raises:
        DefinitionError: a number is out of its range.
    """

    attempts: int = 3
    first: float = 1.0
    factor: float = 2.0
    most: float = 60.0
    jitter: float = 0.25
    on: Errors = ()
    never: Errors = ()

    def __post_init__(self) -> None:
        if not 1 <= self.attempts <= MOST_ATTEMPTS:
            raise DefinitionError(f"Retry(attempts={self.attempts!r}): attempts counts all calls, 1 to {MOST_ATTEMPTS}.")
        for name, least, most in (("first", 0, math.inf), ("factor", 1, math.inf), ("most", 0, math.inf)):
            value = getattr(self, name)
            if not (least <= value <= most and math.isfinite(value)):
                raise DefinitionError(f"Retry({name}={value!r}): must be a finite number of at least {least}.")
        if not 0 <= self.jitter <= 1:
            raise DefinitionError(f"Retry(jitter={self.jitter!r}): jitter is a part of the pause, 0 to 1.")

    def again(self, error: BaseException, *, lost: bool) -> bool:
        """Whether this error is worth another attempt, if any are left."""
        return not isinstance(error, self.never) and (lost or isinstance(error, self.on))

    def pause(self, spent: int, key: str) -> float:
        """Seconds to wait after `spent` attempts; the jitter is drawn from the key and the count."""
        try:
            full = min(self.most, self.first * self.factor ** (spent - 1))
        except OverflowError:
            full = self.most
        return full * (1 - self.jitter * keys.luck_float(key.encode(), spent))


DEFAULT = Retry()
"""What a step without `retry=` gets: three attempts for a lost answer, one for any other."""

PATIENT = Retry(attempts=10, first=9.0, factor=3.0, most=86_400.0, jitter=0.1, on=Exception)
"""What an undo gets: ten attempts spread over about a day, whatever the error. A check gets the same errors."""

ASKING = Retry(attempts=5, on=Exception)
"""What a check gets: it only asks, so any error is worth asking again."""


def seconds(value: float | timedelta, what: str) -> float:
    """A duration as seconds.

    Raises:
        DefinitionError: it is negative, NaN or infinite, or not a number at all.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        amount = float(value)
    elif isinstance(value, timedelta):
        amount = value.total_seconds()
    else:
        raise DefinitionError(f"{what} is {value!r}; give seconds as a number, or a timedelta.")
    if not math.isfinite(amount) or amount < 0:
        raise DefinitionError(f"{what} is {value!r}; give a finite number of seconds that is not negative.")
    return amount
