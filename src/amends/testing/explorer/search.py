"""Which worlds to play, and in which order: all with few faults first, or a sample, or what hypothesis thinks of."""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from amends.testing.explorer.path import Deviation, Deviations
from amends.testing.explorer.player import Played
from amends.testing.explorer.rules import judged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from amends.testing.explorer.faults import Kind
    from amends.testing.explorer.player import Player

Progress: TypeAlias = "Callable[[Tally], None]"

LEAVES = frozenset({"restart", "duplicate"})
"""Faults that leave the world as it would have been without: no second fault is tried after them, as after nothing."""


@dataclass(slots=True)
class Tally:
    """What an exploration has seen.

    `sampled` lists levels not played in full: faults, worlds played, worlds in all. `elsewhere` says why the journals
    could not be replayed in another process, if so.
    """

    worlds: int = 0
    fired: Counter[Kind] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    levels: dict[int, int] = field(default_factory=dict)
    sampled: list[tuple[int, int, int]] = field(default_factory=list)
    found: Played | None = None
    elsewhere: str = ""

    def add(self, played: Played) -> None:
        """Count one world."""
        self.worlds += 1
        self.levels[len(played.deviations)] = self.levels.get(len(played.deviations), 0) + 1
        self.fired.update(deviation.kind for deviation in played.deviations)
        self.ends[played.ending.state] += 1
        self.asked.update({effect.step for effect in played.ending.effects})
        if played.breaches and self.found is None:
            self.found = played

    def merge(self, other: Tally) -> None:
        """Add what another shard has seen; the smaller finding wins."""
        self.worlds += other.worlds
        for mine, theirs in ((self.fired, other.fired), (self.ends, other.ends), (self.asked, other.asked)):
            mine.update(theirs)
        for faults, worlds in other.levels.items():
            self.levels[faults] = self.levels.get(faults, 0) + worlds
        self.sampled += other.sampled
        if other.found and (self.found is None or _size(other.found) < _size(self.found)):
            self.found = other.found


class Level:
    """All worlds with one more fault than the ones that were added; the earliest fault first."""

    def __init__(self) -> None:
        self._parents: list[tuple[Deviations, list[tuple[int, tuple[Kind, ...]]]]] = []
        self._sizes: list[int] = []

    def grow(self, played: Played, only: frozenset[Kind] | None) -> None:
        """Add the worlds that have the faults of `played`, and one after the last of them; of the kinds `only`, if given."""
        last = played.deviations[-1] if played.deviations else Deviation(-1, "")
        if last.kind in LEAVES:
            return
        places: list[tuple[int, tuple[Kind, ...]]] = []
        for index, (_, kinds) in enumerate(played.met[last.place + 1 :], start=last.place + 1):
            wanted = kinds[1:] if only is None else tuple(kind for kind in kinds[1:] if kind in only)
            if wanted:
                places.append((index, wanted))
        self._parents.append((played.deviations, places))
        self._sizes.append(sum(len(kinds) for _, kinds in places))

    def __len__(self) -> int:
        return sum(self._sizes)

    def worlds(self, numbers: Iterable[int]) -> Iterator[Deviations]:
        """Those of the worlds that have these numbers, counted from 0."""
        ends = list(accumulate(self._sizes))
        for number in numbers:
            parent = bisect(ends, number)
            deviations, places = self._parents[parent]
            left = number - (ends[parent] - self._sizes[parent])
            for index, kinds in places:
                if left < len(kinds):
                    yield (*deviations, Deviation(index, kinds[left]))
                    break
                left -= len(kinds)


