"""Virtual time: event loops that wait for nothing, all on one clock, one callback after the other in a fixed order."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from enum import Enum
from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from amends.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

    Due: TypeAlias = "tuple[float, int, Virtual, asyncio.TimerHandle]"


class Pace(Enum):
    """How a loop stands: it runs, it stands still like a stopped process, or it is gone for good."""

    RUNS = "runs"
    FROZEN = "frozen"
    DEAD = "dead"


class Clock:
    """What is ready now, and what will be; time moves on only when nothing is ready."""

    def __init__(self) -> None:
        self.now = 0.0
        self.spent = 0
        self._order = count()
        self._ready: deque[tuple[Virtual, asyncio.Handle]] = deque()
        self._later: list[Due] = []

    def soon(self, loop: Virtual, handle: asyncio.Handle) -> None:
        """Run a callback at the present instant, after those that are ready already."""
        self._ready.append((loop, handle))

    def at(self, loop: Virtual, timer: asyncio.TimerHandle) -> None:
        """Run a callback at its instant; of several at one instant, the one asked for first."""
        heapq.heappush(self._later, (timer.when(), next(self._order), loop, timer))

    def run(self, *, horizon: float, most: int) -> bool:
        """Go on until nothing more happens before `horizon` (seconds); False when there were more than `most` callbacks."""
        before = asyncio._get_running_loop()
        try:
            while self.spent < most:
                if not self._ready and not self._move_on(horizon):
                    return True
                loop, handle = self._ready.popleft()
                self.spent += 1
                loop.go(handle)
            return False
        finally:
            asyncio._set_running_loop(before)

    def _move_on(self, horizon: float) -> bool:
        """Let time pass until the next callback is due."""
        while self._later:
            when, _, loop, timer = self._later[0]
            if when > horizon:
                return False
            heapq.heappop(self._later)
            if not timer.cancelled() and loop.pace is not Pace.DEAD:
                self.now = max(self.now, when)
                self._ready.append((loop, timer))
                return True
        return False


class Virtual:
    """What tasks and timers need of an event loop, on a clock. What else is asked of it is refused."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.pace = Pace.RUNS
        self.errors: list[dict[str, Any]] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._held: list[asyncio.Handle] = []

    def go(self, handle: asyncio.Handle) -> None:
        """Run one callback, unless this loop stands still or is dead."""
        if self.pace is Pace.RUNS:
            if not handle.cancelled():
                asyncio._set_running_loop(self._self)
                handle._run()
        elif self.pace is Pace.FROZEN:
            self._held.append(handle)

    def __getattr__(self, name: str) -> NoReturn:
        raise DefinitionError(
            f"a simulated world has no event loop's {name!r}: no sockets, no programs, no threads. Let the step use a "
            "service of a World, or give explore(...) a fake(step, service) that stands in for it."
        )

    @property
    def _self(self) -> Any:
        """This loop, as asyncio's types want it."""
        return self

    def time(self) -> float:
        """The virtual time, in seconds."""
        return self.clock.now

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> asyncio.Handle:
        """See `asyncio`."""
        handle = asyncio.Handle(callback, args, self._self, context)
        self.clock.soon(self, handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See `asyncio`."""
        return self.call_at(self.clock.now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See `asyncio`."""
        timer = asyncio.TimerHandle(when, callback, args, self._self, context)
        self.clock.at(self, timer)
        return timer

    def create_future(self) -> asyncio.Future[Any]:
        """See `asyncio`."""
        return asyncio.Future(loop=self._self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> asyncio.Task[Any]:
        """See `asyncio`."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self._self, name=name or "task", context=context)
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

    def _timer_handle_cancelled(self, timer: asyncio.TimerHandle) -> None:
        """A cancelled timer is passed over when its instant comes."""


class Loop(Virtual):
    """An event loop on a shared clock, which can stand still or die as a process does."""

    def freeze(self) -> None:
        """Stand still, as a stopped process does."""
        self.pace = Pace.FROZEN

    def thaw(self) -> None:
        """Go on with all that was held up."""
        self.pace = Pace.RUNS
        for handle in self._held:
            self.clock.soon(self, handle)
        self._held.clear()

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
        self._held.clear()


def _close(coroutine: Coroutine[Any, Any, Any] | Any) -> None:
    try:
        coroutine.close()
    except BaseException:  # what a dead process still says as it is cleared away, nobody hears
        return
