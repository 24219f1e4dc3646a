"""What is given for an option, checked when it is given: what is wrong there would do harm only much later."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from datetime import timedelta
from types import FunctionType, MethodType
from typing import Any

from amends.errors import DefinitionError

LONGEST_NAME = 200


def seconds(value: float | timedelta, what: str) -> float:
    """A duration as seconds.

    Raises:
        DefinitionError: it is negative, NaN or infinite, or not a number at all.
    """
    if not isinstance(value, timedelta) and not is_number(value):
        raise DefinitionError(f"{what} is {value!r}; give seconds as a number, or a timedelta.")
    amount = value.total_seconds() if isinstance(value, timedelta) else finite(value)
    if amount is None or amount < 0:
        raise DefinitionError(f"{what} is {value!r}; give a finite number of seconds that is not negative.")
    return amount


def limit(value: float | timedelta, what: str, whose: str = "that it may take") -> float:
    """A duration of more than 0, as seconds; raises `DefinitionError`."""
    amount = seconds(value, what)
    if amount == 0:
        raise DefinitionError(f"{what} is {value!r}; give the seconds {whose}, more than 0.")
    return amount


def ratio(value: float, what: str, least: float, most: float = math.inf) -> None:
    """Check a number; raises `DefinitionError`."""
    amount = finite(value) if is_number(value) else None
    if amount is None or not least <= amount <= most:
        among = f"a finite number of at least {least:g}" if most == math.inf else f"a number from {least:g} to {most:g}"
        raise DefinitionError(f"{what} is {value!r}; give {among}.")


def count(value: int, what: str, least: int, most: int | None = None) -> int:
    """Check a whole number; raises `DefinitionError`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        among = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise DefinitionError(f"{what} is {value!r}; give a whole number {among}.")
    return value


def one_of(value: Any, what: str, *choices: Any) -> None:
    """Check a choice, to the letter and the type: 1 is not True; raises `DefinitionError`."""
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise DefinitionError(f"{what} is {value!r}; give {' or '.join(map(repr, choices))}.")


def several(values: Iterable[Any], what: str) -> tuple[Any, ...]:
    """Several texts; raises `DefinitionError`, for one text alone too, which would be taken for its letters."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise DefinitionError(f"{what} is {values!r}; give a list, also for one: [{values!r}].")
    found = tuple(values)
    for value in found:
        if not isinstance(value, str):
            raise DefinitionError(f"{what} has {value!r} in it; give a list of str.")
    return found


def text(value: Any, what: str, meant: str) -> None:
    """Check a text that says something; raises `DefinitionError`."""
    if not isinstance(value, str) or not value.strip():
        raise DefinitionError(f"{what} is {value!r}; give {meant}, as a str that is not empty.")


def note(value: Any, what: str) -> None:
    """Check a text that may be empty; raises `DefinitionError`."""
    if not isinstance(value, str):
        raise DefinitionError(f"{what} is {value!r}; give a str.")


def name(value: Any, what: str) -> None:
    """Check a name, which screens show and which is looked for; raises `DefinitionError`."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not value.isprintable():
        raise DefinitionError(f"{what} is {value!r}; give 1 to {LONGEST_NAME} printable characters.")


def errors(value: Any, what: str) -> None:
    """Check that exception types are given, as `except` takes them: one, or a tuple; raises `DefinitionError`."""
    kinds = value if isinstance(value, tuple) else (value,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise DefinitionError(
                f"{what} is {value!r}; give an exception type, or a tuple of them, as `except` takes them: "
                "ValueError, or (ValueError, KeyError)."
            )


def function(value: Any, what: str, cure: str) -> None:
    """Check that something can be called; raises `DefinitionError`."""
    if not callable(value):
        raise DefinitionError(f"{what} is {value!r}, which cannot be called. {cure}")


def pure(value: Any, what: str, cure: str) -> None:
    """Check that a function gives its value at once; raises `DefinitionError`."""
    function(value, what, cure)
    if inspect.iscoroutinefunction(value):
        raise DefinitionError(f"{what} is {value!r}, an `async def`. {cure}")


def companion(value: Any, what: str) -> None:
    """Check that an undo or a check is a function that does its work when it is called; raises `DefinitionError`."""
    cure = "Give a plain `def` or `async def`, without @step: it has the retries of its step's own."
    if not isinstance(value, (FunctionType, MethodType)):
        raise DefinitionError(f"{what} is {value!r}, which is not a plain function. {cure}")
    if inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value):
        raise DefinitionError(f"{what} is {value.__name__!r}, a generator, which does nothing when it is called. {cure}")


def is_number(value: Any) -> bool:
    """Whether it is meant as a number: a bool is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def finite(value: float) -> float | None:
    """A number as a float, if it has one that is finite."""
    try:
        amount = float(value)
    except OverflowError:
        return None
    return amount if math.isfinite(amount) else None
