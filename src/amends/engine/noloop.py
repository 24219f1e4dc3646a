"""What a saga body finds where the event loop would be: a refusal, so that nothing is ever left running behind it."""

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

from amends.errors import ForeignAwait
from amends.model.body import CURE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

P = ParamSpec("P")
T = TypeVar("T")


class NoLoop:
    """Stands in for the running event loop; whatever asyncio asks of it is refused with the cure."""

    def create_task(self, coroutine: Any, **_: object) -> NoReturn:
        """What is handed over here, and asyncio's own wrapping of it, is closed: Python would warn that nobody awaits it."""
        if inspect.iscoroutine(coroutine):
            coroutine.close()
        self.__getattr__("create_task")

    def __getattr__(self, name: str) -> NoReturn:
        raise ForeignAwait(
            f"a saga body used asyncio's event loop ({name}): sleep, timeout, gather, create_task and TaskGroup of asyncio "
            f"would be lost in a crash. {CURE}"
        )

    def __hash__(self) -> int:
        return self.__getattr__("current_task")


NO_LOOP: Any = NoLoop()


def call(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that drives a saga body; whoever asks for the running event loop meanwhile is refused.

    Async generators that the body begins are not the loop's either: one that is left early is closed on the spot.
    """
    loop, hooks = asyncio._get_running_loop(), sys.get_asyncgen_hooks()
    asyncio._set_running_loop(NO_LOOP)
    sys.set_asyncgen_hooks(None, _close)
    try:
        return function(*args, **kwargs)
    finally:
        sys.set_asyncgen_hooks(*hooks)
        asyncio._set_running_loop(loop)


def _close(generator: AsyncGenerator[Any, Any]) -> None:
    """Leave a generator where it stands: its `finally` blocks run, but nothing that they await."""
    closing = generator.aclose()
    try:
        closing.__await__().send(None)
        closing.close()
    except KeyboardInterrupt:
        raise
    except BaseException:  # StopIteration when it is closed; what else a `finally` block raises has nowhere to go
        return
