"""How the worlds of a scenario are searched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from amends.errors import DefinitionError
from amends.model import door
from amends.testing.explorer import luck, search
from amends.testing.explorer.guided import guided
from amends.testing.explorer.shards import split

if TYPE_CHECKING:
    from amends.testing.explorer.player import Player
    from amends.testing.explorer.shards import Search
    from amends.testing.explorer.tally import Progress, Tally

BUDGET = 20_000
"""The most worlds of one exploration, unless it says another number."""

Strategy: TypeAlias = Literal["exhaustive", "random", "hypothesis"]


@dataclass(frozen=True)
class Plan:
    """See `explore` for what each of these means."""

    strategy: Strategy
    faults: int
    budget: int
    seed: int
    shard: tuple[int, int]
    processes: int
    progress: Progress | None

    def __post_init__(self) -> None:
        if self.strategy not in ("exhaustive", "random", "hypothesis"):
            raise DefinitionError(f"explore(strategy={self.strategy!r}): 'exhaustive', 'random' or 'hypothesis'.")
        for name, least in (("faults", 0), ("budget", 1), ("processes", 1)):
            door.count(getattr(self, name), f"explore({name}=...)", least)
        if not _is_part(self.shard):
            raise DefinitionError(f"explore(shard={self.shard!r}): (k, n) with 1 <= k <= n.")
        if self.progress is not None:
            door.function(self.progress, "explore(progress=...)", "Give a function that takes the Tally.")
        if self.strategy == "hypothesis" and (self.processes > 1 or self.shard[1] > 1):
            raise DefinitionError(
                "explore(strategy='hypothesis') takes no shard= and no processes=: it learns from one world what to try "
                "next. Give each machine a seed= of its own instead."
            )

    def search(self, player: Player) -> Tally:
        """Play the worlds."""
        tell = self.progress or _nobody
        if self.strategy == "hypothesis":
            return guided(player, faults=self.faults, budget=self.budget, seed=self.seed, progress=tell)
        part: Search = (
            partial(luck.random, player, faults=self.faults, seed=self.seed)
            if self.strategy == "random"
            else partial(search.exhaustive, player, faults=self.faults)
        )
        if self.processes == 1:
            return part(budget=self.budget, shard=self.shard, progress=tell)
        how = {"faults": self.faults, "budget": self.budget, "processes": self.processes}
        return split(player, part, shard=self.shard, progress=tell, **how)


def _is_part(shard: object) -> bool:
    match shard:
        case [int(number), int(shards)]:
            return 1 <= number <= shards
        case _:
            return False


def _nobody(tally: Tally) -> None:
    """Nobody is told how it goes on."""
