"""The time of day as users' code reads it while worlds are played: each worker has its own, and it may be wrong."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

EPOCH = 1_767_225_600.0
"""The instant at which every world begins: 2026-01-01 in UTC."""

ELSEWHEN = EPOCH + 401 * 86_400.0 + 13 * 3_600.0 + 31 * 60.0 + 17.0
"""The instant at which journals are replayed: another year, day of the week, hour, minute and second than any of a world."""

_wall: ContextVar[Callable[[], float] | None] = ContextVar("amends_wall", default=None)
_real, _real_ns = time.time, time.time_ns


def enter(wall: Callable[[], float]) -> None:
    """From here on, in this context and those that follow from it, this is the time of day."""
    _wall.set(wall)


def elsewhen(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function at another time of day than that of any world."""
    before = _wall.set(_elsewhen)
    try:
        return function(*args, **kwargs)
    finally:
        _wall.reset(before)


def _elsewhen() -> float:
    return ELSEWHEN


def now() -> float:
    """Stands in for `time.time`."""
    wall = _wall.get()
    return _real() if wall is None else wall()


def now_ns() -> int:
    """Stands in for `time.time_ns`."""
    wall = _wall.get()
    return _real_ns() if wall is None else int(wall() * 1e6) * 1_000