def exhaustive(
    player: Player,
    *,
    faults: int,
    budget: int,
    progress: Progress,
    shard: tuple[int, int] = (1, 1),
    only: frozenset[Kind] | None = None,
) -> Tally:
    """Every world with at most `faults` faults, fewest first; stops at the first that breaks a rule, which is the smallest.

    A level that does not fit into what is left of the budget (in worlds) is sampled, and the tally says so. A shard `k/n`
    plays every n-th of the worlds with two faults, and all that follow from them; to know those, each plays the worlds with
    fewer, which count for the first shard. With `faults=1` those with one fault are dealt out. `only` narrows the kinds.
    """
    tally, luck, (number, shards) = Tally(), Random(0), shard
    common = tally if number == 1 else Tally()
    level = Level()

    def tell(_: Tally) -> None:
        progress(tally)  # what counts for another shard is no progress of this one

    _run(player, [()], common, tell, only, level)
    dealt = min(2, faults)
    for depth in range(1, faults + 1):
        if common.found or tally.found:
            break
        count = common if depth < dealt else tally
        part: Sequence[int] = range(number - 1, len(level), shards) if depth == dealt else range(len(level))
        room = max(0, budget - count.worlds)
        if len(part) > room:
            count.sampled.append((depth, room, len(part)))
            part = sorted(luck.sample(part, room))
        following = Level()
        _run(player, level.worlds(part), count, tell, only, following if depth < faults else None)
        level = following
    tally.found = common.found or tally.found
    return tally


def _run(
    player: Player,
    worlds: Iterable[Deviations],
    tally: Tally,
    progress: Progress,
    only: frozenset[Kind] | None,
    following: Level | None,
) -> None:
    """Play worlds, and let those that have one more fault follow; stops at the first that breaks a rule."""
    for deviations in worlds:
        played = player.follow(deviations, last=following is None)
        tally.add(played)
        progress(tally)
        if played.breaches:
            break
        if following is not None:
            following.grow(played, only)
        del played  # nothing of a world is held when the next one begins: then it is collected


# ── by luck ──────────────────────────────────────────────────────────────────────────────────────


class Drawn:
    """A path on which faults happen by chance: at each place with the odds given, as long as the faults last."""

    def __init__(self, choose: Callable[[int], int], faults: int) -> None:
        self._choose = choose
        self._left = faults
        self.over = not faults
        self.met: list[tuple[str, tuple[Kind, ...]]] = []
        self.deviations: list[Deviation] = []

    def pick(self, place: str, kinds: tuple[Kind, ...]) -> Kind:
        """See `Path`."""
        chosen = self._choose(len(kinds))
        if chosen:
            self._left -= 1
            self.over = not self._left
            self.deviations.append(Deviation(len(self.met), kinds[chosen]))
        self.met.append((place, kinds))
        return kinds[chosen]


SHRINK_BUDGET = 2_000
"""Worlds that may be played to find a smaller one than what luck has found."""

ODDS = 12
"""At one place of so many a fault happens, when worlds are drawn by luck."""


def random(player: Player, *, faults: int, budget: int, seed: int, progress: Progress) -> Tally:
    """`budget` worlds with at most `faults` faults each, drawn by luck; a finding is shrunk."""
    tally = Tally()
    for number in range(budget):
        luck = Random(f"{seed}/{number}")
        path = Drawn(lambda most, luck=luck: luck.randrange(1, most) if luck.randrange(ODDS) == 0 else 0, faults)  # type: ignore[misc]
        played = judge(player, path)
        if played.breaches:
            played = shrunk(player, played)
        tally.add(played)
        progress(tally)
        if played.breaches:
            break
        del played  # as above
    return tally


def shrunk(player: Player, found: Played) -> Played:
    """A breach with fewer faults, if there is one: all worlds are searched that have fewer, of the kinds that were found."""
    kinds = frozenset(deviation.kind for deviation in found.deviations)
    fewer = exhaustive(
        player, faults=len(found.deviations) - 1, budget=SHRINK_BUDGET, only=kinds, progress=lambda _: None
    ).found
    return found if fewer is None else fewer


def judge(player: Player, path: Drawn) -> Played:
    """The world that luck has drawn."""
    ending = player.play(path)
    return Played(tuple(path.deviations), path.met, ending, judged(ending))


def _size(played: Played) -> tuple[int, Deviations]:
    return len(played.deviations), played.deviations
