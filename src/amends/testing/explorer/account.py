"""What the store says of one run, once its world has come to rest."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from amends.engine import noloop
from amends.engine.papers import read_outcome
from amends.errors import Diverged
from amends.model.chunk import NAME, Chunk
from amends.model.machine import RUN, Machine
from amends.model.records import Record
from amends.model.replay import replay
from amends.model.turn import decode_turn
from amends.testing.explorer.forks import Forks
from amends.testing.explorer.wall import elsewhen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from amends.engine.papers import OutcomePaper
    from amends.model.records import State
    from amends.model.saga import Saga
    from amends.stores.port import Letter, Run, Turn


def apart(diverged: Diverged) -> str:
    """Where a replay left its journal; what an operator does about that is of no use to whoever explores."""
    return (
        f"at turn {diverged.turn} of run {diverged.run_id!r} the journal has {diverged.recorded}, and the replay of it asks "
        f"for {diverged.asked}"
    )


@dataclass(frozen=True)
class Account:
    """One run: its row, its journal, its dead letters. `sagas` are those of the scenario, by name."""

    row: Run
    turns: list[Turn]
    letters: list[Letter]
    sagas: Mapping[str, Saga[..., Any]]

    @property
    def id(self) -> str:
        """The run's id."""
        return self.row.id

    @property
    def state(self) -> State:
        """The run's state."""
        return self.row.state

    @cached_property
    def outcome(self) -> OutcomePaper:
        """What its row says for others to read."""
        return read_outcome(self.row.outcome)

    @cached_property
    def story(self) -> list[list[Record]]:
        """The journal: the records of each turn."""
        return [list[Record](decode_turn(turn.body)) for turn in self.turns]

    @cached_property
    def records(self) -> list[Record]:
        """The journal, flat."""
        return [record for turn in self.story for record in turn]

    @cached_property
    def _by_pos(self) -> dict[int, list[Record]]:
        found: dict[int, list[Record]] = defaultdict(list)
        for record in self.records:
            found[getattr(record, "pos", RUN)].append(record)
        return found

    def about(self, pos: int) -> Sequence[Record]:
        """The records about a position."""
        return self._by_pos.get(pos, ())

    @cached_property
    def forks(self) -> Forks:
        """Its joins, as the journal tells of them."""
        return Forks(self.records)

    @cached_property
    def replayed(self) -> Machine | Diverged:
        """A fresh machine to which the journal was told, or how it parted from it."""
        machine = machine_of(self.row, self.sagas)
        try:
            noloop.call(elsewhen, replay, machine, self.story)
        except Diverged as diverged:
            return diverged
        finally:
            machine.close()
        return machine


def machine_of(row: Run, sagas: Mapping[str, Saga[..., Any]]) -> Machine:
    """A fresh machine for a run of an exploration."""
    root = row.saga.removesuffix(NAME)
    saga = sagas[row.saga] if root == row.saga else Chunk(root)
    owned = row.parent is not None
    return Machine(saga, row.id, row.input, seed=row.seed, namespace="explored", sagas=sagas, owned=owned)
