"""Every error that amends raises, in one tree.

::

    AmendsError
    ├── DefinitionError      a saga, a step or a setting is not usable as written
    ├── NotStorable          a value would not come back from the journal as it went in
    ├── IdempotencyConflict  this id (or key) was used before, with another input
    ├── UnknownRun           there is no run with this id
    ├── RunClosed            the run has ended; it takes no more messages
    ├── LetterSettled        somebody else has already acted on this dead letter
    ├── Compensated          the run was rolled back; every effect is undone or kept on purpose
    ├── NeedsAttention       a person has to decide; the dead letters say what
    ├── StepFailed           a step was given up (raised inside the saga body)
    ├── JoinFailed           the rule of a join cannot be met any more: an ExceptionGroup, `partial` holds what came
    │   ├── BranchesFailed   a branch of `all_of` failed
    │   ├── AllFailed        no branch of `any_of` succeeded
    │   ├── QuorumImpossible fewer than n branches of `quorum` can succeed
    │   ├── TooFewInTime     too few branches of `within` succeeded before the time was over
    │   ├── TooManyFailures  more items of `each` failed than are tolerated
    │   └── NoAgreement      the branches of `vote` cannot agree any more
    ├── ForeignAwait         a saga body awaited something that is not durable
    ├── NeverAwaited         a saga body made a call and did not await it
    ├── Diverged             the code no longer does what the journal says it did
    ├── IllegalFact          the machine was told something that cannot have happened
    ├── EngineClosed         the engine is not open here
    ├── Overloaded           more waits to be written than may; nothing of this was
    ├── RuleBroken           the fault explorer found a world in which a rule is broken
    ├── Vacuous              an exploration in which what was asked for never occurred
    │   └── Unsteady         the same faults led to another world than before
    ├── StaleToken           a token replays a world of another version of the saga
    └── StoreError           the journal could not be read or written
        ├── StoreUnusable    not our file, a newer schema, a directory, read-only
        ├── StoreBusy        another program holds the file
        ├── JournalDamaged   a checksum does not match: bytes were changed or lost
        └── LeaseLost        another worker drives this run now
"""

from __future__ import annotations

import copyreg
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence


