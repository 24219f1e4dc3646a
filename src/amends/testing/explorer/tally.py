"""What an exploration has seen: how many worlds, what befell them, how they ended, and what was found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from amends.testing.explorer import verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from amends.model.records import LetterKind
    from amends.testing.explorer.faults import Kind
    from amends.testing.explorer.path import Deviations
    from amends.testing.explorer.player import Played

Progress: TypeAlias = "Callable[[Tally], None]"


@dataclass(frozen=True, slots=True)
class Part:
    """The worlds with one number of faults: how many are to be played, of how many.

    `of` is None when nobody knows: those with fewer faults were not all played. What is `common` to all shards is the same
    in each of them.
    """

    played: int
    of: int | None
    common: bool

    @property
    def sampled(self) -> bool:
        """Whether it is a part of what there is."""
        return self.of is None or self.played < self.of

    def __add__(self, other: Part) -> Part:
        of = None if self.of is None or other.of is None else self.of + other.of
        return self if self.common else replace(self, played=self.played + other.played, of=of)


@dataclass(slots=True)
class Tally:
    """What an exploration has seen.

    `letters` are the worlds that wait for a person, by the kind of the dead letter and the step that it is about.
    `levels` are the worlds played by the number of their faults, and `parts` what was to be played of each; `different` are
    the worlds that luck has drawn; `first` is what the run of the first world says of itself. `replayed` and `journals` are
    the journals replayed in other processes, and all that could have been; `elsewhere` says why that was not possible, if so.
    """

    worlds: int = 0
    fired: Counter[Kind] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    letters: Counter[tuple[LetterKind, str]] = field(default_factory=Counter)
    levels: Counter[int] = field(default_factory=Counter)
    parts: dict[int, Part] = field(default_factory=dict)
    different: set[Deviations] = field(default_factory=set)
    first: str = ""
    found: Played | None = None
    replayed: int = 0
    journals: int = 0
    elsewhere: str = ""

    def add(self, played: Played) -> None:
        """Count one world."""
        if not self.worlds:
            self.first = verdict.of(played.ending)
        self.worlds += 1
        self.levels[len(played.deviations)] += 1
        self.fired.update(deviation.kind for deviation in played.deviations)
        self.ends[played.ending.state] += 1
        self.asked.update({effect.step for effect in played.ending.effects})
        self.letters.update({(letter.kind, letter.step) for letter in played.ending.letters if letter.acted is None})
        if played.breaches and self.found is None:
            self.found = played

    @property
    def sampled(self) -> list[tuple[int, int, int | None]]:
        """The levels not played in full: faults, worlds played, worlds in all, if that is known."""
        return [(faults, part.played, part.of) for faults, part in sorted(self.parts.items()) if part.sampled]

    def merge(self, other: Tally) -> None:
        """Add what another shard has seen; the smaller finding wins."""
        self.worlds += other.worlds
        self.fired.update(other.fired)
        self.ends.update(other.ends)
        self.asked.update(other.asked)
        self.letters.update(other.letters)
        self.levels.update(other.levels)
        self.different |= other.different
        for faults, part in other.parts.items():
            self.parts[faults] = self.parts[faults] + part if faults in self.parts else part
        if other.found and (self.found is None or size(other.found) < size(self.found)):
            self.found = other.found


def size(played: Played) -> tuple[int, Deviations]:
    """How large a finding is: fewest faults first, and then the earliest."""
    return len(played.deviations), played.deviations
