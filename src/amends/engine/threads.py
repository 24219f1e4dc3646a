"""A bounded pool of daemon threads for `def` steps: one that hangs never keeps the process from ending."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Job: TypeAlias = "tuple[contextvars.Context, Callable[[], Any], asyncio.AbstractEventLoop, asyncio.Future[Any]] | None"


class Threads:
    """Threads that are started when they are first needed; whoever calls sees to it that they do not become too many."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._idle = 0
        self._started = 0
        self._lock = threading.Lock()

    async def run(self, function: Callable[[], Any]) -> Any:
        """Call `function` in a thread, in the present context; a cancelled call lets its thread go on alone."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        with self._lock:
            if self._idle:
                self._idle -= 1
            else:
                self._started += 1
                threading.Thread(target=self._work, name=f"amends-step-{self._started}", daemon=True).start()
        self._jobs.put((contextvars.copy_context(), function, loop, future))
        return await future

    def close(self) -> None:
        """Let the threads end after what they are doing."""
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            context, function, loop, future = job
            try:
                value, error = context.run(function), None
            except BaseException as raised:  # it belongs to the one who waits for the future
                value, error = None, raised
            with self._lock:
                self._idle += 1
            try:
                loop.call_soon_threadsafe(_settle, future, value, error)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return


def _settle(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    elif isinstance(error, StopIteration):
        future.set_exception(RuntimeError(f"the function raised {error!r}"))  # as Python says of an `async def`
    elif isinstance(error, (KeyboardInterrupt, SystemExit)):
        future.set_exception(ThreadEnded(f"the function raised {error!r} in its thread"))
    else:
        future.set_exception(error)


class ThreadEnded(BaseException):
    """A thread's function tried to end the thread or the process."""
