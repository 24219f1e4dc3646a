"""How one world ended: what the store says of each run, and what really happened outside."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from amends.engine.papers import read_outcome
from amends.errors import Diverged
from amends.model.codec import shape_of
from amends.model.records import CLOSED
from amends.testing.explorer.deed import deeds_of
from amends.testing.explorer.scenario import RUN

if TYPE_CHECKING:
    from amends.errors import AmendsError
    from amends.model.records import Failure, Kept, State
    from amends.stores.port import Letter, Run
    from amends.testing.explorer.account import Account
    from amends.testing.explorer.deed import Deed
    from amends.testing.explorer.scenario import Scenario
    from amends.testing.explorer.tale import Tale
    from amends.testing.world import Effect


MOST_DAYS = 400
"""Days of virtual time in which a world must come to its end."""


@dataclass(frozen=True)
class Ending:
    """What a judge sees. `quiet` is False when the world never came to rest.

    `accounts` are those of the run that is explored and of all that are nested in it, by id; none when it never began.
    """

    scenario: Scenario
    accounts: dict[str, Account]
    effects: list[Effect]
    asked: frozenset[str | None]
    broken: list[tuple[str, str]]
    tale: Tale
    quiet: bool
    refused: AmendsError | None

    @property
    def account(self) -> Account | None:
        """That of the run that is explored, if it began."""
        return self.accounts.get(RUN)

    @property
    def row(self) -> Run | None:
        """The run's row; None when it never began."""
        return self.account.row if self.account else None

    @cached_property
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
        return self.account.outcome.cause if self.account else None

    @property
    def kept(self) -> tuple[Kept, ...]:
        """The effects that the run says it left in the world."""
        return self.account.outcome.kept if self.account else ()

    @property
    def letters(self) -> list[Letter]:
        """The dead letters of the run and of all that are nested in it."""
        return [letter for account in self.accounts.values() for letter in account.letters]

    @cached_property
    def deeds(self) -> dict[str, Deed]:
        """What the steps of all runs did, by their keys."""
        return deeds_of(self.accounts)

    @cached_property
    def at_an_end(self) -> bool:
        """Whether the run closed or needs a person, and it is known what its steps did."""
        known = not any(isinstance(account.replayed, Diverged) for account in self.accounts.values())
        return self.quiet and known and self.row is not None and self.state in (*CLOSED, "needs_attention")

    def standing(self, service: str | None = None, what: str | None = None) -> list[Effect]:
        """The effects in the world that are not undone, of one service and of one name if those are given."""
        return [each for each in self.effects if each.net and service in (None, each.service) and what in (None, each.what)]

    def letter_body(self, letter: Letter) -> dict[str, Any]:
        """The context of a dead letter."""
        body: dict[str, Any] = shape_of(Any).decode(letter.body)
        return body
