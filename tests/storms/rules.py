"""Rules of the engine that a worker can be told to break, to show that the audit sees it."""

from __future__ import annotations

import re
import sqlite3
from typing import Any, Literal, TypeAlias

from amends.engine.runner import Runner
from amends.errors import StoreError
from amends.model.records import DeadLettered
from amends.stores import sqlite
from amends.stores.port import Change

Rule: TypeAlias = Literal["fencing", "intent first"]

LATE = 0.005
"""Seconds by which a commit comes too late."""


def switch_off(rule: Rule) -> None:
    """Break one rule in this process, for good."""
    {"fencing": _drop_the_fence, "intent first": _act_before_the_journal}[rule]()


def _drop_the_fence() -> None:
    """Appends and updates ask neither for the epoch nor for the owner; so nobody hears that a lease is lost."""

    def refusal(db: sqlite3.Connection, change: Change, worker: str) -> StoreError:
        return StoreError(f"a turn of run {change.run_id!r} does not follow the last one.")

    for name in ("_APPEND", "_UPDATE"):
        fenced = getattr(sqlite, name)
        open_ = re.sub(r"AND (epoch|owner) = (\?\d?)", r"AND (\1 = \2 OR 1)", fenced)
        assert open_.count("OR 1") == 2, f"the fence of {name} has moved"
        setattr(sqlite, name, open_)
    assert hasattr(sqlite, "_refusal")
    sqlite._refusal = refusal


def _act_before_the_journal() -> None:
    """What was decided is done first, and written a little later."""
    commit = Runner._commit

    def act_first(self: Runner, turn: list[Any], decisions: list[Any], mail: tuple[int, ...]) -> None:
        self._committing = True
        for decision in decisions:
            self._perform(decision)
        letters = [decision for decision in decisions if isinstance(decision, DeadLettered)]
        self._crew.loop.call_later(LATE, lambda: self._gone or commit(self, turn, letters, mail))

    Runner._commit = act_first  # type: ignore[method-assign]
