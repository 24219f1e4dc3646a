"""A run seen from outside: how it stands, and how it ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from amends.engine.crew import TOLD
from amends.engine.deadletters import DeadLetters
from amends.engine.papers import OutcomePaper, read_outcome
from amends.errors import Compensated, NeedsAttention, UnknownRun
from amends.model.codec import shape_of
from amends.model.records import Failure, Kept, State

if TYPE_CHECKING:
    from amends.engine.crew import Crew
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

        A run on whose dead letters somebody has acted goes on, as soon as a worker takes it up: that is waited for.

        Raises:
            UnknownRun: there is no such run.
        """
        saga, state, paper = await self._wait(for_value=False)
        value = self._value(saga, paper) if state == "completed" else None
        return Outcome(self.id, state, value, paper.cause, paper.kept, paper.letters)

    async def _wait(self, *, for_value: bool) -> tuple[str, State, OutcomePaper]:
        """The run's saga, state and outcome, once it is closed or needs a person, or has its value if that is enough."""
        pause = LOOK_FIRST
        while True:
            runner = self._crew.runners.get(self.id)
            if runner is not None and runner.state not in TOLD and not (for_value and runner.returned):
                seen = await self._crew.watch(self.id)
                if seen is not None and (found := _there(seen.state, seen.outcome, for_value)):
                    self._cause = seen.cause
                    return runner.row.saga, seen.state, found
            row = await self._row()
            if (found := _there(row.state, row.outcome, for_value)) and not await self._goes_on(row.state, found):
                return row.saga, row.state, found
            await asyncio.sleep(pause)
            pause = min(LOOK_MOST, pause * 2)

    async def _goes_on(self, state: State, paper: OutcomePaper) -> bool:
        """Whether a person has acted on all that the run needed one for, so that more is to come."""
        if state != "needs_attention" or not paper.letters:
            return False
        for letter in paper.letters:
            if not (await DeadLetters(self._crew).show(letter)).acted:
                return False
        return True

    async def result(self) -> R_co:
        """Wait for the saga's value, and return it: as soon as it is durable, though the run closes only when what its
        losers do is at an end (which `outcome` waits for).

        Raises:
            Compensated: the run was rolled back; `kept` lists what stayed.
            NeedsAttention: a person has to decide before there is a value.
            UnknownRun: there is no such run.
        """
        saga, state, paper = await self._wait(for_value=True)
        if paper.returned or state == "completed":
            return self._value(saga, paper)
        if state == "needs_attention":
            raise NeedsAttention(self.id, paper.letters, paper.cause) from self._cause
        raise Compensated(self.id, paper.cause or "an abandoned effect", paper.kept) from self._cause

    async def _row(self) -> Run:
        row = await self._crew.store.run(self.id)
        if row is None:
            raise UnknownRun(f"there is no run {self.id!r} in this store. `amends ps` lists those that are there.")
        return row

    def _value(self, saga_name: str, paper: OutcomePaper) -> R_co:
        saga = self._crew.sagas.get(saga_name)
        value: R_co = (shape_of(Any) if saga is None else saga.signature.result).decode(paper.result)
        return value


def _there(state: State, outcome: bytes | None, for_value: bool) -> OutcomePaper | None:
    """What is written about a run, if that is what somebody waits for."""
    paper = read_outcome(outcome)
    over = state in TOLD or (for_value and paper.returned)
    return paper if over else None
