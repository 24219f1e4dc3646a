"""The rules about nested runs: what a run and the runs nested in it say of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.model import records as r
from amends.model.records import CLOSED
from amends.testing.explorer.breach import OURS, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from amends.model.records import Record
    from amends.testing.explorer.account import Account
    from amends.testing.explorer.ending import Ending


def _family_closes(ending: Ending) -> Iterator[str]:
    for account in ending.accounts.values():
        owner = _owner(account, ending.accounts)
        if owner is not None and owner.state in CLOSED and account.state not in CLOSED:
            yield f"run {owner.id} is {owner.state}, and {account.id}, which is nested in it, is {account.state}"
        if owner is not None and owner.state in CLOSED and "abandoned" == account.state != owner.state:
            yield f"run {owner.id} is {owner.state}, and a part of it was abandoned in {account.id}"
        if account.state in CLOSED:
            said = _last_word(account)
            if said != account.state:
                yield f"run {account.id} is {account.state}, and its journal ends with {said}"


def _owner(account: Account, accounts: Mapping[str, Account]) -> Account | None:
    return None if account.row.parent is None else accounts[account.row.parent]


def _last_word(account: Account) -> str:
    """How a run is closed by its own journal: one that has its value is completed by its owner."""
    for record in reversed(account.records):
        if isinstance(record, r.Ended):
            return record.state
        if isinstance(record, (r.RollbackBegan, r.Unwound)):
            break
        if isinstance(record, r.Held):
            return "completed"
    return "nothing of the kind"


def _family_agrees(ending: Ending) -> Iterator[str]:
    for owner in ending.accounts.values():
        runs: dict[int, str] = {}
        for record in owner.records:
            if isinstance(record, r.ChildWanted):
                runs[record.pos] = record.run
                nested = ending.accounts.get(record.run)
                if nested is None or nested.row.saga != record.saga:
                    yield f"run {owner.id} has begun {record.run}, and there is no such run of {record.saga}"
            elif isinstance(record, (r.ChildDone, r.ChildClosed)):
                nested = ending.accounts.get(runs[record.pos])
                if nested is None or not any(_says(record, word) for word in nested.records):
                    yield f"run {owner.id} was told something by {runs[record.pos]} that this has not in its journal"


def _says(fact: r.ChildDone | r.ChildClosed, word: Record) -> bool:
    """Whether a record of a nested run is what its owner was told."""
    if isinstance(fact, r.ChildDone):
        return isinstance(word, r.Held) and (word.result, word.kept) == (fact.result, fact.kept)
    return isinstance(word, r.Ended) and (word.state, word.kept) == (fact.state, fact.kept)


RULES: tuple[Rule, ...] = (
    Rule(
        "family_closes",
        "A run closes with all that is nested in it, and each of them as its own journal says.",
        OURS,
        _family_closes,
    ),
    Rule("family_agrees", "What a run was told of a nested run is what that run has in its journal.", OURS, _family_agrees),
)
