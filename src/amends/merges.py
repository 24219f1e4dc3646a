"""Ready merges for `scatter(...).merge(...)`: pure functions of what was gathered.

Each of them takes a `Gathered` (`answers` by the names of the agents, in their order), and is deterministic: equal merits
are put in order by the agents', then by the order within an answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from amends.errors import AmendsError, DefinitionError

if TYPE_CHECKING:
    from amends.model.gather import Gathered

T = TypeVar("T")
V = TypeVar("V")

RANK_CONSTANT = 60
"""The constant of reciprocal rank fusion, as its authors found it to work well."""


class NothingToMerge(AmendsError):
    """None of the agents that the merge asks for has answered."""


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A value, and the names of the agents that gave it."""

    value: T
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ranked(Generic[T]):
    """A value with its fused score, and the names of the agents that ranked it."""

    value: T
    score: float
    by: tuple[str, ...]


@overload
def union() -> Callable[[Gathered[Iterable[T]]], list[Found[T]]]: ...
@overload
def union(key: Callable[[T], Hashable] | None) -> Callable[[Gathered[Iterable[T]]], list[Found[T]]]: ...
def union(key: Callable[[T], Hashable] | None = None) -> Callable[[Gathered[Iterable[T]]], list[Found[T]]]:
    """Merge lists into one: each item once, with the agents that gave it, in the order in which items first appear.

    Args:
        key: what makes two items the same; the item itself by default. Of items that are the same, the first is kept.
    """

    def merge(gathered: Gathered[Iterable[T]]) -> list[Found[T]]:
        first: dict[Hashable, T] = {}
        by: dict[Hashable, dict[str, None]] = {}
        for name, items in gathered.answers.items():
            for item in items:
                same: Any = item if key is None else key(item)
                first.setdefault(same, item)
                by.setdefault(same, {})[name] = None
        return [Found(value, tuple(by[same])) for same, value in first.items()]

    return merge


def first(*priority: str) -> Callable[[Gathered[T]], Found[T]]:
    """Take the answer of the first agent in `priority` that answered; of the first of all that did, if none is given.

    The merge raises `NothingToMerge` when none of them answered.
    """

    def merge(gathered: Gathered[T]) -> Found[T]:
        for name in priority or gathered.answers:
            if name in gathered.answers:
                return Found(gathered.answers[name], (name,))
        asked, late = ", ".join(priority) or "the agents", ", ".join(gathered.late) or "none"
        raise NothingToMerge(f"none of {asked} answered (late: {late}); let at_least= be 1 or more, or give more time.")

    return merge


def majority() -> Callable[[Gathered[Mapping[str, V]]], dict[str, Found[V]]]:
    """Merge mappings field by field: of each field the value that most agents give, with the agents that give it.

    Agents that lack a field have no vote on it; of values with as many votes, the one that was given first wins. Values must
    be hashable.
    """

    def merge(gathered: Gathered[Mapping[str, V]]) -> dict[str, Found[V]]:
        votes: dict[str, Counter[V]] = {}
        for fields in gathered.answers.values():
            for field, value in fields.items():
                votes.setdefault(field, Counter())[value] += 1
        merged: dict[str, Found[V]] = {}
        for field, counted in votes.items():
            value = max(counted, key=counted.__getitem__)
            by = tuple(name for name, fields in gathered.answers.items() if field in fields and fields[field] == value)
            merged[field] = Found(value, by)
        return merged

    return merge


@overload
def ranked(*, constant: int = ...) -> Callable[[Gathered[Iterable[T]]], list[Ranked[T]]]: ...
@overload
def ranked(
    key: Callable[[T], Hashable] | None, *, constant: int = ...
) -> Callable[[Gathered[Iterable[T]]], list[Ranked[T]]]: ...
def ranked(
    key: Callable[[T], Hashable] | None = None, *, constant: int = RANK_CONSTANT
) -> Callable[[Gathered[Iterable[T]]], list[Ranked[T]]]:
    """Fuse ranked lists into one by reciprocal rank: the score of an item is the sum of 1 / (constant + rank), ranks from 1.

    Source: G. V. Cormack, C. L. A. Clarke, S. Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank
    Learning Methods", SIGIR 2009.

    Args:
        key: what makes two items the same; the item itself by default. An item counts once in each list, at its best rank.
        constant: dampens the weight of the first ranks; at least 0.

    Raises:
        DefinitionError: the constant is negative.
    """
    if constant < 0:
        raise DefinitionError(f"ranked(constant={constant!r}): at least 0.")

    def merge(gathered: Gathered[Iterable[T]]) -> list[Ranked[T]]:
        kept: dict[Hashable, T] = {}
        score: dict[Hashable, float] = {}
        by: dict[Hashable, tuple[str, ...]] = {}
        for name, items in gathered.answers.items():
            for rank, item in enumerate(items, start=1):
                same: Any = item if key is None else key(item)
                if name in by.get(same, ()):
                    continue
                kept.setdefault(same, item)
                score[same] = score.get(same, 0.0) + 1 / (constant + rank)
                by[same] = (*by.get(same, ()), name)
        best = sorted(kept, key=lambda same: -score[same])
        return [Ranked(kept[same], score[same], by[same]) for same in best]

    return merge
