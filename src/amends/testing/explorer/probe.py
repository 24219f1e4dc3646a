"""Watches what a saga body is made to see: no exception of the engine's own business may ever reach it."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from amends.errors import (
    AmendsError,
    Compensated,
    DefinitionError,
    ForeignAwait,
    JoinFailed,
    NeverAwaited,
    NotStorable,
    StepFailed,
)
from amends.merges import NothingToMerge
from amends.model.join import Join

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from amends.model.saga import Saga

EXPECTED = (StepFailed, Compensated, JoinFailed, NothingToMerge, NotStorable, DefinitionError, ForeignAwait, NeverAwaited)
"""What a body may be told of ours: of its steps, its nested runs and its joins, and of its own mistakes."""


@contextmanager
def probed(saga: Saga[..., Any], complain: Callable[[str, str], None]) -> Generator[None]:
    """While it lasts, `complain(rule, why)` hears of every exception in the saga's body that has no business there."""
    function = saga.function
    _ = saga.signature  # of the real function

    @functools.wraps(function)
    async def watched(*args: Any, **kwargs: Any) -> Any:
        return await _Watched(function(*args, **kwargs), complain)

    saga.function = watched
    try:
        yield
    finally:
        saga.function = function


class _Watched:
    def __init__(self, coroutine: Coroutine[Any, Any, Any], complain: Callable[[str, str], None]) -> None:
        self._coroutine = coroutine
        self._complain = complain

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine, value, error = self._coroutine, None, None
        while True:
            try:
                asked = coroutine.send(value) if error is None else coroutine.throw(error)
            except StopIteration as stop:
                return stop.value
            value, error = None, None
            try:
                value = yield asked
            except BaseException as told:  # handed on to the body as it came
                error = told
                if _is_foreign(told, asked):
                    self._complain("no_foreign_error", f"the saga body was told {told!r}")


def _is_foreign(told: BaseException, asked: object) -> bool:
    """Whether it is none of the body's business. What the user's own functions raise within a join is theirs to see."""
    if isinstance(told, AmendsError):
        return not isinstance(told, EXPECTED)
    if isinstance(asked, Join) and isinstance(told, Exception):
        return False
    return not isinstance(told, (TimeoutError, TypeError, GeneratorExit))
