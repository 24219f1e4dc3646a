"""The rules about joins: how they are decided, and what becomes of those that lose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.model import records as r
from amends.model.phase import Phase
from amends.testing.explorer.breach import OURS, Rule, seen
from amends.testing.explorer.reading import is_result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amends.testing.explorer.account import Account
    from amends.testing.explorer.ending import Ending

SUCCESSES = frozenset({"all_of", "any_of", "quorum", "vote"})
"""The joins that only a success can win."""


def _decided_first(ending: Ending) -> Iterator[str]:
    yield from seen("decided_first")(ending)
    for account in ending.accounts.values():
        yield from _premature(account)


def _premature(account: Account) -> Iterator[str]:
    forks, decided, done, back = account.forks, set[int](), set[int](), False
    for record in account.records:
        if isinstance(record, r.JoinDecided):
            if record.pos in decided:
                yield f"the join at {record.pos} was decided twice"
            decided.add(record.pos)
        elif isinstance(record, r.StepDone):
            done.add(record.pos)
        elif isinstance(record, r.RollbackBegan):
            back = True
        elif isinstance(record, (r.StopWanted, r.ChildUndoWanted, r.UndoWanted)) and not back:
            settles_a_doubt = isinstance(record, r.UndoWanted) and record.pos not in done
            if not settles_a_doubt and forks.lost(record.pos, decided) is None:
                yield f"{type(record).__name__} for the branch at {record.pos} came before it had lost anything"


def _decided_rightly(ending: Ending) -> Iterator[str]:
    for account in ending.accounts.values():
        if not account.forks.decided:
            continue
        wanted, ok = dict[int, r.JoinWanted](), set[int]()
        called: set[int] = set()
        for record in account.records:
            if isinstance(record, r.JoinWanted):
                wanted[record.pos] = record
                called.add(record.pos)
            elif isinstance(record, (r.StepWanted, r.ChildWanted)):
                called.add(record.pos)
            elif is_result(record):
                ok.add(record.pos)  # type: ignore[attr-defined]
            elif isinstance(record, r.JoinDecided):
                yield from _wrong(wanted[record.pos], record, called - ok)
                if record.met:
                    ok.add(record.pos)


def _wrong(join: r.JoinWanted, decided: r.JoinDecided, failed: set[int]) -> Iterator[str]:
    """`failed` are the positions that are known to have no value."""
    what = f"{join.verb} at {join.pos}"
    arrived, won = set(decided.arrival), set(decided.winners)
    if not won <= arrived or len(arrived) != len(decided.arrival):
        yield f"{what} counts a branch that has not ended, or one twice"
    if join.verb == "race" and len(arrived) != 1:
        yield f"{what} was not decided by the branch that ended first"
    if decided.met and (len(won - failed) < join.need or (join.verb in SUCCESSES and won & failed)):
        yield f"{what} needs {join.need} successes, and was met by {len(won - failed)}"
    hopeless = len(join.branches) - len(arrived & failed) < join.need
    if not decided.met and join.verb in SUCCESSES - {"vote"} and not hopeless:
        yield f"{what} needs {join.need} successes, and was given up while {len(join.branches)} branches might give them"


def _losers_undone(ending: Ending) -> Iterator[str]:
    if ending.at_an_end:
        for deed in ending.deeds.values():
            if deed.lost == "undo" and deed.phase in (Phase.DONE, Phase.LEFT):
                yield f"step {deed.name} at {deed.pos} of {deed.account.id} has lost its join, and is {deed.phase.value}"


RULES: tuple[Rule, ...] = (
    Rule("decided_first", "A join is decided once, and before a branch is stopped or undone for it.", OURS, _decided_first),
    Rule("decided_rightly", "A join is decided by what its branches came to, and by its own rule.", OURS, _decided_rightly),
    Rule("losers_undone", "A branch that lost its join is undone, unless the join keeps it.", OURS, _losers_undone),
)
