"""What a turn of one run does to others: the runs nested in it that it starts, and what they and their owner are told."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from amends.model import records
from amends.model.child import Child, position
from amends.model.records import NULL, Failure
from amends.model.turn import encode_fact
from amends.stores.port import Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from amends.model.machine import Machine
    from amends.model.records import Decision, Fact


def starts(row: Run, machine: Machine, decisions: Sequence[Decision], now: float, worker: str, room: int) -> tuple[Run, ...]:
    """The rows of the nested runs that are wanted; the first `room` of them are driven by this worker at once."""
    wanted = [decision for decision in decisions if isinstance(decision, records.ChildWanted)]
    return tuple(
        Run(
            each.run,
            each.saga,
            machine.effects[each.pos].args,
            blake2b(each.run.encode(), digest_size=16, key=row.seed[:64]).digest(),  # luck of its own, drawn from the owner's
            now,
            owner=worker if number < room else None,
            epoch=1 if number < room else 0,
            next_at=None if number < room else 0.0,
            parent=row.id if each.owned else None,
        )
        for number, each in enumerate(wanted)
    )


def posts(row: Run, machine: Machine, decisions: Sequence[Decision], now: float) -> tuple[tuple[str, bytes], ...]:
    """The mail of a turn to the runs nested in this one, and to the run that it is nested in."""
    return tuple((to, encode_fact(fact)) for to, fact in _posts(row, machine, decisions, now))


def stuck(row: Run, letter: str, now: float) -> tuple[tuple[str, bytes], ...]:
    """The mail to the owner of a run that cannot be driven at all."""
    if row.parent is None:
        return ()
    return ((row.parent, encode_fact(records.ChildStuck(now, position(row.id), (letter,), back=True))),)


def _posts(row: Run, machine: Machine, decisions: Sequence[Decision], now: float) -> Iterator[tuple[str, Fact]]:
    for decision in decisions:
        match decision:
            case records.ChildUndoWanted(pos=pos):
                yield _child(machine, pos), records.Unwound(now, row.id, str(machine.cause or "its branch has lost"))
            case records.StopWanted(pos=pos) if isinstance(machine.effects[pos], Child):
                yield _child(machine, pos), records.Cancelled(now, row.id, "its branch has lost")
            case _ if row.parent is not None:
                fact = _to_owner(decision, machine, position(row.id), now)
                if fact is not None:
                    yield row.parent, fact
            case _:
                pass


def _to_owner(decision: Decision, machine: Machine, pos: int, now: float) -> Fact | None:
    match decision:
        case records.Held(result=result, kept=kept):
            return records.ChildDone(now, pos, result, kept)
        case records.Stuck(letters=letters, back=back):
            return records.ChildStuck(now, pos, letters, back)
        case records.Ended(state=state, kept=kept) if state != "completed":
            return records.ChildClosed(now, pos, state, machine.cause or Failure("Unknown", "", data=NULL), kept)
        case _:
            return None


def _child(machine: Machine, pos: int) -> str:
    child = machine.effects[pos]
    assert isinstance(child, Child)
    return child.run_id
