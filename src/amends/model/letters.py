"""The dead letters of one run, numbered in the order in which they were opened."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from amends.model.records import DeadLettered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from amends.model.records import Failure, LetterKind


MOST_SHOWN = 100
"""How many of the dead letters that hold it up a run names; the list of letters has all of them."""


def shown(*ids: Iterable[str]) -> tuple[str, ...]:
    """The first `MOST_SHOWN` of these ids."""
    return tuple(islice(chain(*ids), MOST_SHOWN))


class Letters:
    """Which letters of a run wait for a person, and where each belongs."""

    def __init__(self) -> None:
        self._count = 0
        self.waiting: dict[int, DeadLettered] = {}

    def write(self, pos: int, kind: LetterKind, error: Failure) -> DeadLettered:
        """Open the next letter."""
        self._count += 1
        letter = DeadLettered(self._count, pos, kind, error)
        self.waiting[letter.letter] = letter
        return letter

    def answer(self, number: int) -> DeadLettered | None:
        """Close a letter; None when it was not open."""
        return self.waiting.pop(number, None)

    def ids(self, run_id: str) -> Iterator[str]:
        """The names of those that wait, oldest first."""
        return (f"{run_id}#{number}" for number in self.waiting)
