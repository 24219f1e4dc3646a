"""What may be a step or a saga: only what can be found again by name after a restart."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from typing import TYPE_CHECKING, Any

from amends.errors import DefinitionError
from amends.model import door
from amends.model.home import home_of

if TYPE_CHECKING:
    from collections.abc import Callable

_defined: dict[tuple[str, str, str], tuple[str, int]] = {}
_targets: dict[str, Any] = {}


def register(kind: str, function: Callable[..., Any], name: str | None) -> str:
    """Check that `function` can be a step or a saga, and take its name within its module.

    Loading the same source again is fine, and so is defining anew from another file (a notebook's next cell); a second
    definition in the same file is refused, because only one of the two could be meant.

    Returns:
        the name: `name`, or the function's own.

    Raises:
        DefinitionError: with the cure.
    """
    cure = f"Define it with `def` or `async def` at the top level of a module, and put @{kind} there."
    if isinstance(function, functools.partial):
        raise DefinitionError(f"a partial cannot be a {kind}: it has no name to be found by after a restart. {cure}")
    if isinstance(function, (types.MethodType, staticmethod, classmethod)) or not isinstance(function, types.FunctionType):
        raise DefinitionError(f"{function!r} cannot be a {kind}: it is not a plain function. {cure}")
    code = function.__code__
    if function.__name__ == "<lambda>":
        raise DefinitionError(f"a lambda cannot be a {kind}: it has no name to be found by after a restart. {cure}")
    if "<locals>" in function.__qualname__:
        raise DefinitionError(
            f"{function.__qualname__!r} cannot be a {kind}: it is defined inside a function, so it cannot be found by name "
            f"after a restart. {cure}"
        )
    if "." in function.__qualname__:
        raise DefinitionError(f"{function.__qualname__!r} cannot be a {kind}: it belongs to a class. {cure}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(f"{function.__name__!r} cannot be a {kind}: it is a generator. Return one value instead.")
    taken = _name(kind, function.__name__ if name is None else name)
    place = (code.co_filename, code.co_firstlineno)
    before = _defined.setdefault((function.__module__, kind, taken), place)
    if before != place:
        if before[0] == place[0]:
            raise DefinitionError(
                f"two definitions of {kind} {taken!r} in {place[0]} (lines {before[1]} and {place[1]}): "
                f"rename one, or give it a name of its own: @{kind}(name=...)."
            )
        _defined[(function.__module__, kind, taken)] = place
    return taken


def _name(kind: str, name: str) -> str:
    door.name(name, f"@{kind}(name=...)")
    if kind == "saga" and "//" in name:
        raise DefinitionError(f"@saga(name={name!r}): '//' stands in the names of what is nested in a run only.")
    return name


def remember(target: Any) -> None:
    """Let a step or a saga be found again by its place (see `place_of`)."""
    _targets[place_of(target)] = target


def place_of(target: Any) -> str:
    """A step's or a saga's module and name: `shop.orders:charge`."""
    return f"{home_of(target.function)}:{target.name}"


def find(place: str) -> Any:
    """The step or saga at a place, or None: only what was defined in this process is ever found."""
    return _targets.get(place)


def hints_of(function: Callable[..., Any], what: str) -> dict[str, Any]:
    """A function's annotations as types.

    Raises:
        DefinitionError: one of them names something that cannot be found at run time, or is no type.
    """
    try:
        return typing.get_type_hints(function)
    except Exception as error:  # an annotation is any expression, and may raise anything
        raise DefinitionError(
            f"the annotations of {what} cannot be read: {error}. Import the type at run time too "
            "(not only under TYPE_CHECKING): values are read back from the journal by it."
        ) from error


def tolerates_none(undo: Callable[..., Any]) -> bool:
    """Whether an undo's parameter is annotated so that it also takes None."""
    first = next(iter(inspect.signature(undo).parameters))
    annotation = hints_of(undo, f"the undo {undo.__name__!r}").get(first)
    return type(None) in _alternatives(annotation)


def demand_finding(check: Callable[..., Any], function: Callable[..., Any], name: str) -> None:
    """Refuse a check that only says yes or no, or for which there is nothing to find.

    A check finds the result of its step, or None. So the step must say what it returns: else False, meant as a no, would be
    taken for what it returned.

    Raises:
        DefinitionError: with the cure.
    """
    result = hints_of(function, repr(name)).get("return", inspect.Parameter.empty)
    finds = f"the check {check.__name__!r} of step {name!r} finds what the step returned, or gives None if it did not happen"
    if result is inspect.Parameter.empty:
        raise DefinitionError(f"{finds}, and the step does not say what it returns. Annotate it: def {name}(...) -> str.")
    if result is type(None):
        raise DefinitionError(
            f"{finds}, and the step returns None, so a check could never say yes. Let the step return something of what it "
            "did, for instance its id, and let the check find that."
        )
    try:
        found = hints_of(check, f"the check {check.__name__!r}").get("return")
    except DefinitionError:  # nothing is read back by the annotations of a check: these are for people
        return
    if {bool} <= _alternatives(found) <= {bool, type(None)} and bool not in _alternatives(result):
        raise DefinitionError(f"{finds}, and it is annotated to return a bool. Let it return the result itself, or None.")


def _alternatives(annotation: Any) -> set[Any]:
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return set(typing.get_args(annotation)) if union else {annotation}
