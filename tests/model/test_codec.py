"""Values come back as they were, or are refused when they are written."""

from __future__ import annotations

import enum
import math
import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn, TypedDict
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amends.errors import DefinitionError, NotStorable
from amends.model.codec import MAX_DEPTH, MAX_SIZE, shape_of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Size(enum.IntEnum):
    SMALL = 1


class Point(NamedTuple):
    x: int
    y: float


class Line(TypedDict):
    sku: str
    qty: int


class Card(msgspec.Struct, tag=True):
    number: str


class Cash(msgspec.Struct, tag=True):
    cents: int


@dataclass
class Item:
    name: str
    tags: set[str] = field(default_factory=set)


@attrs.define
class Parcel:
    weight: Decimal
    at: datetime


class Model(pydantic.BaseModel):
    name: str
    when: date


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    at: datetime = pydantic.Field(alias="taken-at")
    tags: set[str] = set()
    part: Model | None = None

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def count(self) -> int:
        return len(self.tags)


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    weight: float = 1.0
    url: pydantic.AnyUrl = pydantic.AnyUrl("https://example.org/")


class Hidden(pydantic.BaseModel):
    secret: pydantic.SecretStr


@dataclass(frozen=True)
class Sku:
    name: str


@dataclass(frozen=True)
class RareSku(Sku):
    year: int = 0


@dataclass
class Cart:
    lines: list[tuple[int, ...]] = field(default_factory=list)
    skus: dict[str, Sku] = field(default_factory=dict)
    loose: Any = None
    weight: float | None = None


@dataclass
class Fussy:
    """Its own code raises what no decoder expects."""

    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise KeyError("fussy")


class Unequal(msgspec.Struct, eq=False, rename="camel"):
    first_part: int
    nodes: list[Unequal] = []


def spoilt() -> Fussy:
    value = Fussy(1)
    value.number = -1
    return value


BERLIN = ZoneInfo("Europe/Berlin")


VALUE = Model(name="a", when=date(2026, 1, 1))

VALUES: list[tuple[Any, Any]] = [
    (str, "text"),
    (int, 2**63 - 1),
    (int, -(2**63)),
    (float, 0.1),
    (bool, False),
    (None, None),
    (Decimal, Decimal("1.10")),
    (datetime, datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)),
    (datetime, datetime(2026, 1, 2, 3, 4, 5)),
    (datetime, datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2)))),
    (date, date(2026, 1, 2)),
    (timedelta, timedelta(days=1, microseconds=5)),
    (UUID, UUID(int=5)),
    (bytes, b"\x00\xff"),
    (Path, Path("/a/b")),
    (set[int], {3, 1}),
    (frozenset[str], frozenset({"a"})),
    (tuple[int, str], (1, "a")),
    (tuple[int, ...], (1, 2)),
    (list[Item], [Item("a", {"x", "y"})]),
    (dict[int, Point], {1: Point(1, 2.5)}),
    (Line, {"sku": "a", "qty": 1}),
    (Colour, Colour.RED),
    (Size, Size.SMALL),
    (Card | Cash, Cash(5)),
    (Item | None, None),
    (str | int, 5),
    (Literal["a", "b"], "b"),
    (Parcel, Parcel(Decimal("0.5"), datetime(2026, 1, 1, tzinfo=UTC))),
    (Model, Model(name="a", when=date(2026, 1, 1))),
    (list[Model], [Model(name="a", when=date(2026, 1, 1))]),
    (Any, {"a": [1, 2.5, None, True, "x"]}),
    (object, {"a": [1]}),
    (dict[str, object], {"a": [1]}),
    (int, 2**64 - 1),
    (int | float, 1.0),
    (bool | int, True),
    (time, time(1, 2, 3, 4)),
    (time, time(1, tzinfo=UTC)),
    (set[Colour], {Colour.RED, Colour.BLUE}),
    (set[Sku], {Sku("a"), Sku("b")}),
    (set[int | str | None], {1, "a", None}),
    (set[frozenset[int]], {frozenset({1}), frozenset({0})}),
    (set[Path], {Path("a"), Path("b")}),
    (dict[int, set[Colour]], {1: {Colour.RED, Colour.BLUE}, 10: set()}),
    (dict[Colour, int], {Colour.RED: 1}),
    (dict[UUID, int], {UUID(int=1): 1}),
    (dict[date, Unequal | None], {date(2026, 1, 1): None}),
    (dict[Decimal, int], {Decimal("1.50"): 1}),
    (Rights, Rights.READ | Rights.WRITE),
    (Strict, Strict(**{"taken-at": datetime(2026, 1, 1, tzinfo=UTC)}, tags={"a", "b"}, part=VALUE)),
    (Open, Open(more=[1])),
    (Model | None, None),
]


