"""Values and their JSON, by annotation: what is written comes back equal and of the same type, or is refused."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any

import msgspec

from amends.errors import DefinitionError, NotStorable
from amends.model import foreign
from amends.model.same import culprit, same

MAX_SIZE = 1 << 20
"""Bytes of JSON that one value may take."""

MAX_DEPTH = 64
"""How deep containers may lie within one another."""

_encoder = msgspec.json.Encoder(order="deterministic", enc_hook=foreign.encode)
_PLAIN = "Annotate it (and the function that returns it), or use plain JSON data: dict, list, str, int, float, bool, None."


class Shape:
    """How the values of one annotation are written and read. Made by `shape_of`."""

    def __init__(self, annotation: Any) -> None:
        self._plain = annotation is Any or annotation is inspect.Parameter.empty
        self._exact = annotation if annotation in (str, int, bool) else None
        self._name = "plain JSON data" if self._plain else getattr(annotation, "__name__", str(annotation))
        try:
            self._decoder = msgspec.json.Decoder(Any if self._plain else annotation, dec_hook=foreign.decode)
        except TypeError as error:
            raise DefinitionError(
                f"values of {annotation!r} cannot be told apart when they are read back: {error} "
                "Use tagged msgspec.Struct classes in unions."
            ) from error

    def encode(self, value: Any) -> bytes:
        """The value as canonical JSON.

        Raises:
            NotStorable: it would not come back as it is; `path` leads to the part that would not.
        """
        return self.store(value)[0]

    def store(self, value: Any) -> tuple[bytes, Any]:
        """The value as canonical JSON, and the twin that comes back from it. Raises what `encode` does."""
        kind = type(value)
        if kind is self._exact and kind is not str and (kind is bool or -(2**63) <= value < 2**63):
            return _encoder.encode(value), value
        try:
            raw = _written(value)
            twin = self._decoder.decode(raw)
            well = len(raw) <= MAX_SIZE and same(value, twin, MAX_DEPTH)
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError, AttributeError) as error:
            raise self._refused(value, error) from None
        if not well:
            raise self._refused(value, None if len(raw) <= MAX_SIZE else len(raw))
        return raw, twin

    def decode(self, raw: bytes | msgspec.Raw) -> Any:
        """The value that was written.

        Raises:
            NotStorable: the JSON does not fit the annotation.
        """
        try:
            return self._decoder.decode(raw)
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            raise NotStorable(f"JSON that is not {self._name}: {error}") from error

    def _refused(self, value: Any, why: Exception | int | None) -> NotStorable:
        if isinstance(why, int):
            return NotStorable(
                f"a value of {why} bytes, more than {MAX_SIZE}", cure="Keep large data elsewhere, and its name here."
            )
        what, path = culprit(value, MAX_DEPTH) or (self._mismatch(value, why), ())
        return NotStorable(what, path=path, cure=_cure(what, self._plain))

    def _mismatch(self, value: Any, why: Exception | None) -> str:
        because = f" ({why})" if why else ""
        return f"a {type(value).__qualname__} does not come back as it is from {self._name}{because}"


def _written(value: Any) -> bytes:
    """Canonical JSON. The encoder orders names only where all keys are text; other keys are made text first."""
    try:
        return _encoder.encode(value)
    except TypeError as error:
        if "str keys" not in str(error):
            raise
        return _encoder.encode(msgspec.to_builtins(value, str_keys=True, order="deterministic", enc_hook=foreign.encode))


def _cure(what: str, plain: bool) -> str:
    if "integer" in what:
        return "Use str or Decimal for numbers of more than 64 bits."
    if "NaN" in what or "surrogate" in what:
        return "Use None, or another value that JSON has."
    return _PLAIN if plain else "Return what the annotation says, of types that can be read back by it."


@lru_cache(maxsize=4096)
def _cached(annotation: Any) -> Shape:
    return Shape(annotation)


def shape_of(annotation: Any) -> Shape:
    """The shape of an annotation; `inspect.Parameter.empty` and `Any` mean plain JSON data.

    Raises:
        DefinitionError: its values could not be told apart when read back.
    """
    try:
        return _cached(annotation)
    except TypeError:  # an annotation that cannot be hashed is not cached
        return Shape(annotation)