class AmendsError(Exception):
    """The root of every error that amends raises. They may be copied, and sent to another process with pickle."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Made anew without `__init__`, whose arguments are other ones than the texts in `args`."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class DefinitionError(AmendsError):
    """A saga, a step or a setting is not usable as written."""


class NotStorable(AmendsError):
    """A value would not come back from the journal as it went in.

    `path` leads to the offending part, from the outermost value inwards: `("order", "lines", 3)`.
    """

    def __init__(self, what: str, *, path: Sequence[str | int] = (), cure: str = "") -> None:
        self.what = what
        self.path = tuple(path)
        self.cure = cure
        super().__init__(what, self.path, cure)

    def __str__(self) -> str:
        where = f" at {render_path(self.path)}" if self.path else ""
        cure = f" {self.cure}" if self.cure else ""
        return f"{self.what}{where}.{cure}"


class IdempotencyConflict(AmendsError):
    """This run id was used before, with another saga or another input; `diff` shows where they part."""

    def __init__(self, run_id: str, diff: str) -> None:
        self.run_id = run_id
        self.diff = diff
        super().__init__(run_id, diff)

    def __str__(self) -> str:
        return (
            f"run {self.run_id!r} exists already, with another input:\n{self.diff}\n"
            "Use a new id for new work, or the same input to join the run that is there."
        )


class UnknownRun(AmendsError):
    """There is no run with this id in the store."""


class RunClosed(AmendsError):
    """The run has ended; it takes no more messages."""


class LetterSettled(AmendsError):
    """Somebody else has already acted on this dead letter."""


class Compensated(AmendsError):
    """The run was rolled back: every effect is undone, or was kept on purpose and is listed in `kept`.

    `cause` describes what started the rollback; `__cause__` is the exception itself while it is the same process.
    """

    def __init__(self, run_id: str, cause: Any, kept: Sequence[Any] = ()) -> None:
        self.run_id = run_id
        self.cause = cause
        self.kept = tuple(kept)
        super().__init__(run_id, cause, self.kept)

    def __str__(self) -> str:
        kept = "".join(f"\n  kept: {effect.step} ({effect.why})" for effect in self.kept)
        return f"run {self.run_id!r} was rolled back because of {self.cause}{kept}"


class NeedsAttention(AmendsError):
    """A person has to decide before the run can close; `letters` holds the ids of its open dead letters."""

    def __init__(self, run_id: str, letters: Sequence[str], cause: Any = None) -> None:
        self.run_id = run_id
        self.letters = tuple(letters)
        self.cause = cause
        super().__init__(run_id, self.letters, cause)

    def __str__(self) -> str:
        because = f" (it is rolling back because of {self.cause})" if self.cause else ""
        return (
            f"run {self.run_id!r} needs a person{because}: {', '.join(self.letters)}. "
            "See `amends dlq show LETTER`, then retry, answer, resolve or abandon it."
        )


class StepFailed(AmendsError):
    """A step was given up; a saga body may catch this and go another way.

    Branch on `error_type`, `error_message` and `error_data`: they are in the journal, so a replay sees the same.
    `__cause__` is the step's own exception, but only while it is the process in which it was raised. `pos` is the step's
    position in the saga, as stories show it. `undone` says that its key was cancelled, since nobody knew whether it took
    effect: nothing of it is left, and nothing will come of this key any more.
    """

    def __init__(
        self,
        step: str,
        *,
        error_type: str,
        error_message: str,
        error_data: Any = None,
        attempts: int = 1,
        in_doubt: bool = False,
        undone: bool = False,
        pos: int = 0,
    ) -> None:
        self.step = step
        self.pos = pos
        self.error_type = error_type
        self.error_message = error_message
        self.error_data = error_data
        self.attempts = attempts
        self.in_doubt = in_doubt
        self.undone = undone
        super().__init__(step, error_type, error_message)

    def __str__(self) -> str:
        times = "once" if self.attempts == 1 else f"{self.attempts} times"
        doubt = "; whether it took effect is in doubt and waits for a person" if self.in_doubt else ""
        return f"step {self.step!r} was tried {times} and failed: {self.error_type}: {self.error_message}{doubt}"


class JoinFailed(ExceptionGroup[Exception], AmendsError):
    """The rule of a join cannot be met any more; its exceptions are those of the branches that failed.

    `partial` holds what came of the branches. `except*` works, as for every exception group. When no branch failed (all
    were too late, or disagreed), the one exception of the group says so.
    """

    partial: Any
    otherwise = "no branch failed"

    def __new__(cls, why: str, errors: Sequence[Exception], partial: Any) -> Self:
        """Make the group of the errors of the branches that failed, which may be none."""
        self = super().__new__(cls, why, errors or [AmendsError(cls.otherwise)])
        self.partial = partial
        return self

    def __init__(self, why: str, errors: Sequence[Exception], partial: Any) -> None:
        super().__init__(why, errors)

    def __reduce__(self) -> tuple[Any, ...]:
        """A group is made of its exceptions."""
        return type(self), (self.message, self.exceptions, self.partial), self.__dict__

    def derive(self, errors: Sequence[Exception]) -> Self:  # type: ignore[override]
        """A part of the group, as `split` and `except*` make it."""
        return type(self)(self.message, errors, self.partial)

    def __str__(self) -> str:
        return f"{self.message}: " + "; ".join(f"{type(error).__name__}: {error}" for error in self.exceptions[:5])


class BranchesFailed(JoinFailed):
    """A branch of `all_of` failed."""


class AllFailed(JoinFailed):
    """No branch of `any_of` succeeded."""


class QuorumImpossible(JoinFailed):
    """Fewer branches of a `quorum` can succeed than it needs."""


class TooFewInTime(JoinFailed):
    """Too few branches of a `within` succeeded before its time was over."""

    otherwise = "no branch failed: those that are missing had not ended"


class TooManyFailures(JoinFailed):
    """More items of an `each` failed than are tolerated; `partial` holds what came, and can redrive the rest."""


class NoAgreement(JoinFailed):
    """The branches of a `vote` cannot agree any more; `partial` holds the votes."""

    otherwise = "no branch failed: they do not agree"

    @property
    def votes(self) -> Any:
        """The votes that came."""
        return self.partial


class ForeignAwait(AmendsError):
    """A saga body awaited something that is not durable: a socket, a future, `asyncio.sleep`."""


class NeverAwaited(AmendsError):
    """A saga body made a call and returned without awaiting it, so the work never happened."""


class Diverged(AmendsError):
    """The code no longer does what the journal says it did; the run is parked, nothing was called or undone."""

    def __init__(self, run_id: str, turn: int, recorded: str, asked: str) -> None:
        self.run_id = run_id
        self.turn = turn
        self.recorded = recorded
        self.asked = asked
        super().__init__(run_id, turn, recorded, asked)

    def __str__(self) -> str:
        return (
            f"run {self.run_id!r} cannot go on with this code, at turn {self.turn} of its journal:\n"
            f"  - recorded: {self.recorded}\n"
            f"  + asked:    {self.asked}\n"
            "Bring back the code that the run was started with (or make the new code ask for the same), "
            "restart the worker, then `amends dlq retry` the run's letter."
        )


class IllegalFact(AmendsError):
    """The machine was told something that cannot have happened in its present state."""


class EngineClosed(AmendsError):
    """The engine is not open, or was opened in another event loop."""


class Overloaded(AmendsError):
    """As much waits for the store to write it as may, `limit` starts and messages; of this one nothing was written."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(limit)

    def __str__(self) -> str:
        return (
            f"{self.limit} starts and messages wait for the store already, as many as may; nothing of this one was written. "
            "Ask again when some of them are through, ask for fewer at once, or set Engine(max_pending=...)."
        )


