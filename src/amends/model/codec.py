"""Values and their JSON, by annotation: what is written comes back equal and of the same type, or is refused."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any, Never, NoReturn

import msgspec

from amends.errors import NotStorable
from amends.model import canonical, foreign
from amends.model.culprit import Where, changed, misfit, unwritable
from amends.model.same import is_itself, same
from amends.model.traits import instead_of, traits_of

MAX_SIZE = 1 << 20
"""Bytes of JSON that one value may take."""

MAX_DEPTH = 64
"""How deep containers may lie within one another."""

_PLAIN = "Annotate it (and the function that returns it), or use plain JSON data: dict, list, str, int, float, bool, None."


class Shape:
    """How the values of one annotation are written and read. Made by `shape_of`."""

    def __init__(self, annotation: Any) -> None:
        self._plain = annotation in (Any, object, inspect.Parameter.empty)
        self._name = "plain JSON data" if self._plain else getattr(annotation, "__name__", str(annotation))
        known = Any if self._plain else None if annotation in (Never, NoReturn) else annotation
        self._traits = traits_of(known)
        self._atoms = self._traits.atoms
        self._write = canonical.encode_any if self._traits.unsorted else canonical.encode
        self._decode = msgspec.json.Decoder(known, dec_hook=foreign.decode).decode

    def encode(self, value: Any) -> bytes:
        """The value as canonical JSON.

        Raises:
            NotStorable: it would not come back as it is; `path` leads to the part that would not.
        """
        return self.store(value)[0]

    def store(self, value: Any) -> tuple[bytes, Any]:
        """The value as canonical JSON, and the twin that comes back from it. Raises what `encode` does."""
        try:
            if type(value) in self._atoms:
                raw, twin, well = canonical.encode(value), value, is_itself(value)
            else:
                raw = self._write(value)
                twin = self._decode(raw)
                well = same(value, twin, MAX_DEPTH)
            if self._traits.floats and well and twin is not value:
                raw = self._write(twin)  # 1 where a float is meant is written as 1.0: equal calls have equal bytes
        except Exception as error:  # a type's own code (__post_init__, validators) may raise anything: it is refused
            raise self._refused(value, error) from error
        if not well:
            raise self._refused(value, None)
        if len(raw) > MAX_SIZE:
            what = f"a value of {len(raw)} bytes, more than {MAX_SIZE}"
            raise NotStorable(what, cure="Keep large data elsewhere, and its name here.")
        return raw, twin

    def decode(self, raw: bytes | msgspec.Raw) -> Any:
        """The value that was written.

        Raises:
            NotStorable: the JSON does not fit the annotation; `path` leads to the part that does not.
        """
        try:
            return self._decode(raw)
        except Exception as error:  # a type's own code (__post_init__, validators) may raise anything: it does not fit
            trouble, path = self._misfit(bytes(raw), error)
            raise NotStorable(f"JSON that is not {self._name}: {trouble}", path=path) from error

    def _refused(self, value: Any, error: Exception | None) -> NotStorable:
        what, path = unwritable(value, MAX_DEPTH) or self._changed(value, error)
        return NotStorable(what, path=path, cure=instead_of(type(value)) or _cure(what, self._plain))

    def _changed(self, value: Any, error: Exception | None) -> tuple[str, Where]:
        """What becomes of a value that JSON can hold, when it is read back."""
        try:
            raw = canonical.encode_any(value)
        except Exception:  # a type's own code may raise anything: then the first error is all there is to tell
            return f"a value of type {type(value).__qualname__} cannot be written down: {_line(error)}", ()
        try:
            found = changed(value, self._decode(raw), MAX_DEPTH)
        except Exception as unread:  # a type's own code (__post_init__, validators) may raise anything
            trouble, path = self._misfit(raw, unread)
            return f"a value of type {type(value).__qualname__} cannot be read back as {self._name}: {trouble}", path
        return found or (f"a value of type {type(value).__qualname__} cannot be kept: {_line(error)}", ())

    def _misfit(self, raw: bytes, error: Exception) -> tuple[str, Where]:
        if not isinstance(error, msgspec.ValidationError):
            return _line(error), ()
        words = str(error)
        return _line(error).rpartition(" - at ")[0] or _line(error), misfit(raw, self._decode, words)


def _line(error: Exception | None) -> str:
    """An error in one line of bounded length: a model's validator may say a page."""
    words = str(error) if isinstance(error, (msgspec.MsgspecError, ValueError, TypeError)) else repr(error)
    return " ".join(words.split())[:300]


def _cure(what: str, plain: bool) -> str:
    if "integer" in what:
        return "Use str or Decimal for numbers of more than 64 bits."
    if "NaN" in what or "surrogate" in what:
        return "Use None, or another value that JSON has."
    return _PLAIN if plain else "Give what the annotation says, or annotate what is given."


@lru_cache(maxsize=4096)
def _cached(annotation: Any) -> Shape:
    return Shape(annotation)


def shape_of(annotation: Any) -> Shape:
    """The shape of an annotation; `inspect.Parameter.empty` and `Any` mean plain JSON data.

    Raises:
        DefinitionError: its values cannot be told apart when they are read back, or have no form in JSON.
    """
    try:
        return _cached(annotation)
    except TypeError:  # an annotation that cannot be hashed is not cached
        return Shape(annotation)
