"""The rules about the way back: what turns a run back, what it does from then on, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.model import records as r
from amends.model.machine import RUN
from amends.model.phase import Phase
from amends.testing.explorer.breach import OURS, Rule
from amends.testing.explorer.reading import BREAKS, CALLS, SETTLES, UNDOS, is_result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amends.model.records import Record
    from amends.testing.explorer.account import Account
    from amends.testing.explorer.deed import Deed
    from amends.testing.explorer.ending import Ending
    from amends.testing.world import Effect

FORWARD = frozenset(
    {r.StepWanted, r.RetryWanted, r.ChildWanted, r.JoinWanted, r.JoinDecided, r.ReceiveWanted, r.Returned, r.Held}
)
MADE = (r.StepWanted, r.RetryWanted, r.CheckWanted, r.UndoWanted)
"""A call is to be made, once this is durable."""
OVER = frozenset({r.Returned, r.Held, r.Ended})
"""The body is over."""


def _turns_back(ending: Ending) -> Iterator[str]:
    for account in ending.accounts.values():
        yield from _way_back(account.records)


def _way_back(records: list[Record]) -> Iterator[str]:
    over = back = False
    for index, record in enumerate(records):
        kind = type(record)
        if kind is r.RollbackBegan:
            if back:
                yield "the run turned back twice"
            back = True
        elif kind in OVER:
            over = True
        elif back and kind in FORWARD:
            yield f"{kind.__name__} came when the run was on its way back"
        if not back and _demands(record, over) and not isinstance(_next(records, index), r.RollbackBegan):
            yield f"{type(record).__name__} is in the journal, and the run goes on as if it were not"


def _demands(record: Record, over: bool) -> bool:
    """Whether a record turns back a run that is not on its way back yet; `over` says that its body is."""
    if isinstance(record, r.Unwound):
        return True
    return not over and (isinstance(record, r.Cancelled) or (isinstance(record, r.TimeUp) and record.pos == RUN))


def _next(records: list[Record], index: int) -> Record | None:
    return records[index + 1] if index + 1 < len(records) else None


def _undo_order(ending: Ending) -> Iterator[str]:
    for account in ending.accounts.values():
        yield from _by_journal(account)
    yield from _by_world(ending)


def _by_journal(account: Account) -> Iterator[str]:
    """On its way back, a run begins to undo something only once all that came later is undone, or at rest."""
    forks, walk = account.forks, _Walk(account.records)
    for record in account.records:
        if walk.back and walk.begins(record) and forks.lost(record.pos) is None:  # type: ignore[attr-defined]
            pos: int = record.pos  # type: ignore[attr-defined]
            later = [each for each in walk.open if forks.stage(each) > forks.stage(pos)]
            if later:
                where = f"step at {pos} of {account.id}"
                yield f"the {where} was undone before the one at {max(later)}, which came after it"
        walk.take_in(record)


class _Walk:
    """Goes through a journal; `open` are the positions where something is under way, or done and still to be undone."""

    def __init__(self, records: list[Record]) -> None:
        self.back = False
        self._to_undo = {each.pos for each in records if type(each) in UNDOS}  # type: ignore[attr-defined]
        self._busy: set[int] = set()
        self._done: set[int] = set()

    @property
    def open(self) -> set[int]:
        return self._busy | self._done

    def begins(self, record: Record) -> bool:
        return isinstance(record, r.ChildUndoWanted) or (isinstance(record, r.UndoWanted) and record.attempt == 1)

    def take_in(self, record: Record) -> None:
        kind, pos = type(record), getattr(record, "pos", RUN)
        if kind in CALLS:
            self._busy.add(pos)
        elif is_result(record):
            self._busy.discard(pos)
            self._done |= {pos} & self._to_undo
        elif kind in SETTLES:
            self._busy.discard(pos)
            self._done.discard(pos)
        elif kind in BREAKS:
            self._busy.discard(pos)
        elif kind is r.RollbackBegan:
            self.back = True
        elif kind is r.Recovered:
            self._busy.clear()


def _by_world(ending: Ending) -> Iterator[str]:
    """The same over all runs, by what really happened outside: of two effects that stood at once, the later goes first."""
    undone = [(effect, deed) for effect in ending.effects if (deed := _plainly_undone(effect, ending)) is not None]
    undone.sort(key=lambda pair: pair[0].undone_at)
    for index, (first, of_first) in enumerate(undone):
        for second, of_second in undone[index + 1 :]:
            if second.done_at < first.undone_at and _comes_before(of_first, of_second):
                yield f"{first} by step {first.step} before {second}, which was done after it"


def _plainly_undone(effect: Effect, ending: Ending) -> Deed | None:
    """The deed of an effect that was undone as the rollback came to it: no loser, no doubt, and no letter held it up."""
    deed = ending.deeds.get(effect.behalf or "")
    if deed is None or deed.phase is not Phase.UNDONE or effect.net or effect.late or deed.ever_lost or not deed.has_result:
        return None
    around: Deed | None = deed
    while around is not None:
        if around.held_up:
            return None
        around = around.owner
    return deed


def _comes_before(one: Deed, other: Deed) -> bool:
    """Whether one was called and done with before the other was called, in the run that both are part of."""
    for (stage, pos), (other_stage, other_pos) in zip(_path(one), _path(other), strict=False):
        if stage != other_stage:
            return stage < other_stage
        if pos != other_pos:
            return False  # branches of one join
    return False


def _path(deed: Deed) -> tuple[tuple[int, int], ...]:
    """Where a deed is from the root on: at each level, its stage and its position."""
    around = () if deed.owner is None else _path(deed.owner)
    return (*around, (deed.account.forks.stage(deed.pos), deed.pos))


def _one_outcome(ending: Ending) -> Iterator[str]:
    for account in ending.accounts.values():
        done: set[int] = set()
        ended = False
        for record in account.records:
            if ended and not isinstance(record, (r.Told, r.Cancelled)):
                yield f"{type(record).__name__} was journaled after the end of {account.id}"
            ended = ended or isinstance(record, r.Ended)
            if is_result(record):
                pos: int = record.pos  # type: ignore[attr-defined]
                if pos in done:
                    yield f"the step at {pos} of {account.id} has two results"
                done.add(pos)


def _one_call(ending: Ending) -> Iterator[str]:
    for account in ending.accounts.values():
        for number, turn in enumerate(account.story, 1):
            wanted = [record.pos for record in turn if isinstance(record, MADE)]
            if len(wanted) != len(set(wanted)):
                twice = next(pos for pos in wanted if wanted.count(pos) > 1)
                yield f"turn {number} of {account.id} asks for the call at {twice} twice, and both are made at once"


RULES: tuple[Rule, ...] = (
    Rule("undo_order", "What was done last is undone first.", OURS, _undo_order),
    Rule("one_call", "A call is made once at a time: no turn asks for it twice.", OURS, _one_call),
    Rule("one_outcome", "A step has at most one result, and a run one end.", OURS, _one_outcome),
    Rule(
        "turns_back",
        "A cancel or a deadline turns a run back, unless its body is over; then nothing is called but undos and checks.",
        OURS,
        _turns_back,
    ),
)
