"""Which worlds to play, and in which order: all with few faults first, or a sample of those that the budget has room for."""

from __future__ import annotations

from bisect import bisect
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING

from amends.testing.explorer.path import Deviation, Deviations
from amends.testing.explorer.tally import Part, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from amends.testing.explorer.faults import Kind
    from amends.testing.explorer.player import Played, Player
    from amends.testing.explorer.tally import Progress

LEAVES = frozenset({"restart", "duplicate"})
"""Faults that leave the world as it would have been without: no second fault is tried after them, as after nothing."""


class Worlds:
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
    dealt, whole, worlds = min(2, faults), True, Worlds()

    def tell(_: Tally) -> None:
        progress(tally)  # what counts for another shard is no progress of this one

    _run(player, [()], common, tell, only, worlds)
    for depth in range(1, faults + 1):
        if common.found or tally.found:
            break
        count = common if depth < dealt else tally
        part: Sequence[int] = range(number - 1, len(worlds), shards) if depth == dealt else range(len(worlds))
        room = max(0, budget - count.worlds)
        chosen = tally.parts[depth] = Part(min(room, len(part)), len(part) if whole else None, common=depth < dealt)
        whole = not chosen.sampled
        if len(part) > room:
            part = sorted(luck.sample(part, room))
        following = Worlds()
        _run(player, worlds.worlds(part), count, tell, only, following if depth < faults else None)
        worlds = following
    tally.found = common.found or tally.found
    return tally


def _run(
    player: Player,
    worlds: Iterable[Deviations],
    tally: Tally,
    progress: Progress,
    only: frozenset[Kind] | None,
    following: Worlds | None,
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
