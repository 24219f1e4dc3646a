"""One call of the user's code in flight, until it comes back as a fact: the only place that awaits user code."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal

from amends.engine.current import Current, Forward, _current
from amends.errors import NotStorable
from amends.model import keys, records
from amends.model.failure import failure_of
from amends.model.records import Fact, Failure, Outcome, Raw

if TYPE_CHECKING:
    from collections.abc import Callable

    from amends.engine.crew import Crew
    from amends.model.effect import Effect
    from amends.model.machine import Machine

log = logging.getLogger("amends.engine")

Kind = Literal["step", "undo", "check"]

STOP_GRACE = 5.0
"""Seconds that a call which was interrupted gets to come to its end before it is left alone, in doubt."""


is_async = lru_cache(maxsize=4096)(inspect.iscoroutinefunction)


class Interrupted(Exception):
    """The call was interrupted: its branch lost a join, or its run rolls back."""


class Swept(Exception):
    """The call's task was cancelled by neither the engine nor the call itself: all tasks are, when a programme is stopped."""


class Flight:
    """A call under way. `land` is told the fact that came of it, exactly once, unless the flight was dropped.

    There is no fact of a call that somebody else has cancelled, or of which nothing can be told: it is as if the process had
    ended in the midst of it.
    """

    given_up = False
    _landed = False
    _flying = False
    _called = False
    _in_thread = False
    _why: Exception | None = None
    _alarm: asyncio.TimerHandle | None = None
    _task: asyncio.Task[None] | None = None
    _given: dict[str, Any] | None = None
    _deadline: float | None = None

    def __init__(
        self,
        crew: Crew,
        machine: Machine,
        effect: Effect,
        kind: Kind,
        attempt: int,
        land: Callable[[Flight, Fact | None, BaseException | None], None],
    ) -> None:
        self.effect = effect
        self._crew = crew
        self._machine = machine
        self.kind = kind
        self._attempt = attempt
        self._land = land
        step = effect.step
        companion = None if kind == "step" else step.checking if kind == "check" else step.undoing
        function = step.function if companion is None else companion.function
        self._companion, self._function = companion, function
        self._is_async = is_async(function)
        self._berths = crew.berths if self._is_async else crew.seats

    def board(self) -> None:
        """Make the call now, or when there is room for it. With eager tasks it may have landed when this returns."""
        self._berths.enter(self)

    def begin(self) -> None:
        """There is room for the call."""
        task = self._crew.loop.create_task(self._fly())
        if not task.done():  # an eager one may be over before it is known
            self._task = task

    def interrupt(self, why: Exception) -> None:
        """Cancel the call; if it does not end within the grace, it is left alone and is in doubt.

        A function in a thread cannot be cancelled, but it may come back within the grace. A call that was still waiting for
        its turn was never made, so it has failed, for certain without effect.
        """
        if self._landed or self._why is not None:
            return
        self._why = why
        self._cancel()
        if self._called:
            self._set_alarm(STOP_GRACE, self._leave_alone)
        else:
            self._ended(None, why)

    def stop(self) -> None:
        """It is not wanted any more: interrupt it, or do not begin with it."""
        self.interrupt(Interrupted("its branch lost a join, or the run rolls back"))

    def _leave_alone(self) -> None:
        """The grace is over."""
        if self._in_thread:
            log.warning(
                "run %s: step %s has not come back %g s after it was stopped (%s); its thread is not free until then",
                self._machine.run_id,
                self.effect.step.name,
                STOP_GRACE,
                self._why,
            )
        self._ended(None, self._why)

    def drop(self) -> None:
        """Cancel the call and tell nobody: the process pauses, or the run belongs to another worker."""
        self._landed = True
        self._set_alarm(None)
        self._cancel()

    def _cancel(self) -> None:
        self.given_up = True
        if self._task is not None and not self._in_thread:  # a thread keeps its seat until it comes back
            self._task.cancel()
            if not self._flying:
                self._berths.leave()  # its coroutine is never entered

    async def _fly(self) -> None:
        self._flying = True
        try:
            args, named, limit = self._plan()
            if limit is not None:
                self._deadline = self._crew.now() + limit
                self._set_alarm(limit, partial(self.interrupt, TimeoutError(f"no answer within {limit:g} seconds")))
            _current.set(self)
            self._called = True
            value = await (self._function(*args, **named) if self._is_async else self._threaded(args, named))
        except KeyboardInterrupt:
            raise
        except asyncio.CancelledError as error:
            self._ended(None, self._why or (Swept() if _is_swept() else error))
        except BaseException as error:  # whatever user code raises is the outcome of this attempt
            self._ended(None, error)
        else:
            self._ended(value, None)
        finally:
            self._task = None  # its context knows this flight: without this, each call would wait for the garbage collector
            self._berths.leave()

    async def _threaded(self, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """What a `def` answers; it is awaited if a decorator hid an `async def`."""
        self._in_thread = True
        answer = await self._crew.threads.run(partial(self._function, *args, **named))
        self._in_thread = False
        if not inspect.isawaitable(answer):
            return answer
        if self.given_up:
            self._cancel()
        return await answer

    def _plan(self) -> tuple[tuple[Any, ...], dict[str, Any], float | None]:
        """With what it is called, and for how many seconds at most."""
        step, effect, companion = self.effect.step, self.effect, self._companion
        self._given = given = effect.take_given()
        if companion is None:
            return (), given, step.options.timeout
        if self.kind == "check":
            return (), given, companion.timeout
        result = None if effect.result is None else step.signature.result.decode(effect.result)
        return (result,), {}, companion.timeout

    def describe(self) -> Current:
        """What the step can know about the call."""
        effect, machine = self.effect, self._machine
        key = keys.undo_key(effect.key) if self.kind == "undo" else effect.key
        forward = Forward(effect.key, self._given or {}, effect.in_doubt)
        return Current(key, self._attempt, machine.run_id, machine.saga.name, effect.step.name, forward, self._deadline)

    def _ended(self, value: Any, error: BaseException | None) -> None:
        """Turn what came of the call into the one fact about it."""
        if self._landed:
            return
        self._landed = True
        self._set_alarm(None)
        fact: Fact | None = None
        if not isinstance(error, Swept):
            try:
                fact = self._came_back(value) if error is None else self._broke(error)
            except Exception as broken:  # the values and errors of users are of any kind, and the run must not wait for ever
                error = broken
        self._land(self, fact, error)

    def _came_back(self, value: Any) -> Fact:
        at, pos = self._crew.now(), self.effect.pos
        if self.kind == "undo":
            return records.UndoDone(at, pos, self._attempt)
        if self.kind == "check" and value is None:
            return records.Checked(at, pos, self._attempt, False, records.NULL)
        try:
            written, twin = self.effect.step.signature.result.store(value)
        except NotStorable as error:
            path = (self._machine.saga.name, self.effect.step.name, "return", *error.path)
            return self._broke(NotStorable(error.what, path=path, cure=error.cure), "unstorable")
        raw = Raw(written)
        self.effect.fresh = (raw, twin)
        if self.kind == "check":
            return records.Checked(at, pos, self._attempt, True, raw)
        return records.StepDone(at, pos, self._attempt, raw)

    def _broke(self, error: BaseException, outcome: Outcome | None = None) -> Fact:
        at, pos, options = self._crew.now(), self.effect.pos, self.effect.step.options
        failure: Failure = failure_of(error)
        if self.kind == "step":
            stopped = isinstance(error, (Interrupted, asyncio.CancelledError))
            lost = options.leaves_doubt(error) or (stopped and self._called)
            again = outcome is None and options.retry.again(error, lost=lost)
            return records.StepBroke(at, pos, self._attempt, failure, outcome or ("in_doubt" if lost else "failed"), again)
        companion = self._companion
        assert companion is not None
        again = outcome is None and companion.retry.again(error, lost=True)
        kind = records.UndoBroke if self.kind == "undo" else records.CheckBroke
        return kind(at, pos, self._attempt, failure, again)

    def _set_alarm(self, delay: float | None, ring: Callable[[], None] | None = None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None
        if delay is not None and ring is not None and math.isfinite(delay):
            self._alarm = self._crew.loop.call_later(delay, ring)


def _is_swept() -> bool:
    """Whether the present task was asked to end: else its own code has raised `CancelledError`."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
