"""Threads for `def` steps in a simulated world: in lockstep with its clock, so that only one of the two ever runs."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from amends.testing.world import _bridge

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Threads:
    """Stands in for the engine's threads."""

    async def run(self, function: Callable[[], Any]) -> Any:
        """Call `function` in a thread; a cancelled call lets its thread go on alone."""
        loop: Any = asyncio.get_running_loop()
        return await asyncio.shield(loop.create_task(_Lockstep(function).run()))

    def close(self) -> None:
        """There is nothing to close."""


class _Lockstep:
    """One call: the thread works while the world waits for it, and waits while the world plays on."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._wishes: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
        self._answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    async def run(self) -> Any:
        """Play the thread's part in the world, wish by wish, until the function ends."""
        context = contextvars.copy_context()
        context.run(_bridge.set, self)
        thread = threading.Thread(target=context.run, args=(self._work,), name="amends-explored-step", daemon=True)
        thread.start()
        over = False
        try:
            while True:
                over, wish = self._wishes.get()
                if over:
                    return _unwrapped(wish)
                self._answers.put(await _tried(wish))
        finally:
            if not over:  # the worker is dead: its thread is cleared away when its world is
                self._answers.put((None, Killed()))
            thread.join()

    def wait(self, wish: Coroutine[Any, Any, Any]) -> Any:
        """In the thread: let the world play until the wish is granted."""
        self._wishes.put((False, wish))
        return _unwrapped(self._answers.get())

    def _work(self) -> None:
        came: tuple[Any, BaseException | None]
        try:
            came = self._function(), None
        except BaseException as error:  # it belongs to the one who called the function
            came = None, error
        self._wishes.put((True, came))


async def _tried(wish: Coroutine[Any, Any, Any]) -> tuple[Any, BaseException | None]:
    try:
        return await wish, None
    except Exception as error:  # it is raised in the thread that asked
        return None, error


def _unwrapped(came: tuple[Any, BaseException | None]) -> Any:
    value, error = came
    if error is not None:
        raise error
    return value


class Killed(BaseException):
    """The worker of this thread is dead."""
