"""The journals that are replayed in other processes: each once, and a spread of them when there are many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from amends.testing.explorer.account import Account
    from amends.testing.explorer.path import Deviations

MOST = 200
"""Journals that are replayed elsewhere."""


class Sheet(msgspec.Struct, frozen=True):
    """One run, to be replayed."""

    id: str
    saga: str
    input: str
    seed: str
    parent: str | None
    turns: tuple[str, ...]


class Sheaf:
    """Journals, each with the faults of the first world that it is of."""

    def __init__(self) -> None:
        self.sheets: dict[Sheet, Deviations] = {}
        self._seen: dict[int, Deviations] = {}
        self._stride = 1

    @property
    def seen(self) -> int:
        """How many there were to choose from."""
        return len(self._seen)

    def gather(self, deviations: Deviations, accounts: Iterable[Account]) -> None:
        """Take in the journals of a world."""
        for account in accounts:
            sheet = Sheet(
                account.row.id,
                account.row.saga,
                account.row.input.decode(),
                account.row.seed.hex(),
                account.row.parent,
                tuple(turn.body.decode() for turn in account.turns),
            )
            if hash(sheet) not in self._seen:
                if len(self._seen) % self._stride == 0:
                    self.sheets[sheet] = deviations
                self._seen[hash(sheet)] = deviations
        self._thin_out()

    def merge(self, other: Sheaf) -> None:
        """Take in what a fork of this process has gathered, but for the worlds that both have played.

        Their journals differ in the names of the workers, which hold the number of the process.
        """
        both = set(self._seen.values())
        self.sheets |= {sheet: world for sheet, world in other.sheets.items() if world not in both}
        self._seen |= {number: world for number, world in other._seen.items() if world not in both}
        self._thin_out()

    def smallest_first(self) -> list[tuple[Sheet, Deviations]]:
        """What was kept, in the order of worlds: fewest faults first."""
        return sorted(self.sheets.items(), key=lambda item: (len(item[1]), item[1]))

    def _thin_out(self) -> None:
        while len(self.sheets) > MOST:
            self._stride *= 2
            self.sheets = dict(list(self.sheets.items())[::2])
