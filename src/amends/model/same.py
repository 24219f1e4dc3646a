"""Whether a value came back as it was: equal, and of the same types all the way down."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from datetime import datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from amends.model.foreign import is_model

LEAST, MOST = -(2**63), 2**64 - 1
"""The integers that every reader of JSON with 64-bit numbers can hold, signed or not."""

Comparison: TypeAlias = Callable[[Any, Any, int], bool]


def same(value: Any, twin: Any, depth: int) -> bool:
    """Whether `twin` equals `value` in value and type; an int may come back as the float that it was annotated as."""
    kind = type(value)
    if kind is not type(twin):
        return kind is int and type(twin) is float and value == twin
    return depth >= 0 and _comparison(kind)(value, twin, depth)  # type: ignore[arg-type]  # every class can be hashed


def is_itself(atom: str | float | bool | None) -> bool:
    """Whether JSON can hold this str, int, float, bool or None as it is."""
    kind = type(atom)
    if kind is int:
        return LEAST <= atom <= MOST  # type: ignore[operator]  # it is an int
    return kind is not float or math.isfinite(atom)  # type: ignore[arg-type]  # it is a float


def fields_of(kind: type[Any]) -> tuple[str, ...] | None:
    """The names of the fields of a structured type, or None when it has none of its own."""
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    attributes = getattr(kind, "__attrs_attrs__", None)
    if attributes is not None:
        return tuple(attribute.name for attribute in attributes)
    return (*kind.model_fields, "__pydantic_extra__", "__pydantic_private__") if is_model(kind) else None


@lru_cache(maxsize=4096)
def _comparison(kind: Any) -> Comparison:
    for each, comparison in _COMPARISONS.items():
        if issubclass(kind, each):
            return comparison
    names = fields_of(kind)
    return _equal if names is None else _fields(names)


def _equal(value: Any, twin: Any, _depth: int) -> bool:
    return bool(value == twin)


def _ints(value: int, twin: int, _depth: int) -> bool:
    return value == twin and LEAST <= value <= MOST


def _floats(value: float, twin: float, _depth: int) -> bool:
    return value == twin and math.isfinite(value)


def _decimals(value: Decimal, twin: Decimal, _depth: int) -> bool:
    return value.is_finite() and value == twin


def _datetimes(value: datetime, twin: datetime, _depth: int) -> bool:
    """By the wall's clock and its offset: `==` of two zones is never true in the hour that clocks go through twice."""
    return (
        value.replace(tzinfo=None, fold=0) == twin.replace(tzinfo=None, fold=0)
        and (value.tzinfo is None) is (twin.tzinfo is None)
        and value.utcoffset() == twin.utcoffset()
    )


def _times(value: time, twin: time, _depth: int) -> bool:
    return value == twin and (value.tzinfo is None) is (twin.tzinfo is None)


def _dicts(value: dict[Any, Any], twin: dict[Any, Any], depth: int) -> bool:
    if len(value) != len(twin):
        return False
    depth -= 1
    if all(type(key) is str for key in value) and all(type(key) is str for key in twin):
        return all(key in twin and same(inner, twin[key], depth) for key, inner in value.items())
    keys = {key: key for key in twin}
    return all(key in keys and same(key, keys[key], depth) and same(inner, twin[key], depth) for key, inner in value.items())


def _sequences(value: Any, twin: Any, depth: int) -> bool:
    depth -= 1
    return len(value) == len(twin) and all(same(a, b, depth) for a, b in zip(value, twin, strict=True))


def _sets(value: Any, twin: Any, depth: int) -> bool:
    items = {item: item for item in twin}
    return len(value) == len(twin) and all(item in items and same(item, items[item], depth - 1) for item in value)


def _fields(names: tuple[str, ...]) -> Comparison:
    def comparison(value: Any, twin: Any, depth: int) -> bool:
        depth -= 1
        for name in names:  # noqa: SIM110 (a generator would cost as much again, at every step)
            if not same(getattr(value, name), getattr(twin, name), depth):
                return False
        return True

    return comparison


_COMPARISONS: dict[type, Comparison] = {
    bool: _equal,
    str: _equal,
    int: _ints,
    float: _floats,
    Decimal: _decimals,
    datetime: _datetimes,
    time: _times,
    dict: _dicts,
    list: _sequences,
    tuple: _sequences,
    set: _sets,
    frozenset: _sets,
}
"""The first that a type is or descends from counts, so a bool is not compared as the int that it is as well."""
