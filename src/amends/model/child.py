"""The life of a run that a saga calls, as the caller sees it: one effect, undone as a whole, or the start of another run.

A nested run has a journal of its own and is driven like any other. It tells its owner when it has its value, when it was
rolled back, and when it needs a person; the owner tells it when to go back. When the owner closes, so does it. A detached run
has no owner, and nobody tells anybody anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amends.model.effect import TRANSITIONS, Effect, Moves, Retreat
from amends.model.phase import Phase
from amends.model.records import (
    NULL,
    ChildClosed,
    ChildDone,
    ChildStuck,
    ChildUndoWanted,
    ChildWanted,
    Decision,
    Kept,
    Raw,
    StopWanted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amends.model.letters import Letters
    from amends.model.saga import Detached, Saga

APART = "//"
"""What stands between a run's id and the position of a run nested in it: `order-17//3`."""

MOST_DEPTH = 16
"""How deep runs may be nested. A run that is started on its own counts as one nested in the run that starts it."""


def child_id(run_id: str, pos: int) -> str:
    """The id of the run that is nested at a position."""
    return f"{run_id}{APART}{pos}"


def position(run_id: str) -> int:
    """The position of a nested run in the run that it belongs to."""
    return int(run_id.rpartition(APART)[2])


class Child(Effect):
    """What a nested run does to the world, taken as one.

    It is taken back by its own undo, if its saga has one and it has its value, which leaves the nested run as it is; and else
    by rolling back the nested run.
    """

    def __init__(
        self, pos: int, stage: int, saga: Saga[..., Any], key: str, args: bytes, letters: Letters, run_id: str
    ) -> None:
        super().__init__(pos, stage, saga, key, args, letters)
        self.run_id = run_id
        self.phase = Phase.RUNNING
        self.shown = args  # what the journal says of its input: of a chunk of a fan-out, only its fingerprint
        self._unwinding = False
        self._left: tuple[Kept, ...] = ()

    def wanted(self) -> Decision:
        """The decision that starts it."""
        return ChildWanted(self.pos, self.step.name, self.run_id, Raw(self.shown), owned=True)

    def kept(self) -> tuple[Kept, ...]:
        """What it left in the world, each thing by the name of its step."""
        if self._left and (self.phase is not Phase.UNDONE or self._unwinding):
            return tuple(Kept(self.pos, f"{self.step.name}/{kept.step}", kept.why) for kept in self._left)
        return super().kept()

    def turn_back(self, retreat: Retreat = "undo") -> Iterator[Decision]:
        """It goes no further: the nested run is told to roll back, or only cancelled, which changes nothing if it is done."""
        if self.phase not in (Phase.RUNNING, Phase.STUCK) or self._unwinding:
            return
        if retreat == "undo":
            yield from self._unwind()
        else:
            yield StopWanted(self.pos)

    def take_back(self) -> Iterator[Decision]:
        """Undo it: by its own undo, if one is declared, or by rolling back the nested run."""
        if self.phase is Phase.STUCK and not self._unwinding:
            return self._unwind()
        return super().take_back()

    def undo(self) -> Iterator[Decision]:
        """Undo what was done: by the saga's own undo, if it has one, or by rolling back the nested run."""
        return self._unwind() if self.step.undoing is None else super().undo()

    def _unwind(self) -> Iterator[Decision]:
        self.phase, self._unwinding, self.stuck = Phase.UNWINDING, True, ()
        yield ChildUndoWanted(self.pos)

    def _moves(self) -> Moves:
        return CHILD_TRANSITIONS

    def _has_value(self, fact: ChildDone) -> Iterator[Decision]:
        """It has its value; if it was told to go back before it could say so, it goes back all the same."""
        self.stuck, self._left = (), fact.kept
        if self._unwinding:
            self.phase = Phase.UNWINDING
        else:
            self.phase, self.result = Phase.DONE, fact.result
        return iter(())

    def forget(self) -> None:
        """Its owner has heard how it ended: the items of a chunk, and what came of them, are kept in its own journal only."""
        if self.shown is not self.args:
            self.args = self.shown = b"null"
            self.result = NULL

    def _closed(self, fact: ChildClosed) -> Iterator[Decision]:
        self.stuck, self._left, self.error = (), fact.kept, fact.cause
        if fact.state == "abandoned":
            self.phase, self.why_kept = Phase.ABANDONED, "in its nested run"
        else:
            self.phase = Phase.UNDONE if self._unwinding else Phase.FAILED
        return iter(())

    def _needs_a_person(self, fact: ChildStuck) -> Iterator[Decision]:
        if self._unwinding and not fact.back:
            return iter(())  # it has not heard yet that it is taken back; what it needs then it says then
        self.stuck = fact.letters
        self.phase = Phase.STUCK if fact.letters else Phase.UNWINDING if self._unwinding else Phase.RUNNING
        return iter(())


class Launch(Effect):
    """The start of a detached run: done as soon as it is wanted, and not to be undone."""

    def __init__(
        self, pos: int, stage: int, detached: Detached[...], key: str, args: bytes, letters: Letters, run_id: str
    ) -> None:
        super().__init__(pos, stage, detached, key, args, letters)
        self.run_id = run_id
        self.phase = Phase.DONE

    def wanted(self) -> Decision:
        """The decision that starts it."""
        return ChildWanted(self.pos, self.step.name, self.run_id, Raw(self.args), owned=False)

    def undo(self) -> Iterator[Decision]:
        """It goes its own way, which the run that started it says when it goes back."""
        self._keep(f"started on its own: run {self.run_id} goes its own way")
        return iter(())


CHILD_TRANSITIONS: Moves = {
    **{(phase, fact): move for (phase, fact), move in TRANSITIONS.items() if phase is not Phase.CALLING},
    (Phase.RUNNING, ChildDone): Child._has_value,
    (Phase.STUCK, ChildDone): Child._has_value,
    (Phase.UNWINDING, ChildDone): Child._has_value,
    (Phase.RUNNING, ChildClosed): Child._closed,
    (Phase.STUCK, ChildClosed): Child._closed,
    (Phase.UNWINDING, ChildClosed): Child._closed,
    (Phase.RUNNING, ChildStuck): Child._needs_a_person,
    (Phase.STUCK, ChildStuck): Child._needs_a_person,
    (Phase.UNWINDING, ChildStuck): Child._needs_a_person,
}
