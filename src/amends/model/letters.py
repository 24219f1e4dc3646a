"""The dead letters of one run, numbered in the order in which they were opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.model.records import DeadLettered

if TYPE_CHECKING:
    from amends.model.records import Failure, LetterKind


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