@pytest.mark.parametrize(("annotation", "value"), VALUES, ids=[str(number) for number in range(len(VALUES))])
def test_comes_back_as_it_was(annotation: Any, value: Any) -> None:
    shape = shape_of(annotation)
    back = shape.decode(shape.encode(value))
    assert back == value and type(back) is type(value)


def test_what_has_no_equality_of_its_own_comes_back_by_its_fields() -> None:
    back = shape_of(Unequal).decode(shape_of(Unequal).encode(Unequal(1, [Unequal(2)])))
    assert back.nodes[0].first_part == 2


@pytest.mark.parametrize("fold", [0, 1])
def test_the_hour_that_clocks_go_through_twice_keeps_its_offset(fold: int) -> None:
    value = datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=BERLIN)
    back = shape_of(datetime).store(value)[1]
    assert back.utcoffset() == value.utcoffset() and back.timestamp() == value.timestamp()


def test_equal_calls_are_written_alike_whether_an_int_or_a_float_is_given() -> None:
    assert shape_of(float).encode(1) == shape_of(float).encode(1.0) == b"1.0"
    assert shape_of(Cart).encode(Cart(weight=2)) == shape_of(Cart).encode(Cart(weight=2.0))


def test_what_never_returns_has_nothing_to_keep() -> None:
    assert shape_of(NoReturn).encode(None) == b"null"


def test_an_int_where_a_float_is_annotated_is_a_float() -> None:
    assert isinstance(shape_of(float).store(1)[1], float)


