"""How one world ended: the run, its journal, its dead letters, and what really happened outside."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from amends.engine import noloop
from amends.engine.papers import read_outcome
from amends.errors import AmendsError, Diverged
from amends.model.codec import shape_of
from amends.model.machine import Machine
from amends.model.records import Record
from amends.model.replay import replay
from amends.model.turn import decode_turn

if TYPE_CHECKING:
    from amends.model.records import Failure, Kept, State
    from amends.stores.port import Letter, Run, Turn
    from amends.testing.explorer.scenario import Scenario
    from amends.testing.explorer.tale import Event
    from amends.testing.world import Effect


@dataclass(frozen=True)
class Ending:
    """What a judge sees. `quiet` is False when the world never came to rest; `row` is None when the run never began."""

    scenario: Scenario
    row: Run | None
    turns: list[Turn]
    letters: list[Letter]
    effects: list[Effect]
    asked: frozenset[str | None]
    broken: list[tuple[str, str]]
    events: list[Event]
    quiet: bool
    refused: AmendsError | None

    @property
    def state(self) -> State:
        """The run's state; `running` when it never began."""
        return self.row.state if self.row else "running"

    @cached_property
    def value(self) -> Any:
        """What the saga returned, if it completed; else None."""
        if self.row is None or self.row.state != "completed":
            return None
        return self.scenario.saga.signature.result.decode(read_outcome(self.row.outcome).result)

    @property
    def cause(self) -> Failure | None:
        """Why it was rolled back, if it was."""
        return read_outcome(self.row.outcome).cause if self.row else None

    @property
    def kept(self) -> tuple[Kept, ...]:
        """The effects that the run says it left in the world."""
        return read_outcome(self.row.outcome).kept if self.row else ()

    def standing(self, service: str | None = None, what: str | None = None) -> list[Effect]:
        """The effects in the world that are not undone, of one service and of one name if those are given."""
        return [each for each in self.effects if each.net and service in (None, each.service) and what in (None, each.what)]

    @cached_property
    def story(self) -> list[list[Record]]:
        """The journal: the records of each turn."""
        return [list[Record](decode_turn(turn.body)) for turn in self.turns]

    @cached_property
    def records(self) -> list[Record]:
        """The journal, flat."""
        return [record for turn in self.story for record in turn]

    @cached_property
    def replayed(self) -> Machine | Diverged:
        """A fresh machine to which the journal was told, or how it parted from it."""
        assert self.row is not None
        saga = self.scenario.saga
        machine = Machine(saga, self.row.id, self.row.input, seed=self.row.seed, namespace="explored")
        try:
            noloop.call(replay, machine, self.story)
        except Diverged as diverged:
            return diverged
        finally:
            machine.close()
        return machine

    def letter_body(self, letter: Letter) -> dict[str, Any]:
        """The context of a dead letter."""
        body: dict[str, Any] = shape_of(Any).decode(letter.body)
        return body
