"""Which part of a value is to blame when it cannot be kept, and the way to it. Slow: only for telling a person."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from amends.model import canonical, foreign
from amends.model.same import LEAST, MOST, fields_of, same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Where: TypeAlias = tuple[str | int, ...]
Found: TypeAlias = tuple[str, Where]

_STEP = re.compile(r"\.([^.\[`]+)|\[(\d+)\]|\[\.\.\.\]")


def unwritable(
    value: Any, depth: int, path: Where = (), above: frozenset[int] = frozenset(), *, model: bool = False
) -> Found | None:
    """The first part of a value that JSON cannot hold. `model`: it lies in a model, which may have a way of its own."""
    if id(value) in above:
        return "a value that contains itself", path
    if depth < 0:
        return "a value that lies too deep", path
    if (wrong := _not_in_json(value) or (None if model else _foreign(value))) is not None:
        return wrong, path
    model = model or foreign.is_model(type(value))
    for part, inner in _parts(value):
        found = unwritable(inner, depth - 1, (*path, *part), above | {id(value)}, model=model)
        if found is not None:
            return found
    return None


def changed(value: Any, twin: Any, depth: int, path: Where = ()) -> Found | None:
    """The first part of a value that did not come back as it was."""
    if same(value, twin, depth):
        return None
    kind, other = type(value), type(twin)
    if kind is not other:
        return f"a value of type {kind.__qualname__} came back as {other.__qualname__}", path
    if isinstance(value, dict) and (lost := _lost_key(value, twin, depth)) is not None:
        return lost, path
    for part, inner, back in _pairs(value, twin):
        found = changed(inner, back, depth - 1, (*path, *part))
        if found is not None:
            return found
    return f"a value of type {kind.__qualname__} did not come back as it was", path


def misfit(raw: bytes, decode: Callable[[bytes], Any], trouble: str) -> Where:
    """The way to the part of a JSON document that does not fit, by the words of msgspec, which end in it.

    They do not say which value of a dict it was: that is found by decoding again with each of them alone.
    """
    _, inside, way = trouble.rpartition("`$")
    if not inside:
        return ()
    document: Any = msgspec.json.decode(raw)
    at: Any = document
    path: Where = ()
    for name, index in _STEP.findall(way):
        try:
            part = name or (int(index) if index else _alone(at, lambda: decode(canonical.encode(document)), trouble))
            at = at[part]
        except (LookupError, TypeError, ValueError):  # words that do not fit the document: the way is known up to here
            break
        path = (*path, part)
    return path


def _alone(values: dict[str, Any], decode: Callable[[], Any], trouble: str) -> str:
    """The key of the value that makes the same trouble when it is alone; the others are then gone from `values`."""
    whole = dict(values)
    for key, inner in whole.items():
        values.clear()
        values[key] = inner
        try:
            decode()
        except Exception as error:  # whatever a type of the user's raises: only whether it is the same counts
            if str(error) == trouble:
                return key
    raise LookupError(trouble)


def _parts(value: Any) -> Iterator[tuple[Where, Any]]:
    """What a value holds, each with its step of the way; what lies in a set, and a key, has none of its own."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (), key
            yield (_step(key),), inner
    elif isinstance(value, (list, tuple)):
        yield from (((index,), inner) for index, inner in enumerate(value))
    elif isinstance(value, (set, frozenset)):
        yield from (((), inner) for inner in value)
    else:
        yield from (((name,), getattr(value, name, None)) for name in fields_of(type(value)) or ())


def _pairs(value: Any, twin: Any) -> Iterator[tuple[Where, Any, Any]]:
    if isinstance(value, dict):
        yield from (((_step(key),), inner, twin[key]) for key, inner in value.items())
    elif isinstance(value, (list, tuple)):
        yield from (((index,), a, b) for index, (a, b) in enumerate(zip(value, twin, strict=False)))
    else:
        names = fields_of(type(value)) or ()
        yield from (((name,), getattr(value, name, None), getattr(twin, name, None)) for name in names)


def _lost_key(value: dict[Any, Any], twin: dict[Any, Any], depth: int) -> str | None:
    keys = {key: key for key in twin}
    for key in value:
        if key not in keys or not same(key, keys[key], depth):
            why = "" if type(key) is str else f", of type {type(key).__qualname__} and not str,"
            return f"the key {_step(key)!r}{why} did not come back as it was"
    return None


def _step(key: Any) -> str | int:
    return key if type(key) is int else str(key)[:100]


def _not_in_json(value: Any) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{'NaN' if math.isnan(value) else 'Infinity, which like NaN'} is not in JSON: {value}"
    if isinstance(value, Decimal) and not value.is_finite():
        return f"a Decimal that is {'NaN' if value.is_nan() else 'Infinity, which like NaN'} is no number to keep"
    if type(value) is int and not LEAST <= value <= MOST:
        return f"an integer of more than 64 bits ({value.bit_length()})"
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        return "a str with a lone surrogate, which is not text"
    return None


def _foreign(value: Any) -> str | None:
    kind = type(value)
    if isinstance(value, (dict, list, tuple, set, frozenset)) or foreign.is_model(kind) or fields_of(kind) is not None:
        return None
    try:
        canonical.encode(value)
    except UnicodeEncodeError:
        return f"a value of type {kind.__qualname__} with a lone surrogate, which is not text"
    except (TypeError, ValueError):
        return f"a value of type {kind.__qualname__}, which is no value that JSON can hold"
    return None