def deep(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


def looped() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def generator() -> Iterator[int]:
    yield 1


REFUSED: list[tuple[Any, Any, str, tuple[Any, ...]]] = [
    (float, math.nan, "NaN", ()),
    (dict[str, list[float]], {"a": [1.0, math.inf]}, "Infinity", ("a", 1)),
    (list[Item], [Item("ok"), Item("\ud800")], "surrogate", (1, "name")),
    (Any, {1: "a"}, "key", ()),
    (int, 2**64, "64 bits", ()),
    (Any, deep(MAX_DEPTH + 2), "deep", (0,) * (MAX_DEPTH + 1)),
    (str, "x" * (MAX_SIZE + 1), "bytes", ()),
    (Any, (1, 2), "tuple", ()),
    (Any, {1, 2}, "set", ()),
    (int, Size.SMALL, "Size", ()),
    (int, True, "bool", ()),
    (str, 5, "int", ()),
    (Any, object(), "object", ()),
    (Any, looped(), "itself", (0,)),
    (Any, generator(), "generator", ()),
    (Any, print, "no value", ()),
    (float, 2**53 + 1, "came back as float", ()),
    (float | None, math.nan, "NaN", ()),
    (Cart, Cart(weight=math.nan), "NaN", ("weight",)),
    (Decimal, Decimal("sNaN"), "NaN", ()),
    (list[Decimal], [Decimal("Infinity")], "Infinity", (0,)),
    (set[int], {2**70}, "64 bits", ()),
    (dict[int, int], {2**70: 1}, "64 bits", ()),
    (dict[str, int], {"\ud800": 1}, "surrogate", ()),
    (Path, Path("\ud800"), "surrogate", ()),
    (Any, [{"a": {1: 2}}], "the key 1, of type int and not str,", (0, "a")),
    (dict[int, int], {Size.SMALL: 1}, "the key", ()),
    (dict[Any, Any], {1: 1, "1": 2}, "the key 1", ()),
    (Line, {"sku": "a", "qty": 1, "more": 2}, "'more'", ()),
    (set[int], {Size.SMALL}, "set", ()),
    (set[tuple[int, ...]], {(Size.SMALL,)}, "set", ()),
    (Cart, Cart([(1,), [2]]), "list came back as tuple", ("lines", 1)),  # type: ignore[list-item]
    (Cart, Cart(skus={"a": Sku("x"), "b": Sku(5)}), "got `int`", ("skus", "b", "name")),  # type: ignore[arg-type]
    (Cart, Cart(skus={"a": RareSku("x")}), "RareSku came back as Sku", ("skus", "a")),
    (Cart, Cart(loose={"a": [1, (2,)]}), "tuple came back as list", ("loose", "a", 1)),
    (list[dict[str, list[int]]], [{"a": [1], "b": [1, "x"]}], "got `str`", (0, "b", 1)),  # type: ignore[list-item]
    (dict[str, int], OrderedDict(a=1), "OrderedDict", ()),
    (time, time(1, tzinfo=BERLIN), "time", ()),
    (datetime, datetime(1880, 1, 1, tzinfo=BERLIN), "datetime", ()),
    (None, 5, "int", ()),
    (Any, Sku("a"), "Sku came back as dict", ()),
    (Any, [Model(name="a", when=date(2026, 1, 1))], "Model came back as dict", (0,)),
    (Open, Open(weight=math.nan), "NaN", ("weight",)),
    (Hidden, Hidden(secret=pydantic.SecretStr("x")), "SecretStr", ("secret",)),
    (Fussy, spoilt(), "fussy", ()),
    (list[Callable[[], int]], [print], "builtin_function", (0,)),
    (list[Iterator[int]], [generator()], "generator", (0,)),
    (complex | None, 1j, "complex", ()),
    (Any, deep(5000), "deep", (0,) * (MAX_DEPTH + 1)),
]


@pytest.mark.parametrize(("annotation", "value", "said", "path"), REFUSED, ids=lambda each: type(each).__name__)
def test_is_refused_when_written(annotation: Any, value: Any, said: str, path: tuple[Any, ...]) -> None:
    with pytest.raises(NotStorable, match=said) as caught:
        shape_of(annotation).encode(value)
    assert caught.value.path == path and caught.value.cure


UNUSABLE: list[tuple[Any, str]] = [
    (Item | Parcel, "tagged"),
    (str | Path, "tagged"),
    (Mixed, "all str, or all int"),
    (dict[tuple[int, int], int], "pairs"),
    (complex, "complex is no type that JSON can hold"),
    (Callable[[], int], "Callable is no type"),
    (tuple[int, Iterator[int]], "Iterator is no type"),
]


@pytest.mark.parametrize(("annotation", "said"), UNUSABLE, ids=str)
def test_types_that_cannot_come_back_are_refused_before_anything_is_called(annotation: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        shape_of(annotation)


UNFIT: list[tuple[Any, bytes, tuple[Any, ...]]] = [
    (int, b'"a"', ()),
    (int, b"{", ()),
    (int, b"", ()),
    (str, b'"\xff"', ()),
    (list[Sku], b'[{"name":"a"},{"name":1}]', (1, "name")),
    (dict[str, Sku], b'{"a":{"name":"a"},"b":{}}', ("b",)),
    (dict[str, dict[str, list[int]]], b'{"a":{"x":[1],"y":[2,"z"]},"b":{"x":["q"]}}', ("a", "y", 1)),
    (dict[int, int], b'{"a":1}', ()),
    (Fussy, b'{"number":-1}', ()),
    (Model, b'{"name":5}', ()),
    (complex | None, b"1", ()),
    (Any, b"[" * 100_000 + b"]" * 100_000, ()),
]


@pytest.mark.parametrize(("annotation", "raw", "path"), UNFIT, ids=str)
def test_json_that_does_not_fit_says_where(annotation: Any, raw: bytes, path: tuple[Any, ...]) -> None:
    with pytest.raises(NotStorable) as caught:
        shape_of(annotation).decode(raw)
    assert caught.value.path == path


json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.tuples(st.integers()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4),
    max_leaves=12,
)


@given(json_data)
def test_any_data_comes_back_or_is_refused(value: Any) -> None:
    shape = shape_of(Any)
    try:
        raw = shape.encode(value)
    except NotStorable:
        return
    back = shape.decode(raw)
    assert back == value and shape.encode(back) == raw


@given(st.sets(st.text(max_size=5)), st.dictionaries(st.text(max_size=3), st.integers(0, 9)))
def test_the_same_value_is_written_in_one_way(words: set[str], numbers: dict[str, int]) -> None:
    shape, other = shape_of(set[str]), shape_of(dict[str, int])
    try:
        assert shape.encode(words) == shape.encode({*sorted(words, reverse=True)})
        assert other.encode(numbers) == other.encode(dict(reversed(numbers.items())))
    except NotStorable:
        pass


@dataclass
class Everything:
    """A type that holds most others."""

    text: str
    number: float
    maybe: int | None
    kinds: set[Colour]
    by_number: dict[int, tuple[str, ...]]
    sizes: frozenset[Size]
    exact: Decimal
    raw: bytes
    at: datetime
    took: timedelta
    paid: Card | Cash
    point: Point
    loose: Any


numbers = st.integers(-(2**65), 2**65)
odd_text = st.text(st.characters(), max_size=4)
everything = st.builds(
    Everything,
    text=odd_text | st.just("\ud800"),
    number=st.floats() | numbers,
    maybe=st.none() | numbers | st.booleans(),
    kinds=st.sets(st.sampled_from(Colour)),
    by_number=st.dictionaries(numbers, st.lists(odd_text, max_size=2).map(tuple), max_size=3),
    sizes=st.frozensets(st.sampled_from(Size) | st.just(1)),
    exact=st.decimals(),
    raw=st.binary(max_size=5),
    at=st.datetimes(timezones=st.none() | st.timezones(), allow_imaginary=False),
    took=st.timedeltas(),
    paid=st.builds(Card, odd_text) | st.builds(Cash, numbers),
    point=st.builds(Point, numbers, st.floats()),
    loose=json_data,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(everything)
def test_anything_typed_comes_back_equal_and_of_its_types_or_is_refused(value: Everything) -> None:
    shape = shape_of(Everything)
    try:
        raw, twin = shape.store(value)
    except NotStorable as refused:
        assert refused.cure
        return
    assert twin.at.replace(tzinfo=None, fold=0) == value.at.replace(tzinfo=None, fold=0)
    assert twin.at.utcoffset() == value.at.utcoffset()
    for field_name in ("text", "maybe", "kinds", "by_number", "sizes", "exact", "raw", "took", "paid", "point", "loose"):
        assert getattr(twin, field_name) == getattr(value, field_name)
        assert type(getattr(twin, field_name)) is type(getattr(value, field_name))
    assert twin.number == value.number and type(twin.number) is float
    assert all(type(size) is Size for size in twin.sizes)
    assert shape.store(twin)[0] == raw == shape.encode(shape.decode(raw))


def test_equal_values_are_written_alike_in_every_process() -> None:
    code = (
        "from tests.model import test_codec as t; "
        "value = t.Strict(**{'taken-at': t.datetime(2026, 1, 1), 'tags': set('abcdef')}); "
        "print(t.shape_of(t.Strict).encode(value), t.shape_of(set[t.Sku]).encode({t.Sku(n) for n in 'abcdef'}), "
        "t.shape_of(set[frozenset[str]]).encode({frozenset(n) for n in ('ab', 'cd', 'ef')}))"
    )
    written = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(written) == 1


def test_the_order_of_fields_in_the_code_does_not_count() -> None:
    assert shape_of(Cart).encode(Cart()) == b'{"lines":[],"loose":null,"skus":{},"weight":null}'
