"""Types that msgspec does not know by itself: paths, and models with methods of their own (pydantic's, by shape)."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any


def encode(value: Any) -> Any:
    """What a foreign value is written as; raises `TypeError` for what has no such form."""
    if isinstance(value, PurePath):
        return str(value)
    dump = getattr(type(value), "model_dump", None)
    if dump is not None and hasattr(type(value), "__pydantic_validator__"):
        return dump(value, mode="json")
    raise TypeError(f"{type(value).__qualname__} cannot be written down")


def decode(kind: Any, data: Any) -> Any:
    """A foreign value from what it was written as."""
    if isinstance(kind, type) and issubclass(kind, PurePath):
        return kind(data)
    if hasattr(kind, "__pydantic_validator__"):
        return kind.model_validate(data)
    raise TypeError(f"values of {kind!r} cannot be read back")
