"""A run seen from outside: how it stands, and how it ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from amends.engine.papers import read_outcome
from amends.errors import Compensated, NeedsAttention, UnknownRun
from amends.model.codec import shape_of
from amends.model.records import CLOSED, Failure, Kept, State

if TYPE_CHECKING:
    from amends.engine.crew import Crew, Seen
    from amends.stores.port import Run

R_co = TypeVar("R_co", covariant=True)

LOOK_FIRST, LOOK_MOST = 0.02, 0.25
"""Seconds between looks at a run that another process drives: at first, and at most."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R_co]):
    """How a run ended, or why it needs a person. `value` is the saga's, when it completed."""

    run_id: str
    state: State
    value: R_co | None
    cause: Failure | None
    kept: tuple[Kept, ...]
    letters: tuple[str, ...]


class Handle(Generic[R_co]):
    """A run by its id, driven here or anywhere."""

    def __init__(self, crew: Crew, run_id: str) -> None:
        self.id = run_id
        self._crew = crew
        self._cause: BaseException | None = None
        self._saga = ""

    def __repr__(self) -> str:
        return f"<run {self.id}>"

    async def status(self) -> State:
        """The run's state now.

        Raises:
            UnknownRun: there is no such run.
        """
        return (await self._row()).state

    async def outcome(self) -> Outcome[R_co]:
        """Wait until the run is closed or needs a person, and say how it stands; never raises for how it ended.

        Raises:
            UnknownRun: there is no such run.
        """
        pause = LOOK_FIRST
        while True:
            if self.id in self._crew.runners:
                seen = await self._watch()
                if seen is not None:
                    self._cause = seen.cause
                    return self._read(self._saga, seen.state, seen.outcome)
            row = await self._row()
            if row.state in CLOSED or row.state == "needs_attention":
                return self._read(row.saga, row.state, row.outcome)
            await asyncio.sleep(pause)
            pause = min(LOOK_MOST, pause * 2)

    async def _watch(self) -> Seen | None:
        """Wait for a run that is driven here; None when that may have changed."""
        watch = self._crew.watch(self.id)
        self._saga = self._crew.runners[self.id].row.saga
        done, _ = await asyncio.wait([watch], timeout=LOOK_MOST)
        return watch.result() if done else None

    async def result(self) -> R_co:
        """Wait for the end, and return the saga's value.

        Raises:
            Compensated: the run was rolled back, or a named person abandoned what was left; `kept` lists what stayed.
            NeedsAttention: a person has to decide.
            UnknownRun: there is no such run.
        """
        outcome = await self.outcome()
        if outcome.state == "completed":
            return outcome.value  # type: ignore[return-value]
        if outcome.state == "needs_attention":
            raise NeedsAttention(self.id, outcome.letters, outcome.cause) from self._cause
        raise Compensated(self.id, outcome.cause or "an abandoned effect", outcome.kept) from self._cause

    async def _row(self) -> Run:
        row = await self._crew.store.run(self.id)
        if row is None:
            raise UnknownRun(f"there is no run {self.id!r} in this store. `amends ps` lists those that are there.")
        return row

    def _read(self, saga_name: str, state: State, outcome: bytes | None) -> Outcome[R_co]:
        paper = read_outcome(outcome)
        saga = self._crew.sagas.get(saga_name)
        shape = shape_of(Any) if saga is None else saga.signature.result
        value = shape.decode(paper.result) if state == "completed" else None
        return Outcome(self.id, state, value, paper.cause, paper.kept, paper.letters)