class RuleBroken(AmendsError, AssertionError):
    """The fault explorer found a world in which a rule is broken; the text is the story, `exploration` holds all of it."""

    def __init__(self, exploration: Any) -> None:
        self.exploration = exploration
        super().__init__(exploration)

    def __str__(self) -> str:
        return str(self.exploration)


class Vacuous(AmendsError, AssertionError):
    """An exploration in which a fault or an end that was asked for never occurred: it proves nothing about it.

    The text says what is missing, and what was tried; `exploration` holds all of it.
    """

    def __init__(self, exploration: Any) -> None:
        self.exploration = exploration
        super().__init__(exploration)

    def __str__(self) -> str:
        return str(self.exploration)


class Unsteady(Vacuous):
    """An exploration in which the same faults led to another world than before; `why` says what was different."""

    def __init__(self, why: str) -> None:
        super().__init__(None)
        self.why = why
        self.args = (why,)

    def __str__(self) -> str:
        return (
            f"the same faults led to another world than before: {self.why}. Something outside of the exploration decides "
            "what the saga or its steps do: randomness, the time, or state that is kept from one world to the next. "
            "Reset such state with explore(setup=...), give the steps that use it a fake or a service of the World, "
            "and in a saga draw from amends.random() and amends.now()."
        )


class StaleToken(AmendsError):
    """The token replays a world of another version of the saga, or is none at all."""


class StoreError(AmendsError):
    """The journal could not be read or written."""


class StoreUnusable(StoreError):
    """The store cannot be used as it is: not our file, a newer schema, a directory, read-only."""


class StoreBusy(StoreError):
    """Another program held the file for longer than the store waits."""


class JournalDamaged(StoreError):
    """A checksum of the journal does not match: bytes were changed or lost outside of amends."""


class LeaseLost(StoreError):
    """Another worker drives this run now; nothing of what this one wanted was written."""


def render_path(path: Sequence[str | int]) -> str:
    """Write a path into a value the way Python would: `order.lines[3]`."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else str(part)
    return out
