"""Rules of the engine that a worker can be told to break, to show that the audit sees it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import Literal, TypeAlias

from amends.engine.runner import Runner
from amends.errors import StoreError
from amends.model import effects
from amends.model.effect import Effect
from amends.model.effects import Effects
from amends.model.join import Losers
from amends.model.records import DeadLettered, Decision, JoinDecided, Record, StopWanted, UndoWanted
from amends.stores import pen
from amends.stores.pen import Pen
from amends.stores.port import Change

Rule: TypeAlias = Literal["fencing", "intent first", "decision first", "losers undone", "reverse order"]

LATE = 0.005
"""Seconds by which a commit comes too late."""


def switch_off(rule: Rule) -> None:
    """Break one rule in this process, for good."""
    {
        "fencing": _drop_the_fence,
        "intent first": _act_before_the_journal,
        "decision first": _touch_losers_before_the_journal,
        "losers undone": _keep_losers,
        "reverse order": _undo_in_the_order_of_the_saga,
    }[rule]()


def _drop_the_fence() -> None:
    """Appends and updates ask neither for the epoch nor for the owner; so nobody hears that a lease is lost."""

    def refusal(_: Pen, db: sqlite3.Connection, change: Change) -> StoreError:
        return StoreError(f"a turn of run {change.run_id!r} does not follow the last one.")

    for name in ("_APPEND", "_UPDATE"):
        fenced = getattr(pen, name)
        open_ = re.sub(r"AND ((?:runs\.)?(?:epoch|owner)) = (\?|:\w+|new\.column2)", r"AND (\1 = \2 OR 1)", fenced)
        assert open_.count("OR 1") == 2, f"the fence of {name} has moved"
        setattr(pen, name, open_)
    assert hasattr(Pen, "_refusal")
    Pen._refusal = refusal  # type: ignore[method-assign]


def _act_before_the_journal() -> None:
    """What was decided is done first, and written a little later."""
    _hasten(lambda decisions: [decision for decision in decisions if not isinstance(decision, DeadLettered)])


def _touch_losers_before_the_journal() -> None:
    """The losers of a join are interrupted and undone first, and the decision is written a little later."""

    def hasty(decisions: list[Decision]) -> list[Decision]:
        decided = any(isinstance(decision, JoinDecided) for decision in decisions)
        return [decision for decision in decisions if decided and isinstance(decision, (StopWanted, UndoWanted))]

    _hasten(hasty)


def _hasten(hasty: Callable[[list[Decision]], list[Decision]]) -> None:
    commit = Runner._commit

    def act_first(self: Runner, turn: list[Record], decisions: list[Decision], mail: tuple[int, ...]) -> None:
        at_once = hasty(decisions)
        self._committing = True
        for decision in at_once:
            self._perform(decision)
        rest = [decision for decision in decisions if decision not in at_once]
        self._crew.loop.call_later(LATE, lambda: self._gone or commit(self, turn, rest, mail))

    Runner._commit = act_first  # type: ignore[method-assign]


def _keep_losers() -> None:
    """What lost a join goes on, and stays."""
    lose = Effects.lose

    def keep(self: Effects, effect: Effect, losers: Losers) -> None:
        lose(self, effect, "keep")

    Effects.lose = keep  # type: ignore[method-assign]


def _undo_in_the_order_of_the_saga() -> None:
    """What was done first is undone first."""

    def backwards(effect: Effect) -> int:
        return -effect.stage

    assert hasattr(effects, "_stage")
    effects._stage = backwards
