"""Steps and calls: what a saga is made of."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, ParamSpec, TypeAlias, TypeVar, overload

from amends.errors import DefinitionError
from amends.model import answers, door, retry
from amends.model.definition import demand_finding, register, remember, tolerates_none
from amends.model.driving import Ask, driving
from amends.model.signature import Signature

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from datetime import timedelta

    from amends.model.retry import Errors, Retry

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

Idempotent: TypeAlias = bool | Literal["natural"]
OnRollback: TypeAlias = Literal["undo", "keep"]


@dataclass(frozen=True, slots=True)
class Call(Ask[R_co]):
    """A step or a saga with its arguments: a value. Awaiting it in a saga makes it durable.

    Outside a saga, awaiting it just runs the function, without retries and without undo, so steps are tested like any
    other function; one that asks for `current()` is told what that is by `amends.testing.as_current`.
    """

    target: Target[..., R_co]
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(hash=False)

    def __await__(self) -> Generator[Any, Any, R_co]:
        body = driving.get()
        if body is None:
            return self._just_run().__await__()
        return body.ask(self)

    async def _just_run(self) -> R_co:
        answer = self.target.function(*self.args, **self.kwargs)
        value: R_co = await answer if inspect.isawaitable(answer) else answer
        return value

    def __repr__(self) -> str:
        words = [repr(value) for value in self.args] + [f"{name}={value!r}" for name, value in self.kwargs.items()]
        return f"{self.target.name}({', '.join(words)})"


@dataclass(frozen=True, slots=True)
class Companion:
    """A function that belongs to a step: its undo, or its check."""

    function: Callable[..., Any]
    retry: Retry
    timeout: float | None

    @property
    def name(self) -> str:
        """The function's name, for stories and errors."""
        return self.function.__name__


@dataclass(frozen=True, slots=True)
class Options:
    """How a step is tried, and what its errors and its undoing mean."""

    retry: Retry = retry.DEFAULT
    timeout: float | None = None
    idempotent: Idempotent = True
    doubt: Errors = ()
    fails: Errors = ()
    on_rollback: OnRollback = "undo"
    no_undo: str | None = None

    def __post_init__(self) -> None:
        door.errors(self.doubt, "@step(doubt=...)")
        door.errors(self.fails, "@step(fails=...)")
        door.one_of(self.idempotent, "@step(idempotent=...)", True, False, "natural")
        door.one_of(self.on_rollback, "@step(on_rollback=...)", "undo", "keep")
        if self.no_undo is not None:
            door.text(self.no_undo, "@step(no_undo=...)", "the reason, for whoever reads it in a rollback's story")

    def leaves_doubt(self, error: BaseException) -> bool:
        """Whether nobody can know after this error if the step took effect."""
        if isinstance(error, self.doubt):
            return True
        return not isinstance(error, self.fails) and answers.answer_was_lost(error)


class Target(Generic[P, R_co]):
    """What can be called: the common part of steps and sagas."""

    kind: ClassVar[str]

    def __init__(self, function: Callable[..., Any], name: str, options: Options) -> None:
        self.function = function
        self.name = name
        self.options = options
        self.undoing: Companion | None = None
        self.checking: Companion | None = None
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"

    @cached_property
    def signature(self) -> Signature:
        """The parameters and the result, with the shapes of their values."""
        return Signature(self.function, self.name)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Call[R_co]:
        call: Call[R_co] = Call(self, args, kwargs)
        body = driving.get()
        if body is not None:
            body.made(call)
        return call

    def demand_usable(self) -> None:
        """Find out what the annotations of all its functions mean, before anything happens that relies on it.

        They may name what is defined further down in the module, so it is too early for this in the decorators.

        Raises:
            DefinitionError: one cannot be read, is a type whose values can never be kept, or is none for a check.
        """
        _ = self.signature, self.tolerant, self._finds

    @cached_property
    def _finds(self) -> bool:
        """Whether it has a check, which can find something."""
        if self.checking is not None:
            demand_finding(self.checking.function, self.function, self.name)
        return self.checking is not None

    @cached_property
    def tolerant(self) -> bool:
        """Whether the undo also accepts None, that is, can cancel by key what may never have happened."""
        return self.undoing is not None and tolerates_none(self.undoing.function)

    @overload
    def undo(self, function: Callable[[R_co], Any], /) -> Callable[[R_co], Any]: ...

    @overload
    def undo(
        self, /, *, retry: Retry = ..., timeout: float | timedelta | None = ...
    ) -> Callable[[Callable[[R_co], Any]], Callable[[R_co], Any]]: ...

    def undo(
        self,
        function: Callable[[R_co], Any] | None = None,
        /,
        *,
        retry: Retry = retry.PATIENT,
        timeout: float | timedelta | None = None,
    ) -> Any:
        """Declare the function that undoes this: it gets what the step returned. The function stays as it is.

        The undo of a saga replaces the undoing of its steps when the saga was called within another.

        If its parameter is annotated `T | None` it is *tolerant*: it is also called with None when nobody knows whether
        the step took effect, to cancel it by `current().forward.key`.

        Args:
            function: `async def` or `def` with one parameter, at module level.
            retry: when to try again; the default is ten attempts over a day, then a dead letter.
            timeout: seconds for one attempt.

        Raises:
            DefinitionError: it is no plain function or takes not exactly one argument, an option is out of range, or the
                step has an undo or a reason to have none.
        """

        def declare(undo: Callable[[R_co], Any]) -> Callable[[R_co], Any]:
            if self.undoing is not None:
                raise DefinitionError(f"{self.kind} {self.name!r} has an undo already: {self.undoing.name!r}.")
            if self.options.no_undo is not None:
                raise DefinitionError(
                    f"{self.kind} {self.name!r} says no_undo={self.options.no_undo!r}; drop that, or the undo."
                )
            door.companion(undo, f"the undo of {self.kind} {self.name!r}")
            _one_argument(undo, self.name)
            limit = _limit(timeout, f"{self.name}.undo(timeout=...)")
            self.undoing = Companion(undo, _policy(retry, f"{self.name}.undo(retry=...)"), limit)
            return undo

        return declare if function is None else declare(function)


