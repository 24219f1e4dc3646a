"""Worlds that hypothesis thinks of: it looks for long journals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.errors import DefinitionError
from amends.testing.explorer.luck import ODDS, Drawn, judge, shrunk
from amends.testing.explorer.player import Played
from amends.testing.explorer.tally import Progress, Tally

if TYPE_CHECKING:
    from amends.testing.explorer.player import Player


class _Broken(Exception):
    """A world broke a rule: hypothesis may stop."""


def guided(player: Player, *, faults: int, budget: int, seed: int, progress: Progress) -> Tally:
    """`budget` worlds with at most `faults` faults each, drawn by hypothesis, if that is installed; a finding is shrunk."""
    try:
        import hypothesis
        from hypothesis import strategies
    except ImportError as missing:
        raise DefinitionError("strategy='hypothesis' needs hypothesis: pip install hypothesis.") from missing
    tally, broken = Tally(), list[Played]()

    def world(data: strategies.DataObject) -> None:
        def choose(most: int) -> int:
            happens = data.draw(strategies.integers(0, ODDS - 1)) == ODDS - 1
            return data.draw(strategies.integers(1, most - 1)) if happens else 0

        played = judge(player, Drawn(choose, faults))
        tally.different.add(played.deviations)
        if played.breaches:
            broken.append(played)
            raise _Broken
        tally.add(played)
        progress(tally)
        hypothesis.target(float(sum(len(account.turns) for account in played.ending.accounts.values())))

    health, phase = hypothesis.HealthCheck, hypothesis.Phase
    quietly = hypothesis.settings(
        max_examples=budget,
        deadline=None,
        database=None,
        suppress_health_check=(health.too_slow, health.filter_too_much, health.data_too_large),
        phases=(phase.generate, phase.target),
        print_blob=False,
    )
    try:
        quietly(hypothesis.seed(seed)(hypothesis.given(strategies.data())(world)))()
    except (_Broken, BaseExceptionGroup):
        tally.add(shrunk(player, broken[-1]))
    return tally
