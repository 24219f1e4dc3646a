"""What one step of one run did, as the run says, and what the runs around it say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from amends.errors import Diverged
from amends.model import records as r
from amends.model.child import Child
from amends.model.phase import Phase
from amends.model.records import CLOSED
from amends.testing.explorer.reading import UNDOS, is_result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from amends.model.effect import Effect
    from amends.model.join import Losers
    from amends.testing.explorer.account import Account


@dataclass(frozen=True)
class Deed:
    """A step's effect in the machine to which its run's journal was told. `owner` is the deed that the run itself is."""

    account: Account
    effect: Effect
    owner: Deed | None

    @property
    def key(self) -> str:
        """Its idempotency key."""
        return self.effect.key

    @property
    def name(self) -> str:
        """The step's name."""
        return self.effect.step.name

    @property
    def pos(self) -> int:
        """Its position in its run."""
        return self.effect.pos

    @property
    def phase(self) -> Phase:
        """Where it stands in the end."""
        return self.effect.phase

    @property
    def lost(self) -> Losers | None:
        """What is to become of it, if it has lost a join, by what the journal says."""
        return self.account.forks.lost(self.pos)

    @cached_property
    def has_result(self) -> bool:
        """Whether the journal holds a result of it."""
        return any(is_result(record) for record in self.account.about(self.pos))

    @cached_property
    def undone_after_done(self) -> bool:
        """Whether an undo was asked for after its result was known."""
        known = False
        for record in self.account.about(self.pos):
            known = known or is_result(record)
            if known and type(record) in UNDOS:
                return True
        return False

    @property
    def held_up(self) -> bool:
        """Whether it, or what is nested in it, ever waited for a person."""
        return any(isinstance(record, (r.DeadLettered, r.ChildStuck)) for record in self.account.about(self.pos))

    @cached_property
    def stands_with_its_run(self) -> bool:
        """Whether its run goes forward, and the run around that, so that what is done stays."""
        machine = self.account.replayed
        if isinstance(machine, Diverged) or machine.cause is not None:
            return False
        return self.owner is None or (self.owner.phase in _AHEAD and self.owner.stands_with_its_run)

    @cached_property
    def undone_by_owner(self) -> bool:
        """Whether a run around it is undone by an undo of its saga's own, which says what becomes of its steps."""
        owner = self.owner
        if owner is None:
            return False
        own_undo = owner.effect.step.undoing is not None and owner.phase not in _AHEAD
        return own_undo or owner.undone_by_owner

    @property
    def is_listed(self) -> bool:
        """Whether each run around it, once it is closed, says that its effect stays."""
        account = self.account
        here = account.state not in CLOSED or any(kept.pos == self.pos for kept in account.outcome.kept)
        return here and (self.owner is None or self.owner.is_listed)

    @property
    def ever_lost(self) -> bool:
        """Whether it, or a run around it, has lost a join."""
        return self.lost is not None or (self.owner is not None and self.owner.ever_lost)


_AHEAD = frozenset({Phase.RUNNING, Phase.STUCK, Phase.DONE})


def deeds_of(accounts: Mapping[str, Account]) -> dict[str, Deed]:
    """All deeds of all runs by their keys; of two under one key the one that did not fail. None of a run that diverged."""
    found: dict[str, Deed] = {}
    runs: dict[str, Deed] = {}
    for account in accounts.values():  # owners come before what is nested in them
        machine = account.replayed
        if isinstance(machine, Diverged):
            continue
        for effect in machine.effects.values():
            deed = Deed(account, effect, runs.get(account.id))
            if isinstance(effect, Child):
                runs[effect.run_id] = deed
            if effect.phase is not Phase.FAILED or effect.key not in found:
                found[effect.key] = deed
    return found
