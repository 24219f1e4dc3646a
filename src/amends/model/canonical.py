"""One way to write a value: names and sets sorted, so that equal values have equal bytes in every process."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from amends.model import foreign
from amends.model.same import fields_of

encode = msgspec.json.Encoder(order="sorted", enc_hook=foreign.encode).encode
"""Canonical JSON of what msgspec can put in order by itself: dicts with text for keys, sets of one sortable type."""


def encode_any(value: Any) -> bytes:
    """Canonical JSON of any value: slower, as it first puts in order what msgspec cannot."""
    return encode(_ordered(value))


def _ordered(value: Any) -> Any:
    """A stand-in that is written as the value is, with lists in order for sets and text for keys."""
    kind = type(value)
    if isinstance(value, dict):
        return {_text(key): _ordered(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_ordered(inner) for inner in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_ordered(inner) for inner in value), key=encode)
    names = None if foreign.is_model(kind) else fields_of(kind)
    if names is None:
        return value
    if isinstance(value, msgspec.Struct):
        stand_in = copy.copy(value)
        for name in names:
            msgspec.structs.force_setattr(stand_in, name, _ordered(getattr(value, name)))
        return stand_in
    stand_in = object.__new__(kind)  # not made by its class, which would refuse lists for sets: it is only written
    for name in names:
        object.__setattr__(stand_in, name, _ordered(getattr(value, name)))
    return stand_in


def _text(key: Any) -> str:
    if type(key) is str:
        return key
    raw = encode(key)
    return str(msgspec.json.decode(raw)) if raw[:1] == b'"' else raw.decode()
