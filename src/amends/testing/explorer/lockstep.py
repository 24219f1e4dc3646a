"""Threads for `def` steps in a simulated world: in lockstep with its clock, so that only one of the two ever runs."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

from amends.engine.current import known
from amends.errors import DefinitionError
from amends.testing.world import Gone, _bridge

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from amends.testing.explorer.fate import Fate

PATIENCE = 10.0
"""Seconds of real time in which a thread must end or ask a service for something: the world stands still meanwhile."""


Came: TypeAlias = "tuple[Any, BaseException | None]"
"""What came of a call: its value, or what it has raised."""


class _Wish:
    """What a thread asks the world for, and where it hears the answer: a call may have several threads."""

    def __init__(self, asked: Coroutine[Any, Any, Any]) -> None:
        self.asked = asked
        self.answers: SimpleQueue[Came] = SimpleQueue()

    def refuse(self) -> None:
        """The world that was to grant it is over."""
        self.asked.close()
        self.answers.put((None, Gone()))


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
        self._heard: SimpleQueue[_Wish | Came] = SimpleQueue()

    async def run(self) -> Any:
        """Play the thread's part in the world, wish by wish, until the function ends."""
        context = contextvars.copy_context()
        context.run(_bridge.set, self)
        thread = threading.Thread(target=context.run, args=(self._work,), name="amends-explored-step", daemon=True)
        thread.start()
        waits: _Wish | None = None
        try:
            while isinstance(said := self._next(), _Wish):
                waits = said
                answer = await _tried(waits.asked)
                waits.answers.put(answer)
                waits = None
            return _unwrapped(said)
        finally:
            self._gone = True
            self._turn_away()
            if waits is not None:  # the worker is dead: its thread is cleared away when its world is
                waits.refuse()
                thread.join(PATIENCE)
                if thread.is_alive():
                    self._fate.refuse(_blocked())

    def wait(self, wish: Coroutine[Any, Any, Any]) -> Any:
        """In the thread, or in one that it has begun: let the world play until the wish is granted."""
        made = _Wish(wish)
        self._heard.put(made)
        if self._gone:
            self._turn_away()
        return _unwrapped(made.answers.get())

    def _turn_away(self) -> None:
        """Nobody plays on: whoever still asks is told so."""
        with suppress(Empty):
            while True:
                said = self._heard.get_nowait()
                if isinstance(said, _Wish):
                    said.refuse()

    def _next(self) -> _Wish | Came:
        """The thread's next wish, or how it ended. If neither comes, the exploration is of no use."""
        try:
            return self._heard.get(timeout=PATIENCE)
        except Empty:
            self._fate.refuse(blocked := _blocked())
            raise blocked from None

    def _work(self) -> None:
        came: Came
        try:
            came = self._function(), None
        except BaseException as error:  # it belongs to the one who called the function
            came = None, error
        self._heard.put(came)


def _forget(alone: asyncio.Task[Any]) -> None:
    """A cancelled call does not hear how its thread ends: as in reality, nobody does."""
    if not alone.cancelled():
        alone.exception()


async def _tried(wish: Coroutine[Any, Any, Any]) -> Came:
    try:
        return await wish, None
    except Exception as error:  # it is raised in the thread that asked
        return None, error


def _unwrapped(came: Came) -> Any:
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
