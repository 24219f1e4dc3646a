"""Facts and decisions: everything a journal holds.

A *fact* is something the world told us, in the past tense. A *decision* is what the machine worked out from it.
A journal is a list of turns; a turn is a list of records: each fact, followed by the decisions it led to.

`at` is an instant in seconds since the epoch. `pos` is a position in the saga body: the first thing that the body
awaits is 1, the next 2; position 0 is the run itself (its deadline). Values are JSON, kept as they were encoded.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Raw: TypeAlias = msgspec.Raw

NULL = Raw(b"null")
"""No value."""

Outcome: TypeAlias = Literal["failed", "in_doubt", "unstorable"]
"""How a broken attempt ended: definitely no effect, nobody knows, or done with a result that cannot be kept."""

LetterKind: TypeAlias = Literal["undo_failed", "in_doubt", "unstorable", "diverged", "damaged"]

State: TypeAlias = Literal[
    "running", "compensating", "needs_attention", "held", "completed", "compensated", "partly_compensated", "abandoned"
]
"""`held`: a nested run that has its value, and that the run it belongs to can still undo."""

OPEN: tuple[State, ...] = ("running", "compensating", "needs_attention", "held")
CLOSED: tuple[State, ...] = ("completed", "compensated", "partly_compensated", "abandoned")


class Record(msgspec.Struct, frozen=True, array_like=True, tag=True, forbid_unknown_fields=True, gc=False):
    """One entry of a journal; encoded as an array that starts with the record's name."""


