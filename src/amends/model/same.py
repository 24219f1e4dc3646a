"""Whether a value came back as it was: equal, and of the same types all the way down."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, TypeAlias

import msgspec

Where: TypeAlias = tuple[str | int, ...]

_ATOMS = frozenset({str, bool, bytes, type(None)})


def same(value: Any, twin: Any, depth: int) -> bool:
    """Whether `twin` equals `value` in value and type; an int may come back as the float that it was annotated as."""
    if depth < 0:
        return False
    kind = type(value)
    if kind is not type(twin):
        return kind is int and type(twin) is float and value == twin
    if kind in _ATOMS:
        return bool(value == twin)
    if kind is int:
        return bool(-(2**63) <= value < 2**64 and value == twin)
    if kind is float:
        return math.isfinite(value) and value == twin
    if isinstance(value, dict):
        return len(value) == len(twin) and all(
            same(a, b, depth - 1) and same(value[a], twin[b], depth - 1) for a, b in zip(*_keys(value, twin), strict=True)
        )
    if isinstance(value, (list, tuple)):
        return len(value) == len(twin) and all(same(a, b, depth - 1) for a, b in zip(value, twin, strict=True))
    if isinstance(value, (set, frozenset)):
        return value == twin and {(type(item), item) for item in value} == {(type(item), item) for item in twin}
    fields = fields_of(value)
    if fields is None:
        return bool(value == twin)
    return all(same(getattr(value, name), getattr(twin, name), depth - 1) for name in fields)


def _keys(value: dict[Any, Any], twin: dict[Any, Any]) -> tuple[list[Any], list[Any]]:
    """The keys of both, in an order in which equal ones meet."""
    if list(value) == list(twin):
        return list(value), list(twin)
    by_key = {key: key for key in twin}
    return list(value), [by_key.get(key, _MISSING) for key in value]


_MISSING = object()


def fields_of(value: Any) -> list[str] | None:
    """The names of a structured value's fields, or None when it has none of its own."""
    if isinstance(value, msgspec.Struct):
        return list(value.__struct_fields__)
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value)]
    attributes = getattr(type(value), "__attrs_attrs__", None)
    if attributes is not None:
        return [attribute.name for attribute in attributes]
    models = getattr(type(value), "model_fields", None)
    return list(models) if isinstance(models, dict) else None


def culprit(value: Any, depth: int) -> tuple[str, Where] | None:
    """The first part of a value that JSON cannot hold, and the way to it. Slow: only for telling a person."""
    return _look(value, depth, (), set())


def _look(value: Any, depth: int, path: Where, above: set[int]) -> tuple[str, Where] | None:
    if (wrong := _wrong(value, depth, above)) is not None:
        return wrong, path
    above = above | {id(value)}
    for part, inner in _parts(value):
        if isinstance(part, tuple):
            return f"the key {part[0]!r} of a dict, which is not a str", path
        found = _look(inner, depth - 1, (*path, part), above)
        if found is not None:
            return found
    return None


def _parts(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return [(key if isinstance(key, str) else (key,), inner) for key, inner in value.items()]
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    if isinstance(value, (set, frozenset)):
        return [(index, inner) for index, inner in enumerate(value)]
    return [(name, getattr(value, name, None)) for name in fields_of(value) or ()]


def _wrong(value: Any, depth: int, above: set[int]) -> str | None:
    if id(value) in above:
        return "a value that contains itself"
    if depth < 0:
        return "a value that lies too deep"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{'NaN' if math.isnan(value) else 'Infinity, which like NaN'} is not in JSON: {value}"
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return f"an integer of more than 64 bits ({value.bit_length()})"
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        return "a str with a lone surrogate, which is not text"
    if isinstance(value, (set, frozenset, tuple)) or value is None or isinstance(value, (str, int, float, bytes, dict, list)):
        return None
    if fields_of(value) is not None or hasattr(value, "isoformat"):
        return None
    if hasattr(value, "__next__") or hasattr(value, "cr_frame") or callable(value):
        return f"a {type(value).__qualname__}, which is no value"
    return None