class Step(Target[P, R_co]):
    """One durable thing that a saga does to the world, with the function that undoes it. Made by `@step`."""

    kind = "step"

    def check(self, function: Callable[P, Any], /) -> Callable[P, Any]:
        """Declare the function that asks the world whether this step took effect.

        It gets the step's arguments, and returns what the step would have returned, or None if it did not happen. It is
        asked when the answer to the step was lost and no attempts are left. So the step must be annotated with what it
        returns, which must not be None; False is no way to say that it did not happen.

        Raises:
            DefinitionError: it is no plain function or takes other arguments, or the step has a check already.
        """
        if self.checking is not None:
            raise DefinitionError(f"step {self.name!r} has a check already: {self.checking.name!r}.")
        door.companion(function, f"the check of step {self.name!r}")
        if list(inspect.signature(function).parameters) != list(inspect.signature(self.function).parameters):
            raise DefinitionError(
                f"the check {function.__name__!r} must take the arguments of step {self.name!r}: "
                f"{inspect.signature(self.function)}."
            )
        self.checking = Companion(function, retry.ASKING, self.options.timeout)
        return function

    def using(self, *, retry: Retry | None = None, timeout: float | timedelta | None = None) -> Step[P, R_co]:
        """The same step with other options, for one call site: `charge.using(timeout=60)(card, cents)`."""
        options = self.options
        if retry is not None:
            options = replace(options, retry=_policy(retry, f"{self.name}.using(retry=...)"))
        if timeout is not None:
            options = replace(options, timeout=_limit(timeout, f"{self.name}.using(timeout=...)"))
        twin: Step[P, R_co] = Step(self.function, self.name, options)
        twin.undoing, twin.checking = self.undoing, self.checking
        return twin


@overload
def step(function: Callable[P, Awaitable[R]], /) -> Step[P, R]: ...


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...


@overload
def step(
    *,
    retry: Retry = ...,
    timeout: float | timedelta | None = ...,
    idempotent: Idempotent = ...,
    doubt: Errors = ...,
    fails: Errors = ...,
    on_rollback: OnRollback = ...,
    name: str | None = ...,
    no_undo: str | None = ...,
) -> StepMaker: ...


def step(
    function: Callable[..., Any] | None = None,
    /,
    *,
    retry: Retry = retry.DEFAULT,
    timeout: float | timedelta | None = None,
    idempotent: Idempotent = True,
    doubt: Errors = (),
    fails: Errors = (),
    on_rollback: OnRollback = "undo",
    name: str | None = None,
    no_undo: str | None = None,
) -> Any:
    """Make a durable step of a module-level function, `async def` or `def` (which then runs in a thread).

    Args:
        function: given when the decorator is used bare.
        retry: how often and when to try again.
        timeout: seconds (or a timedelta) for one attempt, from the call on; when they are over, the call is stopped, and in
            doubt unless it comes to its end within five seconds. A `def` cannot be stopped, but may come to its end.
        idempotent: True: the callee honours `current().key`. "natural": calling twice is as good as once. False: it must
            never be called again while it is in doubt, so it is checked, or a person is asked.
        doubt: exception types after which nobody knows whether the step took effect.
        fails: exception types that say for certain that it did not, though they look like a lost answer.
        on_rollback: "keep" leaves the effect in the world when the run is rolled back, and says so.
        name: the step's name in the journal; the function's name by default. Renaming parks the runs in flight.
        no_undo: why there is nothing to undo.

    Raises:
        DefinitionError: the function cannot be found again by name after a restart, the name is taken in its module, or
            an option is out of range.
    """
    options = Options(
        retry=_policy(retry, "@step(retry=...)"),
        timeout=_limit(timeout, "@step(timeout=...)"),
        idempotent=idempotent,
        doubt=doubt,
        fails=fails,
        on_rollback=on_rollback,
        no_undo=no_undo,
    )
    maker = StepMaker(name, options)
    return maker if function is None else maker(function)


class StepMaker:
    """What `@step(...)` with options gives: it makes the step of a function."""

    def __init__(self, name: str | None, options: Options) -> None:
        self._name = name
        self._options = options

    @overload
    def __call__(self, function: Callable[P, Awaitable[R]], /) -> Step[P, R]: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> Step[P, R]: ...

    def __call__(self, function: Callable[..., Any], /) -> Step[..., Any]:
        made: Step[..., Any] = Step(function, register("step", function, self._name), self._options)
        remember(made)
        return made


def _limit(timeout: float | timedelta | None, what: str) -> float | None:
    return None if timeout is None else door.limit(timeout, what, "that one attempt may take")


def _policy(value: Retry, what: str) -> Retry:
    if not isinstance(value, retry.Retry):
        raise DefinitionError(f"{what} is {value!r}; give a Retry, for instance Retry(attempts=3), or leave it out.")
    return value


def _one_argument(function: Callable[..., Any], step_name: str) -> None:
    wanted = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    ]
    if len(wanted) != 1:
        raise DefinitionError(
            f"the undo {function.__name__!r} must take one argument, what step {step_name!r} returned "
            f"(its arguments are in current().forward.args); it takes {inspect.signature(function)}."
        )
