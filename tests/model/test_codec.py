"""Values come back as they were, or are refused when they are written."""

from __future__ import annotations

import enum
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amends.errors import DefinitionError, NotStorable
from amends.model import keys
from amends.model.codec import MAX_DEPTH, MAX_SIZE, shape_of
from amends.model.failure import failure_of


class Colour(enum.Enum):
    RED = "red"


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
]


@pytest.mark.parametrize(("annotation", "value"), VALUES, ids=[str(number) for number in range(len(VALUES))])
def test_comes_back_as_it_was(annotation: Any, value: Any) -> None:
    shape = shape_of(annotation)
    back = shape.decode(shape.encode(value))
    assert back == value and type(back) is type(value)


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
]


@pytest.mark.parametrize(("annotation", "value", "said", "path"), REFUSED, ids=lambda each: type(each).__name__)
def test_is_refused_when_written(annotation: Any, value: Any, said: str, path: tuple[Any, ...]) -> None:
    with pytest.raises(NotStorable, match=said) as caught:
        shape_of(annotation).encode(value)
    assert caught.value.path == path and caught.value.cure


def test_a_union_that_cannot_be_told_apart_is_refused_at_definition() -> None:
    with pytest.raises(DefinitionError, match="tagged"):
        shape_of(Item | Parcel)


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


def test_keys_are_stable_over_processes_and_versions() -> None:
    code = (
        "from amends.model import keys; from amends.model.codec import shape_of; "
        "print(keys.step_key('n', 's', 'r', 1, 'step', shape_of(set[str]).encode({'a', 'b', 'c'})))"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert runs == {keys.step_key("n", "s", "r", 1, "step", b'["a","b","c"]')}
    assert keys.step_key("n", "s", "r", 1, "step", b"{}") == "69a7bc61c1ee6257215db7dfaf6e8879"


def test_every_part_changes_the_key() -> None:
    base: dict[str, Any] = {"namespace": "n", "saga": "s", "run_id": "r", "pos": 1, "step": "p", "args": b"{}"}
    other = {"namespace": "x", "saga": "x", "run_id": "x", "pos": 2, "step": "x", "args": b"[]", "generation": 1}
    made = {keys.step_key(**{**base, name: value}) for name, value in other.items()} | {keys.step_key(**base)}
    assert len(made) == len(other) + 1
    assert keys.step_key(**{**base, "namespace": "ns", "saga": ""}) != keys.step_key(**base)
    assert keys.undo_key("a") != keys.undo_key("b") != "a"


def test_luck_is_fair_and_repeats() -> None:
    draws = [keys.luck_float(b"seed", n) for n in range(2000)]
    assert all(0 <= draw < 1 for draw in draws) and 0.45 < sum(draws) / len(draws) < 0.55
    assert keys.luck_uuid(b"seed", 1) == keys.luck_uuid(b"seed", 1) and keys.luck_uuid(b"seed", 1).version == 4


def test_a_diff_names_the_way() -> None:
    said = keys.diff(b'{"o":{"qty":1,"a":[1,2]}}', b'{"o":{"qty":2,"a":[1,3],"new":0}}')
    assert said.splitlines() == ["- o.a[1]: 2", "+ o.a[1]: 3", "- o.new: (absent)", "+ o.new: 0", "- o.qty: 1", "+ o.qty: 2"]


class Broken(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def test_an_exception_is_kept_bounded_with_its_data() -> None:
    error = ValueError("x" * 5000, {"code": 7})
    error.add_note("a note")
    kept = failure_of(error)
    assert kept.type == "ValueError" and len(kept.message) == 1000 and kept.notes == ("a note",)
    assert msgspec.json.decode(kept.data)["args"][1] == {"code": 7}
    assert "cannot be read" in failure_of(Broken()).message
    assert bytes(failure_of(ValueError(object())).data) == b"null"
    try:
        raise KeyError("\ud800")
    except KeyError as raised:
        msgspec.json.encode(failure_of(raised))
