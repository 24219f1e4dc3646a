"""How the worlds of a scenario are searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from amends.errors import DefinitionError
from amends.testing.explorer import search
from amends.testing.explorer.guided import guided
from amends.testing.explorer.shards import split

if TYPE_CHECKING:
    from amends.testing.explorer.player import Player
    from amends.testing.explorer.search import Progress, Tally

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
            if getattr(self, name) < least:
                raise DefinitionError(f"explore({name}={getattr(self, name)!r}): at least {least}.")
        if not 1 <= self.shard[0] <= self.shard[1]:
            raise DefinitionError(f"explore(shard={self.shard!r}): (k, n) with 1 <= k <= n.")

    def search(self, player: Player) -> Tally:
        """Play the worlds."""
        tell = self.progress or _nobody
        if self.strategy == "random":
            return search.random(player, faults=self.faults, budget=self.budget, seed=self.seed, progress=tell)
        if self.strategy == "hypothesis":
            return guided(player, faults=self.faults, budget=self.budget, seed=self.seed, progress=tell)
        if self.processes > 1:
            return split(player, faults=self.faults, budget=self.budget, processes=self.processes, progress=tell)
        return search.exhaustive(player, faults=self.faults, budget=self.budget, shard=self.shard, progress=tell)


def _nobody(tally: Tally) -> None:
    """Nobody is told how it goes on."""
