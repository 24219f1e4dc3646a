"""Virtual time: event loops that wait for nothing, all on one clock, one callback after the other in a fixed order."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from contextvars import copy_context
from enum import Enum
from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn

from amends.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context


class Pace(Enum):
    """How a loop stands: it runs, it stands still like a stopped process, or it is gone for good."""

    RUNS = "runs"
    FROZEN = "frozen"
    DEAD = "dead"


class Callback:
    """What is to be called on a loop: a handle as `asyncio` has them, only lighter."""

    __slots__ = ("args", "context", "function", "loop")

    def __init__(self, loop: Virtual, function: Callable[..., Any], args: tuple[Any, ...], context: Context | None) -> None:
        self.loop = loop
        self.function: Callable[..., Any] | None = function
        self.args = args
        self.context = copy_context() if context is None else context

    def cancel(self) -> None:
        """See `asyncio.Handle`."""
        self.function, self.args = None, ()

    def cancelled(self) -> bool:
        """See `asyncio.Handle`."""
        return self.function is None


class Clock:
    """What is ready now, and what will be; time moves on only when nothing is ready."""

    def __init__(self) -> None:
        self.now = 0.0
        self.spent = 0
        self.ready: deque[Callback] = deque()
        self._most = 0
        self._later: list[tuple[float, int, Callback]] = []
        self._order = count()

    def at(self, when: float, callback: Callback) -> None:
        """Run a callback at its instant; of several at one instant, the one asked for first."""
        heapq.heappush(self._later, (when, next(self._order), callback))

    def run(self, *, horizon: float, most: int) -> bool:
        """Go on until nothing more happens before `horizon` (seconds); False when there were more than `most` callbacks."""
        ready, runs, frozen = self.ready, Pace.RUNS, Pace.FROZEN
        self._most = most
        before = now = asyncio._get_running_loop()
        try:
            while self.spent < self._most:
                callback = ready.popleft() if ready else self._due(horizon)
                if callback is None:
                    return True
                self.spent += 1
                loop: Any = callback.loop
                if loop.pace is frozen:
                    loop.held.append(callback)
                elif loop.pace is runs and (function := callback.function) is not None:
                    if loop is not now:
                        now = loop
                        asyncio._set_running_loop(now)
                    try:
                        callback.context.run(function, *callback.args)
                    except (SystemExit, KeyboardInterrupt):
                        raise
                    except BaseException as error:  # nobody waits for it
                        loop.call_exception_handler({"exception": error})
            return False
        finally:
            asyncio._set_running_loop(before)

    def stop(self) -> None:
        """Let nothing more happen, as if there had been too many callbacks."""
        self._most = 0

    def _due(self, horizon: float) -> Callback | None:
        """Let time pass until the next callback is due."""
        later, dead = self._later, Pace.DEAD
        while later and later[0][0] <= horizon:
            when, _, callback = heapq.heappop(later)
            if callback.function is not None and callback.loop.pace is not dead:
                self.now = max(self.now, when)
                return callback
        return None


class Virtual:
    """What tasks and timers need of an event loop, on a clock. What else is asked of it is refused."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.pace = Pace.RUNS
        self.errors: list[dict[str, Any]] = []
        self.held: list[Callback] = []
        self._tasks: list[asyncio.Task[Any]] = []

    def time(self) -> float:
        """The virtual time, in seconds."""
        return self.clock.now

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Callback:
        """See `asyncio`."""
        made = Callback(self, callback, args, context)
        self.clock.ready.append(made)
        return made

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Callback:
        """See `asyncio`."""
        made = Callback(self, callback, args, context)
        self.clock.at(self.clock.now + delay, made)
        return made

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Callback:
        """See `asyncio`."""
        made = Callback(self, callback, args, context)
        self.clock.at(when, made)
        return made

    def create_future(self) -> asyncio.Future[Any]:
        """See `asyncio`."""
        loop: Any = self
        return asyncio.Future(loop=loop)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> asyncio.Task[Any]:
        """See `asyncio`."""
        loop: Any = self
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, name=name or "task", context=context)
        self._tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what went wrong where nobody was waiting for it."""
        self.errors.append(context)

    def get_debug(self) -> bool:
        """See `asyncio`."""
        return False

    def is_running(self) -> bool:
        """See `asyncio`."""
        return self.pace is Pace.RUNS

    def is_closed(self) -> bool:
        """See `asyncio`."""
        return False


class Missing:
    """What event loops have and a virtual one has not: to ask for it is refused. A `__getattr__` would slow all the rest."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, loop: object, owner: type) -> NoReturn:
        raise DefinitionError(
            f"a simulated world has no event loop's {self._name!r}: no sockets, no programs, no threads. Let the step use a "
            "service of a World, or give explore(...) a fake(step, service) that stands in for it."
        )


for _name in sorted(set(dir(asyncio.AbstractEventLoop)) - set(dir(Virtual))):
    setattr(Virtual, _name, Missing(_name))


class Loop(Virtual):
    """An event loop on a shared clock, which can stand still or die as a process does."""

    def unread(self) -> list[BaseException | None]:
        """The errors of tasks that nobody has asked for; of a dead loop none, whose tasks died before they could be asked."""
        if self.pace is Pace.DEAD:
            return []
        return [task.exception() for task in self._tasks if task._log_traceback]

    def freeze(self) -> None:
        """Stand still, as a stopped process does."""
        self.pace = Pace.FROZEN

    def thaw(self) -> None:
        """Go on with all that was held up."""
        self.pace = Pace.RUNS
        self.clock.ready.extend(self.held)
        self.held.clear()

    def kill(self) -> None:
        """End as `kill -9` ends a process: nothing runs any more, no `finally` either."""
        self.pace = Pace.DEAD

    def bury(self) -> None:
        """Free what the loop still holds, once the world that it was part of has been judged."""
        self.pace = Pace.DEAD
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            if not task.done():
                _close(task.get_coro())
        asyncio._set_running_loop(before)
        self._tasks.clear()
        self.held.clear()


def _close(coroutine: Coroutine[Any, Any, Any] | Any) -> None:
    try:
        coroutine.close()
    except KeyboardInterrupt:
        raise
    except BaseException:  # what a dead process still says as it is cleared away, nobody hears
        return
