"""A small driver that feeds a machine by hand, keeps its journal, and can bring it back from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from amends.model import records as r
from amends.model.machine import Machine
from amends.model.records import Decision, Fact, Record
from amends.model.replay import replay
from amends.model.turn import decode_turn, encode_turn


class World:
    """One run; `tell` returns what the machine decided, `crash` replays the journal into a new machine."""

    def __init__(self, call: Any, run_id: str = "run-1", *, sagas: Iterable[Any] = (), owned: bool = False) -> None:
        self.options: dict[str, Any] = {"sagas": {each.name: each for each in sagas}, "owned": owned}
        self.saga = call.target
        self.args = call.target.signature.store(call.args, call.kwargs)[0]
        self.run_id = run_id
        self.turns: list[list[Record]] = []
        self.now = 1_000.0
        self.machine = self._fresh()

    def _fresh(self) -> Machine:
        return Machine(self.saga, self.run_id, self.args, seed=b"seed", namespace="test", **self.options)

    def tell(self, fact: Fact) -> list[Decision]:
        decided = self.machine.receive(fact)
        self.turns.append([fact, *decided])
        return decided

    def start(self) -> list[Decision]:
        return self.tell(r.Started(self.now))

    def done(self, pos: int, result: Any, attempt: int = 1) -> list[Decision]:
        return self.tell(r.StepDone(self.now, pos, attempt, r.Raw(msgspec.json.encode(result))))

    def broke(
        self, pos: int, outcome: r.Outcome = "failed", *, again: bool = False, attempt: int = 1, type: str = "Declined"
    ) -> list[Decision]:
        return self.tell(r.StepBroke(self.now, pos, attempt, r.Failure(type, "no"), outcome, again))

    def undone(self, pos: int, attempt: int = 1) -> list[Decision]:
        return self.tell(r.UndoDone(self.now, pos, attempt))

    def undo_broke(self, pos: int, attempt: int = 1, *, again: bool = True) -> list[Decision]:
        return self.tell(r.UndoBroke(self.now, pos, attempt, r.Failure("Down", "try later"), again))

    def time_up(self, pos: int) -> list[Decision]:
        self.now = max(self.now, self.machine.timers[pos])
        return self.tell(r.TimeUp(self.now, pos))

    def crash(self, *, orderly: bool = False) -> list[Decision]:
        """Replay into a fresh machine, through the bytes of the journal, and recover what was in flight."""
        self.machine.close()
        self.machine = self._fresh()
        replay(self.machine, [list(decode_turn(encode_turn(turn))) for turn in self.turns])
        return self.tell(r.Recovered(self.now, "next", orderly)) if self.machine.effects.in_flight() else []
