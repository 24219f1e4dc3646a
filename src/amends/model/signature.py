"""A function's parameters and result, and how calls of it are written down."""

from __future__ import annotations

import inspect
from copy import copy
from typing import TYPE_CHECKING, Any

import msgspec

from amends.errors import DefinitionError, NotStorable
from amends.model.codec import Shape, shape_of
from amends.model.definition import hints_of

if TYPE_CHECKING:
    from collections.abc import Callable

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Signature:
    """The shapes of a function's parameters and of what it returns."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._name = name
        self._signature = inspect.signature(function)
        hints = hints_of(function, repr(name))
        parameters = self._signature.parameters
        for parameter in parameters.values():
            if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
                raise DefinitionError(f"{name!r} takes *{parameter.name}: name each argument, so that the journal can too.")
        self.shapes: dict[str, Shape] = {
            each: _shape(hints, each, f"the parameter {each!r} of {name!r}") for each in sorted(parameters)
        }
        self._labelled = {name: (b'"%b":' % name.encode(), shape) for name, shape in self.shapes.items()}
        self.result: Shape = _shape(hints, "return", f"what {name!r} returns")
        self._plain = tuple(parameters) if all(p.kind in _POSITIONAL for p in parameters.values()) else None

    def giving(self, result: Any) -> Signature:
        """The same parameters with another result."""
        other = copy(self)
        other.result = shape_of(result)
        return other

    @property
    def first(self) -> str:
        """The name of the first parameter."""
        return next(iter(self._signature.parameters))

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Each parameter's value, defaults included; raises `TypeError` as the function itself would."""
        if self._plain is not None and not kwargs and len(args) == len(self._plain):
            return dict(zip(self._plain, args, strict=True))
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self._name}(): {error}") from None
        bound.apply_defaults()
        return bound.arguments

    def encode(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """The arguments as canonical JSON. Raises what `store` does."""
        return self.store(args, kwargs)[0]

    def store(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
        """The arguments as canonical JSON (an object with sorted names), and by name as they come back from it.

        Raises:
            NotStorable: a value would not come back as it is; the path starts with the parameter's name.
        """
        values = self.bind(args, kwargs)
        parts: list[bytes] = []
        for name, (label, shape) in self._labelled.items():
            try:
                raw, values[name] = shape.store(values[name])
            except NotStorable as error:
                raise NotStorable(error.what, path=(self._name, name, *error.path), cure=error.cure) from None
            parts.append(label + raw)
        return b"{%b}" % b",".join(parts), values

    def decode(self, raw: bytes | msgspec.Raw) -> dict[str, Any]:
        """The arguments that `encode` wrote down, by name; parameters that are missing get their defaults.

        Raises:
            NotStorable: they do not fit the parameters.
        """
        try:
            parts = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        except msgspec.DecodeError as error:
            raise NotStorable(f"the arguments of {self._name!r} are not a JSON object: {error}") from error
        unknown = parts.keys() - self.shapes.keys()
        if unknown:
            raise NotStorable(f"{self._name!r} takes no {', '.join(sorted(unknown))}", cure=f"It takes {self._signature}.")
        values = {name: self._read(name, parts[name]) for name in self.shapes if name in parts}
        missing = [
            name
            for name, parameter in self._signature.parameters.items()
            if name not in values and parameter.default is inspect.Parameter.empty
        ]
        if missing:
            raise NotStorable(f"{self._name!r} lacks {', '.join(missing)}", cure=f"It takes {self._signature}.")
        return values

    def _read(self, name: str, raw: msgspec.Raw) -> Any:
        try:
            return self.shapes[name].decode(raw)
        except NotStorable as error:
            raise NotStorable(error.what, path=(self._name, name, *error.path), cure=error.cure) from error

    def positional(self, raw: bytes | msgspec.Raw) -> dict[str, Any]:
        """Arguments given as a JSON array, in order, by name.

        Raises:
            NotStorable: there are too many of them, or they do not fit.
        """
        parts = msgspec.json.decode(raw, type=list[msgspec.Raw])
        names = list(self._signature.parameters)
        if len(parts) > len(names):
            raise NotStorable(f"{self._name!r} takes {len(names)} arguments, not {len(parts)}")
        return self.decode(msgspec.json.encode(dict(zip(names, parts, strict=False))))


def _shape(hints: dict[str, Any], part: str, what: str) -> Shape:
    try:
        return shape_of(hints.get(part, inspect.Parameter.empty))
    except DefinitionError as error:
        raise DefinitionError(f"{what} is of no use as it is annotated: {error}") from None
