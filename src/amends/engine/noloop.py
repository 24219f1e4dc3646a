"""What a saga body finds where the event loop would be: a refusal, so that nothing is ever left running behind it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

from amends.errors import ForeignAwait
from amends.model.body import CURE

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class NoLoop:
    """Stands in for the running event loop; whatever asyncio asks of it is refused with the cure."""

    def __getattr__(self, name: str) -> NoReturn:
        raise ForeignAwait(
            f"a saga body used asyncio's event loop ({name}): sleep, timeout, gather, create_task and TaskGroup of asyncio "
            f"would be lost in a crash. {CURE}"
        )

    def __hash__(self) -> int:
        return self.__getattr__("current_task")


NO_LOOP: Any = NoLoop()


def call(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that drives a saga body; whoever asks for the running event loop meanwhile is refused."""
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(NO_LOOP)
    try:
        return function(*args, **kwargs)
    finally:
        asyncio._set_running_loop(loop)