class Failure(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An exception as it is kept: what is needed to understand it, bounded in size, and no code."""

    type: str
    message: str
    notes: tuple[str, ...] = ()
    traceback: str = ""
    data: Raw = NULL

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type

    def __repr__(self) -> str:
        data = f", data={bytes(self.data).decode()}" if given(self.data) else ""
        return f"Failure({self.type!r}, {self.message!r}{f', notes={self.notes!r}' if self.notes else ''}{data})"


class Kept(msgspec.Struct, frozen=True, gc=False):
    """An effect that a closed run left in the world, and why."""

    pos: int
    step: str
    why: str


def given(raw: Raw) -> bool:
    """Whether there is a value at all."""
    return bytes(raw) != b"null"


# ── Facts ────────────────────────────────────────────────────────────────────────────────────────


class Fact(Record, frozen=True):
    """Something the world told us."""

    at: float


class Started(Fact, frozen=True):
    """The run began."""


class StepDone(Fact, frozen=True):
    """An attempt of a step took effect and answered."""

    pos: int
    attempt: int
    result: Raw


class StepBroke(Fact, frozen=True):
    """An attempt of a step ended without an answer that can be used.

    `again` says whether the step's policy would ask again after this error, attempts permitting.
    """

    pos: int
    attempt: int
    error: Failure
    outcome: Outcome
    again: bool


class Checked(Fact, frozen=True):
    """The world was asked whether a step in doubt took effect; `result` is what it returned, if it did."""

    pos: int
    attempt: int
    happened: bool
    result: Raw


class CheckBroke(Fact, frozen=True):
    """An attempt to ask the world failed."""

    pos: int
    attempt: int
    error: Failure
    again: bool


class UndoDone(Fact, frozen=True):
    """An undo succeeded."""

    pos: int
    attempt: int


class UndoBroke(Fact, frozen=True):
    """An attempt of an undo failed, or its answer was lost: both are tried again."""

    pos: int
    attempt: int
    error: Failure
    again: bool


class TimeUp(Fact, frozen=True):
    """The timer of a position went off: a sleep, a time limit, a pause before another attempt."""

    pos: int


class Told(Fact, frozen=True):
    """Somebody sent the run a message."""

    name: str
    body: Raw
    by: str


class Cancelled(Fact, frozen=True):
    """Somebody asked the run to stop and roll back."""

    by: str
    reason: str


class Recovered(Fact, frozen=True):
    """A worker took over a run whose calls in flight were interrupted: their answers are lost.

    `orderly`: whoever drove it before gave it up itself, so that it was not one of its calls that killed a worker.
    """

    worker: str
    orderly: bool = False


class Stalled(Fact, frozen=True):
    """The run could not be driven on: its code diverged from its journal."""

    kind: LetterKind
    error: Failure


class Retried(Fact, frozen=True):
    """A person put the subject of a dead letter back to work."""

    letter: int
    by: str


class Resolved(Fact, frozen=True):
    """A person did by hand what the dead letter asked for."""

    letter: int
    by: str
    note: str


class Abandoned(Fact, frozen=True):
    """A person decided to leave the effect of a dead letter in the world."""

    letter: int
    by: str
    note: str


class Answered(Fact, frozen=True):
    """A person said whether a step in doubt took effect, and with which result (null: not known)."""

    letter: int
    by: str
    happened: bool
    result: Raw
    note: str


class ChildDone(Fact, frozen=True):
    """The nested run at this position has its value; until the run that it belongs to closes, it can be taken back.

    `kept` is what it left in the world though it succeeded: branches that lost, interrupted and in doubt.
    """

    pos: int
    result: Raw
    kept: tuple[Kept, ...] = ()


class ChildClosed(Fact, frozen=True):
    """The nested run at this position was rolled back; `kept` is what it left in the world."""

    pos: int
    state: State
    cause: Failure
    kept: tuple[Kept, ...]


class ChildStuck(Fact, frozen=True):
    """The nested run at this position needs a person for these dead letters; for none, it goes on again.

    `back`: it is on its way back by then, or can hear of nothing; else it may not have heard yet that it is taken back.
    """

    pos: int
    letters: tuple[str, ...]
    back: bool = False


class Unwound(Fact, frozen=True):
    """The run that this one belongs to takes it back, whether it has its value or not."""

    by: str
    reason: str


# ── Decisions ────────────────────────────────────────────────────────────────────────────────────


class Decision(Record, frozen=True):
    """Something the machine worked out; performed once it is durable."""


class StepWanted(Decision, frozen=True):
    """Call the step for the first time."""

    pos: int
    step: str
    key: str
    args: Raw


class RetryWanted(Decision, frozen=True):
    """Call the step again, with the same key and the same arguments."""

    pos: int
    attempt: int


class StopWanted(Decision, frozen=True):
    """Interrupt the attempt of this step that is in flight: its branch has lost, or the run rolls back.

    Of a nested run: cancel it, for its branch has lost and is not to be undone if it is done already.
    """

    pos: int


class CheckWanted(Decision, frozen=True):
    """Ask the world whether this step took effect."""

    pos: int
    attempt: int


class UndoWanted(Decision, frozen=True):
    """Undo this step."""

    pos: int
    attempt: int
    key: str


class TimerWanted(Decision, frozen=True):
    """Tell this position when `until` has come."""

    pos: int
    until: float


class ReceiveWanted(Decision, frozen=True):
    """Wait for a message of this name, at most until `until`."""

    pos: int
    name: str
    until: float | None


class JoinWanted(Decision, frozen=True):
    """Await several things at once: those at the positions `branches`, at most until `until`.

    For those who read the journal, `need` says how many of them must succeed, and `losers` what becomes of the others.
    """

    pos: int
    verb: str
    branches: tuple[int, ...]
    need: int
    losers: Literal["undo", "keep", "cancel"]
    until: float | None


class JoinDecided(Decision, frozen=True):
    """A join has its verdict. `arrival` holds the positions of the branches that had ended by then, in that order.

    `winners` are those that count; what is neither among them nor kept has lost.
    """

    pos: int
    met: bool
    arrival: tuple[int, ...]
    winners: tuple[int, ...]


class ChildWanted(Decision, frozen=True):
    """Start a nested run; one that is not `owned` goes its own way."""

    pos: int
    saga: str
    run: str
    args: Raw
    owned: bool


class ChildUndoWanted(Decision, frozen=True):
    """Take back the nested run at this position: stop it if it is at work, and roll it back."""

    pos: int


class Held(Decision, frozen=True):
    """This nested run has its value, and does nothing more; the run that it belongs to can take it back until it closes."""

    result: Raw
    kept: tuple[Kept, ...] = ()


class Stuck(Decision, frozen=True):
    """This nested run needs a person for these dead letters, its own or of runs within it; for none, it goes on again."""

    letters: tuple[str, ...]
    back: bool = False


class Unreadable(Decision, frozen=True):
    """Message number `number` is not of the type that the saga receives under its name; it is set aside."""

    pos: int
    number: int
    why: str


class Returned(Decision, frozen=True):
    """The saga's body has returned its value; what its losers do is still open, so the run is too."""

    result: Raw


class RollbackBegan(Decision, frozen=True):
    """From here on the run only goes back."""

    why: Literal["failed", "cancelled", "deadline", "owner"]
    cause: Failure


class DeadLettered(Decision, frozen=True):
    """A person is needed; letters are numbered from 1 within their run."""

    letter: int
    pos: int
    kind: LetterKind
    error: Failure


class Ended(Decision, frozen=True):
    """The run is closed: no effect of it is open any more. `result` is the saga's value when it completed."""

    state: State
    result: Raw
    kept: tuple[Kept, ...]
