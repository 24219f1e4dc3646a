"""Tasks that begin at once, as `asyncio.eager_task_factory` of Python 3.12 makes them, for the Pythons before."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any


def eager(loop: asyncio.AbstractEventLoop, coroutine: Any, context: Context | None = None, **named: Any) -> Any:
    """A task factory: what comes to its end without waiting is over when the task is made."""
    if sys.version_info >= (3, 12):
        return asyncio.eager_task_factory(loop, coroutine, context=context, **named)
    context = copy_context() if context is None else context
    try:
        asked = context.run(coroutine.send, None)
    except StopIteration as done:
        over = _Over(loop=loop)
        over.context = context
        over.set_result(done.value)
        return over

    async def rest() -> Any:
        return await _rest(coroutine, asked)

    return asyncio.Task(rest(), loop=loop, context=context, **named)


class _Over(asyncio.Future[Any]):
    """A task that is over: it keeps its context, as tasks do."""

    context: Context


@types.coroutine
def _rest(coroutine: Coroutine[Any, Any, Any], asked: Any) -> Generator[Any, Any, Any]:
    while True:
        try:
            value = yield asked
        except BaseException as error:  # handed on as it came
            told, what = coroutine.throw, error
        else:
            told, what = coroutine.send, value
        try:
            asked = told(what)
        except StopIteration as done:
            return done.value
