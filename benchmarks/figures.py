"""Medians, spreads and ratios of what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Pieces: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Spread:
    """The middle of some measurements, the least and the most of them, and how many they are."""

    median: float
    low: float
    high: float
    rounds: int


def spread(values: Sequence[float]) -> Spread | None:
    """None when there are no values."""
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values), len(values))


class Found:
    """Reads what was measured by `who/what` and the figure's name."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces

    def of(self, key: str, name: str = "rate") -> Spread | None:
        """A figure over all its rounds."""
        return spread(list(self._by_round(key, name).values()))

    def ratio(self, one: str, other: str, name: str = "rate", other_name: str = "") -> Spread | None:
        """One figure beside another, round by round: what happens to the machine in a round happens to both.

        When no round has both, the medians are compared.
        """
        ones, others = self._by_round(one, name), self._by_round(other, other_name or name)
        if not ones or not others:
            return None
        both = [ones[number] / others[number] for number in ones if number in others]
        return spread(both or [statistics.median(ones.values()) / statistics.median(others.values())])

    def load(self) -> Spread | None:
        """Of the machine, before each piece; our own pieces make a part of it."""
        return spread([piece["load"] for pieces in self._pieces.values() for piece in pieces])

    def _by_round(self, key: str, name: str) -> dict[int, float]:
        return {piece["round"]: piece[name] for piece in self._pieces.get(key, ()) if name in piece}


def times(ratio: Spread | None, factor: float) -> Spread | None:
    """A ratio of which each is multiplied."""
    if ratio is None:
        return None
    return Spread(ratio.median * factor, ratio.low * factor, ratio.high * factor, ratio.rounds)


def inverse(ratio: Spread | None) -> Spread | None:
    """A ratio the other way round."""
    return None if ratio is None else Spread(1 / ratio.median, 1 / ratio.high, 1 / ratio.low, ratio.rounds)
