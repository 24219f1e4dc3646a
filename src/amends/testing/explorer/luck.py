"""Worlds by luck: many faults at once, drawn from a seed; what is found is shrunk."""

from __future__ import annotations

from itertools import count, islice
from random import Random
from typing import TYPE_CHECKING

from amends.testing.explorer.path import Deviation, Path
from amends.testing.explorer.player import Played
from amends.testing.explorer.rules import judged
from amends.testing.explorer.search import exhaustive
from amends.testing.explorer.tally import Tally, size

if TYPE_CHECKING:
    from collections.abc import Callable

    from amends.testing.explorer.faults import Kind
    from amends.testing.explorer.player import Player
    from amends.testing.explorer.tally import Progress


class Drawn(Path):
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
"""Worlds that may be played to find a smaller one than what luck has found, and as many to find an earlier one."""

ODDS = 12
"""At one place of so many a fault happens, when worlds are drawn by luck."""


def random(
    player: Player, *, faults: int, budget: int, seed: int, progress: Progress, shard: tuple[int, int] = (1, 1)
) -> Tally:
    """`budget` worlds with at most `faults` faults each, drawn by luck; a finding is shrunk.

    Each world has a number that its luck depends on; a shard `k/n` draws every n-th of them.
    """
    tally, (first, shards) = Tally(), shard
    for number in islice(count(first - 1, shards), budget):
        luck = Random(f"{seed}/{number}")
        path = Drawn(lambda most, luck=luck: luck.randrange(1, most) if luck.randrange(ODDS) == 0 else 0, faults)  # type: ignore[misc]
        played = judge(player, path)
        tally.different.add(played.deviations)
        if played.breaches:
            played = shrunk(player, played)
        tally.add(played)
        progress(tally)
        if played.breaches:
            break
        del played  # nothing of a world is held when the next one begins: then it is collected
    return tally


def shrunk(player: Player, found: Played) -> Played:
    """The smallest breach that can be found: with fewer faults of the kinds that luck found, and then the earliest."""
    kinds = frozenset(deviation.kind for deviation in found.deviations)
    for faults, only in ((-1, kinds), (0, None)):
        most = len(found.deviations) + faults
        smaller = exhaustive(player, faults=most, budget=SHRINK_BUDGET, only=only, progress=lambda _: None).found
        found = min((each for each in (smaller, found) if each is not None), key=size)
    return found


def judge(player: Player, path: Drawn) -> Played:
    """The world that luck has drawn."""
    ending = player.play(path)
    played = Played(tuple(path.deviations), path.met, ending, judged(ending))
    player.witness.sheaf.gather(played.deviations, ending.accounts.values())
    return played
