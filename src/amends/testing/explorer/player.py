"""Plays worlds of one scenario, one after the other."""

from __future__ import annotations

import gc
import logging
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from amends.testing.explorer import outside, stores
from amends.testing.explorer.path import Deviations, Given
from amends.testing.explorer.probe import probed
from amends.testing.explorer.rules import judged
from amends.testing.explorer.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Generator

    from amends.testing.explorer.breach import Breach
    from amends.testing.explorer.elsewhere import Elsewhere
    from amends.testing.explorer.ending import Ending
    from amends.testing.explorer.faults import Kind
    from amends.testing.explorer.path import Path
    from amends.testing.explorer.scenario import Scenario

SILENCE = logging.CRITICAL + 1


@dataclass(frozen=True, slots=True)
class Played:
    """One world: its faults, where others could befall it (see `Path.over`), its ending, and what is wrong with it."""

    deviations: Deviations
    met: list[tuple[str, tuple[Kind, ...]]]
    ending: Ending
    breaches: list[Breach]


class Player:
    """Plays worlds. Made by `playing`, which sets the stage for as long as it lasts."""

    def __init__(self, scenario: Scenario, witness: Elsewhere) -> None:
        self.scenario = scenario
        self.witness = witness
        self._now: Simulation | None = None

    def play(self, path: Path) -> Ending:
        """One world on a path.

        Raises:
            AmendsError: what `engine.start` says to the saga's input.
        """
        self.clear()
        gc.collect(0)  # all that the last world left is young, and still in the processor's caches
        self._now = Simulation(self.scenario, path, stores.house(self.scenario.store))
        ending = self._now.run()
        if ending.refused is not None:
            raise ending.refused
        return ending

    def follow(self, deviations: Deviations, *, last: bool = False) -> Played:
        """The world in which just these faults happen, judged; raises `Unsteady` when one of them cannot.

        When it is the `last`, nobody asks where others could have happened after them.
        """
        path = Given(deviations, last=last)
        ending = self.play(path)
        path.demand_all()
        played = Played(deviations, path.met, ending, judged(ending))
        if len(deviations) <= 1:
            self.witness.sheaf.gather(deviations, ending.accounts.values())
        return played

    def clear(self) -> None:
        """Bury the last world, now that it has been judged.

        Raises:
            DefinitionError: something of it would not die.
        """
        last, self._now = self._now, None
        if last is not None:
            before = last.refused
            last.bury()
            if last.refused is not None and last.refused is not before:
                raise last.refused

    def complain(self, rule: str, why: str) -> None:
        """A rule is broken in the world that is being played."""
        assert self._now is not None
        self._now.breaks(rule, why)


@contextmanager
def playing(scenario: Scenario, witness: Elsewhere) -> Generator[Player]:
    """While it lasts, the fakes stand in for their steps, the real world is out of reach, and the engine logs nothing.

    `witness` is given the journals of all worlds with at most one fault.
    """
    player = Player(scenario, witness)
    log = logging.getLogger("amends")
    level, collecting = log.level, gc.isenabled()
    with ExitStack() as stack:
        stack.enter_context(scenario.staged())
        for saga in scenario.by_name.values():
            stack.enter_context(probed(saga, player.complain))
        stack.enter_context(outside.out_of_reach())
        log.setLevel(SILENCE)
        gc.disable()
        try:
            yield player
        finally:
            player.clear()
            log.setLevel(level)
            if collecting:
                gc.enable()
