"""What an annotation's types ask of the one who writes their values down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_origin

import msgspec
from msgspec import inspect as types

from amends.errors import DefinitionError
from amends.model import foreign

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SORTABLE = (
    types.IntType,
    types.FloatType,
    types.StrType,
    types.BytesType,
    types.UUIDType,
    types.DecimalType,
    types.DateType,
    types.TimeDeltaType,
)
_TEXT = (
    *_SORTABLE,
    types.AnyType,
    types.EnumType,
    types.LiteralType,
    types.DateTimeType,
    types.TimeType,
    types.CustomType,
    types.UnionType,
)
"""The types whose values can be the keys of a dict, because JSON can hold them as text."""

_ATOMS: dict[type[types.Type], frozenset[type]] = {
    types.AnyType: frozenset({str, int, float, bool, type(None)}),
    types.StrType: frozenset({str}),
    types.IntType: frozenset({int}),
    types.FloatType: frozenset({float}),
    types.BoolType: frozenset({bool}),
    types.NoneType: frozenset({type(None)}),
}


class Traits(msgspec.Struct, frozen=True):
    """What is known of an annotation's values before the first of them is seen.

    `atoms` are the types whose values come back as they are, nothing to compare. `unsorted` says that there are sets or
    dicts in them that msgspec cannot put in order, `floats` that an int may be meant as a float.
    """

    atoms: frozenset[type]
    unsorted: bool
    floats: bool


def traits_of(annotation: Any) -> Traits:
    """The traits of an annotation.

    Raises:
        DefinitionError: its values cannot be told apart when they are read back, or have no form in JSON.
    """
    if cure := instead_of(get_origin(annotation) or annotation):
        raise DefinitionError(f"values of {annotation!r} are not kept: they may hold exceptions. {cure}")
    try:
        msgspec.json.Decoder(annotation)
        info = types.type_info(annotation)
    except TypeError as error:
        raise DefinitionError(f"values of {annotation!r} cannot be read back: {error}. {_cure(str(error))}") from error
    if hopeless := _hopeless(info, set()):
        raise DefinitionError(
            f"values of {annotation!r} can never be read back: {hopeless} is no type that JSON can hold. Keep what "
            "it is made of: str, int, list, dict, or a dataclass of them."
        )
    within = list(_within(info, set()))
    for each in within:
        if isinstance(each, types.DictType) and not isinstance(each.key_type, _TEXT):
            raise DefinitionError(
                f"a dict of {annotation!r} has keys that are no text in JSON. Use keys of str, int, an enum, a date or "
                "UUID, or a list of pairs."
            )
    return Traits(
        atoms=_atoms(info),
        unsorted=any(_is_unsorted(each) for each in within),
        floats=any(isinstance(each, types.FloatType) for each in within),
    )


def instead_of(kind: Any) -> str:
    """What to keep instead of a value of ours that is for the saga body only."""
    cure: str = getattr(kind, "_keep_instead", "")
    return cure


def _atoms(info: types.Type) -> frozenset[type]:
    if isinstance(info, types.UnionType):
        return frozenset().union(*map(_atoms, info.types))
    kind = type(info)
    return _ATOMS[kind] if kind in _ATOMS and info == kind() else frozenset()  # one with limits of its own is checked


def _hopeless(info: types.Type, seen: set[int]) -> str:
    """The type because of which not one value of this can be read back, or "": a list may be empty, an optional part None."""
    if id(info) in seen:
        return ""
    seen.add(id(info))
    if isinstance(info, types.CustomType):
        return "" if foreign.is_known(info.cls) else getattr(info.cls, "__name__", str(info.cls))
    if isinstance(info, types.UnionType):
        inner = [_hopeless(each, seen) for each in info.types]
        return inner[0] if all(inner) else ""
    parts: Iterable[types.Type] = ()
    if isinstance(info, types.TupleType):
        parts = info.item_types
    elif isinstance(info, (types.StructType, types.DataclassType, types.TypedDictType, types.NamedTupleType)):
        parts = [field.type for field in info.fields if field.required]
    return next(filter(None, (_hopeless(each, seen) for each in parts)), "")


def _within(info: Any, seen: set[int]) -> Iterator[types.Type]:
    """A type and all that its values may hold; types that hold themselves come once."""
    if id(info) in seen:
        return
    seen.add(id(info))
    if isinstance(info, types.Type):
        yield info
    for name in info.__struct_fields__:
        inner = getattr(info, name)
        for each in inner if isinstance(inner, tuple) else (inner,):
            if isinstance(each, (types.Type, types.Field)):
                yield from _within(each, seen)


def _is_unsorted(info: types.Type) -> bool:
    if isinstance(info, (types.SetType, types.FrozenSetType)):
        return not isinstance(info.item_type, _SORTABLE)
    return isinstance(info, types.DictType) and not isinstance(info.key_type, (types.StrType, types.AnyType))


def _cure(trouble: str) -> str:
    if "union" in trouble.lower():
        return "Use tagged msgspec.Struct classes in unions, so that they can be told apart."
    if "Enum" in trouble:
        return "Give the enum members that are all str, or all int."
    return "Use a type that JSON can hold."
