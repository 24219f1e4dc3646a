"""Threads for `def` steps in a simulated world: in lockstep with its clock, so that only one of the two ever runs."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from amends.engine.current import known
from amends.errors import DefinitionError
from amends.testing.world import Gone, _bridge

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from amends.testing.explorer.fate import Fate

PATIENCE = 10.0
"""Seconds of real time in which a thread must end or ask a service for something: the world stands still meanwhile."""


class Threads:
    """Stands in for the engine's threads."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate

    async def run(self, function: Callable[[], Any]) -> Any:
        """Call `function` in a thread; a cancelled call lets its thread go on alone."""
        loop: Any = asyncio.get_running_loop()
        alone = loop.create_task(_Lockstep(function, self._fate).run())
        alone.add_done_callback(_forget)
        return await asyncio.shield(alone)

    def close(self) -> None:
        """There is nothing to close."""


class _Lockstep:
    """One call: the thread works while the world waits for it, and waits while the world plays on."""

    def __init__(self, function: Callable[[], Any], fate: Fate) -> None:
        self._function = function
        self._fate = fate
        self._gone = False
        self._wishes: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
        self._answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    async def run(self) -> Any:
        """Play the thread's part in the world, wish by wish, until the function ends."""
        context = contextvars.copy_context()
        context.run(_bridge.set, self)
        thread = threading.Thread(target=context.run, args=(self._work,), name="amends-explored-step", daemon=True)
        thread.start()
        waits = False
        try:
            while True:
                over, wish = self._heard()
                if over:
                    return _unwrapped(wish)
                waits = True
                answer = await _tried(wish)
                waits = False
                self._answers.put(answer)
        finally:
            self._gone = True
            if waits:  # the worker is dead: its thread is cleared away when its world is
                self._answers.put((None, Gone()))
                thread.join(PATIENCE)
                if thread.is_alive():
                    self._fate.refuse(_blocked())

    def wait(self, wish: Coroutine[Any, Any, Any]) -> Any:
        """In the thread: let the world play until the wish is granted."""
        if self._gone:
            wish.close()
            raise Gone
        self._wishes.put((False, wish))
        return _unwrapped(self._answers.get())

    def _heard(self) -> tuple[bool, Any]:
        """The thread's next wish, or how it ended. If neither comes, the exploration is of no use."""
        try:
            return self._wishes.get(timeout=PATIENCE)
        except Empty:
            self._fate.refuse(blocked := _blocked())
            raise blocked from None

    def _work(self) -> None:
        came: tuple[Any, BaseException | None]
        try:
            came = self._function(), None
        except BaseException as error:  # it belongs to the one who called the function
            came = None, error
        self._wishes.put((True, came))


def _forget(alone: asyncio.Task[Any]) -> None:
    """A cancelled call does not hear how its thread ends: as in reality, nobody does."""
    if not alone.cancelled():
        alone.exception()


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


def _blocked() -> DefinitionError:
    running = known()
    return DefinitionError(
        f"step {running.step if running else '?'!r} has held its thread for {PATIENCE:g} seconds of real time, and asked no "
        "service for anything: does it wait for a lock, a queue or the real clock? A simulated world stands still meanwhile, "
        "so nobody comes to free it, and a worker that was killed keeps its locks. Let it wait for a service of a World, or "
        "give explore(...) a fake(step, service) that stands in for it."
    )
