"""Recovery: feed the recorded facts to a fresh machine, and demand the recorded decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from amends.errors import Diverged, IllegalFact
from amends.model.records import Fact, RollbackBegan, Unreadable
from amends.model.turn import encode_turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from amends.model.machine import Machine
    from amends.model.records import Decision, Record

SHOWN = 300


def replay(machine: Machine, turns: Iterable[Sequence[Record]]) -> None:
    """Bring a fresh machine to where its journal ends.

    Args:
        machine: to which nothing has been told yet.
        turns: the records of each turn, in order.

    Raises:
        Diverged: the code asks for something else than what is recorded.
    """
    for number, turn in enumerate(turns, start=1):
        index = 0
        while index < len(turn):
            fact = turn[index]
            assert isinstance(fact, Fact), "a turn begins with a fact"
            end = index + 1
            while end < len(turn) and not isinstance(turn[end], Fact):
                end += 1
            _tell(machine, fact, list(turn[index + 1 : end]), number)
            index = end


def _tell(machine: Machine, fact: Fact, recorded: list[Record], number: int) -> None:
    try:
        asked = machine.receive(fact, recorded)
    except IllegalFact as illegal:
        raise Diverged(machine.run_id, number, _shown(fact), f"something else ({illegal})") from illegal
    _demand(machine, number, recorded, asked)
    for decision in recorded:
        if isinstance(decision, RollbackBegan):
            machine.cause = decision.cause  # as it was told then: a traceback reads differently in edited code


def _demand(machine: Machine, number: int, recorded: list[Record], asked: list[Decision]) -> None:
    for index in range(max(len(recorded), len(asked))):
        was = recorded[index] if index < len(recorded) else None
        now = asked[index] if index < len(asked) else None
        if was is None or now is None or not _same(was, now):
            raise Diverged(machine.run_id, number, _shown(was, now), _shown(now, was))


def _same(was: Record, now: Record) -> bool:
    if isinstance(was, RollbackBegan) and isinstance(now, RollbackBegan):
        return was.why == now.why and was.cause.type == now.cause.type
    if isinstance(was, Unreadable) and isinstance(now, Unreadable):
        return (was.pos, was.number) == (now.pos, now.number)
    return type(was) is type(now) and (was == now or encode_turn([was]) == encode_turn([now]))


def _shown(record: Record | None, other: Record | None = None) -> str:
    """A record without what says nothing to a reader: its time, and a key that differs because something else does."""
    if record is None:
        return "nothing more"
    fields = [name for name in record.__struct_fields__ if name not in ("at", "key")]
    if type(record) is type(other) and all(getattr(record, name) == getattr(other, name) for name in fields):
        fields = [name for name in record.__struct_fields__ if name != "at"]
    parts = [f"{name}={_plain(getattr(record, name))}" for name in fields]
    text = f"{type(record).__name__}({', '.join(parts)})"
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _plain(value: Any) -> str:
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else repr(value)
