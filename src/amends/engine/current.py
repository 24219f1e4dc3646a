"""What a step can know about the call that it is running in."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from amends.errors import EngineClosed
from amends.model.driving import driving


@dataclass(frozen=True, slots=True)
class Forward:
    """The step that a call belongs to: the key and the arguments it was called with.

    `in_doubt` is True when nobody knows whether it took effect; the undo then gets None and cancels by `key`.
    """

    key: str
    args: dict[str, Any]
    in_doubt: bool


@dataclass(frozen=True, slots=True)
class Current:
    """The call that is running: `key` is the same on every attempt, `attempt` counts from 1.

    `deadline` is the instant (seconds since the epoch) at which this attempt times out, if it does. `forward` is the step
    that an undo undoes or a check asks about; in a step, the step itself.
    """

    key: str
    attempt: int
    run_id: str
    saga: str
    step: str
    forward: Forward
    deadline: float | None = None


class Calling(Protocol):
    """A call under way, which can say what it is: most steps never ask."""

    def describe(self) -> Current:
        """What the step can know about it."""
        ...


_current: ContextVar[Current | Calling | None] = ContextVar("amends_current", default=None)


def current() -> Current:
    """The call that is running; in a step, an undo or a check.

    Raises:
        EngineClosed: no engine is running this function; in a test, wrap the call in
            `with amends.testing.as_current(Current(...))`.
    """
    now = known()
    if now is None:
        raise EngineClosed(
            "current() is known only while an engine runs a step, an undo or a check. To run one by hand, wrap the call in "
            "`with amends.testing.as_current(Current(...))`."
        )
    return now


def known() -> Current | None:
    """The call that is running, if one is. A saga body is none, though it is driven where a call of it has just ended."""
    now = None if driving.get() else _current.get()
    return now if now is None or isinstance(now, Current) else now.describe()


class as_current:  # noqa: N801 (reads like a function)
    """Run a step, an undo or a check by hand, as if an engine did: `with as_current(Current(...)):`."""

    def __init__(self, what: Current) -> None:
        self._what = what

    def __enter__(self) -> Current:
        self._token = _current.set(self._what)
        return self._what

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
