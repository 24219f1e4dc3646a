"""Sagas, and what their bodies may await besides calls."""

from __future__ import annotations

import inspect
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, overload

from amends.errors import DefinitionError, ForeignAwait
from amends.model.body import Receive, Sleep, current_body
from amends.model.call import Call, Options, Target
from amends.model.codec import shape_of
from amends.model.definition import register, remember
from amends.model.door import limit, one_of, seconds
from amends.model.driving import noted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import timedelta
    from uuid import UUID

    from amends.model.driving import Ask
    from amends.model.signature import Signature

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class Saga(Target[P, R_co]):
    """A plain `async` function that amends makes durable. Made by `@saga`."""

    kind = "saga"

    def __init__(self, function: Callable[..., Coroutine[Any, Any, Any]], name: str, deadline: float | None) -> None:
        super().__init__(function, name, Options())
        self.deadline = deadline

    def using(self, *, detached: Literal[True]) -> Detached[P]:
        """The same saga, to be started as a run of its own: `audit.using(detached=True)(order)`.

        Awaiting that call in another saga starts the run, durably, and gives its id at once, to be used with `engine.get`.
        The run goes its own way: it is nobody's child, it is neither cancelled nor rolled back with the run that started it,
        and it closes on its own. A rollback of that run leaves it alone and lists it among the effects that are kept.

        Args:
            detached: True; a saga that is called within another is otherwise one unit of it.

        Raises:
            DefinitionError: it is not True.
        """
        one_of(detached, f"{self.name}.using(detached=...)", True)
        return Detached(self)

    def call_json(self, raw: bytes) -> Call[R_co]:
        """A call with arguments in JSON: an object by name, or an array by position.

        Raises:
            NotStorable: they do not fit the saga's parameters.
            DefinitionError: it is neither an object nor an array.
        """
        if raw.lstrip()[:1] == b"{":
            return Call(self, (), self.signature.decode(raw))
        if raw.lstrip()[:1] == b"[":
            return Call(self, (), self.signature.positional(raw))
        raise DefinitionError("the input of a saga is a JSON object of its arguments by name, or a JSON array of them.")


class Detached(Target[P, str]):
    """A saga to be started as a run of its own, by a saga that does not own that run. Made by `Saga.using(detached=True)`."""

    kind = "saga"

    def __init__(self, saga: Saga[P, Any]) -> None:
        super().__init__(_nobody, saga.name, Options(on_rollback="keep"))
        self.saga = saga
        self.__doc__ = saga.__doc__

    @cached_property
    def signature(self) -> Signature:
        """What the saga takes; it gives the id of the run."""
        return self.saga.signature.giving(str)


async def _nobody(*_: Any, **__: Any) -> str:
    raise ForeignAwait("a detached run can be started in a saga body only. Run the saga in an Engine, or use engine.start.")


class SagaMaker:
    """What `@saga(...)` with options gives: it makes the saga of a function."""

    def __init__(self, name: str | None, deadline: float | None) -> None:
        self._name = name
        self._deadline = deadline

    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Saga[P, R]:
        name = register("saga", function, self._name)
        if not inspect.iscoroutinefunction(function):
            raise DefinitionError(f"saga {name!r} must be an `async def`: its awaits are what is made durable.")
        made: Saga[P, R] = Saga(function, name, self._deadline)
        remember(made)
        return made


@overload
def saga(function: Callable[P, Coroutine[Any, Any, R]], /) -> Saga[P, R]: ...


@overload
def saga(*, deadline: float | timedelta | None = ..., name: str | None = ...) -> SagaMaker: ...


def saga(
    function: Callable[..., Coroutine[Any, Any, Any]] | None = None,
    /,
    *,
    deadline: float | timedelta | None = None,
    name: str | None = None,
) -> Any:
    """Make a saga of a module-level `async def`.

    Args:
        function: given when the decorator is used bare.
        deadline: seconds (or a timedelta) from its start after which the run fails and is rolled back. The rollback
            itself may take as long as it takes.
        name: the saga's name in the store; the function's name by default.

    Raises:
        DefinitionError: the function cannot be found again by name after a restart, is not `async`, or the name is taken.
    """
    maker = SagaMaker(name, None if deadline is None else limit(deadline, "@saga(deadline=...)", "that a run may take"))
    return maker if function is None else maker(function)


def sleep(duration: float | timedelta) -> Ask[None]:
    """Pause the saga, durably: the pause goes on while the process is down.

    Args:
        duration: seconds, or a timedelta.

    Raises:
        DefinitionError: the duration is negative, NaN or infinite.
    """
    return noted(Sleep(seconds(duration, "sleep(...)"), None))


def sleep_until(instant: datetime) -> Ask[None]:
    """Pause the saga until an instant; at once when it has passed.

    Args:
        instant: with a time zone.

    Raises:
        DefinitionError: it is no datetime, or has no time zone, so that nobody can say when it is.
    """
    if not isinstance(instant, datetime):
        raise DefinitionError(
            f"sleep_until({instant!r}): give a datetime with a zone; for a number of seconds there is sleep()."
        )
    if instant.tzinfo is None:
        raise DefinitionError(f"sleep_until({instant!r}): give the time a zone, for instance datetime.now(UTC).")
    return noted(Sleep(None, instant.timestamp()))


def receive(type: type[T], /, *, timeout: float | timedelta | None = None) -> Ask[T]:
    """Wait for a message of a type, sent by `engine.tell`. Messages told earlier are kept until they are asked for.

    Args:
        type: the message's class; its name is the message's name.
        timeout: seconds (or a timedelta) to wait.

    Returns:
        the oldest message of the type that was not received yet.

    Raises:
        TimeoutError: in the body, when the time is over.
        DefinitionError: the type is none that messages can be of, or the time is negative, NaN or infinite.
    """
    shape_of(type)
    limit = None if timeout is None else seconds(timeout, "receive(timeout=...)")
    return noted(Receive(type, message_name(type), limit))


def message_name(type: Any) -> str:
    """The name under which messages of a type are told and received."""
    name: str = getattr(type, "__name__", None) or str(type)
    return name


def now() -> datetime:
    """The present time in UTC, the same on a replay: it moves on when an await of the saga body returns."""
    return current_body("now").clock()


def random() -> float:
    """A random number of at least 0 and below 1, the same on a replay."""
    return current_body("random").random()


def uuid() -> UUID:
    """A random UUID (version 4), the same on a replay."""
    return current_body("uuid").uuid()
