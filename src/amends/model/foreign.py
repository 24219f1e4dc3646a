"""Types that msgspec does not know by itself: paths, and models with methods of their own (pydantic's, by shape)."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import msgspec


def is_model(kind: Any) -> bool:
    """Whether a type writes and reads itself, as pydantic's models do."""
    return hasattr(kind, "__pydantic_validator__") and hasattr(kind, "model_dump")


def is_known(kind: Any) -> bool:
    """Whether there are values of a type that can be read back."""
    return kind is object or is_model(kind) or (isinstance(kind, type) and issubclass(kind, PurePath))


def encode(value: Any) -> Any:
    """What a foreign value is written as; raises `TypeError` for what has no such form."""
    if isinstance(value, PurePath):
        return str(value)
    kind = type(value)
    if is_model(kind):
        options = {"by_alias": True, "round_trip": True, "warnings": False}
        return _in_order(kind.model_dump(value, mode="json", **options), kind.model_dump(value, mode="python", **options))
    raise TypeError(f"{kind.__qualname__} cannot be written down")


def decode(kind: Any, data: Any) -> Any:
    """A foreign value from what it was written as."""
    if kind is object:
        return data
    if isinstance(kind, type) and issubclass(kind, PurePath):
        return kind(data)
    if is_model(kind):
        return kind.model_validate_json(msgspec.json.encode(data))  # as JSON: a strict model takes text for a date there
    raise TypeError(f"values of {kind!r} cannot be read back")


def _in_order(plain: Any, value: Any) -> Any:
    """A model's JSON data with its sets sorted: the model lists them as they come, which differs between processes."""
    if isinstance(plain, dict) and isinstance(value, dict):
        return {key: _in_order(part, inner) for (key, part), inner in zip(plain.items(), value.values(), strict=True)}
    if isinstance(plain, list) and isinstance(value, (list, tuple)):
        return [_in_order(part, inner) for part, inner in zip(plain, value, strict=True)]
    if isinstance(plain, list) and isinstance(value, (set, frozenset)):
        return sorted(plain, key=msgspec.json.Encoder(order="sorted").encode)
    return plain
