"""The life of one step: called, perhaps in doubt, settled, undone.

`TRANSITIONS` is the whole of it: what each phase does with each fact. A fact that is not in the table cannot have
happened and is refused. The rules are those of docs/sagas.md:

* a lost answer leaves the step in doubt, and a later refusal does not clear that;
* a step in doubt is called again with the same key while attempts last, then checked, then cancelled by key by a
  tolerant undo, and else becomes a dead letter: it is never taken as "did not happen";
* a check that finds nothing cannot see a request that is still on its way, so a tolerant undo cancels its key too;
* an undo that fails for good becomes a dead letter, and holds up nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from amends.errors import IllegalFact, NotStorable
from amends.model import keys
from amends.model.phase import BUSY, IN_FLIGHT, Phase
from amends.model.records import (
    Abandoned,
    Answered,
    CheckBroke,
    Checked,
    CheckWanted,
    Decision,
    Fact,
    Failure,
    Kept,
    Raw,
    Recovered,
    Resolved,
    Retried,
    RetryWanted,
    StepBroke,
    StepDone,
    StepWanted,
    StopWanted,
    TimerWanted,
    TimeUp,
    UndoBroke,
    UndoDone,
    UndoWanted,
    given,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from amends.model.call import Target
    from amends.model.join import Losers
    from amends.model.letters import Letters

Retreat: TypeAlias = Literal["undo", "cancel"]
"""Why a step is not called any more: it is to be undone, or it lost a join and is only interrupted."""

MOST_CRASHES = 10
"""A call during which the worker died this often is not tried again: it may be what kills the worker."""

CRASHED = Failure("WorkerDied", "the worker stopped while the call was in flight, so its answer is lost")


class Effect:
    """What one call of a step does to the world, and all that is known about it."""

    phase = Phase.CALLING
    retreat: Retreat | None = None
    given: dict[str, Any] | None = None  # its arguments as they come back from `args`, until its first call takes them
    fresh: tuple[Raw | None, Any] = (None, None)  # a result that was made in this process, and what it reads as
    written = False  # whether the body wants the result as it is written
    width: int | None = None  # how many of its stage may be undone at once
    lost: Losers | None = None  # what becomes of it, once its branch has lost
    attempt = 1
    tries = 1  # of the companion (check or undo) that is at work
    in_doubt = False
    result: Raw | None = None
    error: Failure | None = None
    why_kept = ""
    until: float | None = None
    stuck: tuple[str, ...] = ()
    _spent = 0
    _crashes = 0

    def __init__(self, pos: int, stage: int, step: Target[..., Any], key: str, args: bytes, letters: Letters) -> None:
        self.pos = pos
        self.stage = stage  # the position of the whole ask that it is part of: its own, or that of the outermost join
        self.step = step
        self.key = key
        self.args = args
        self._letters = letters

    @property
    def busy(self) -> bool:
        """Whether it will move on without a person."""
        return self.phase in BUSY

    @property
    def retriable(self) -> bool:
        """Whether there is something to try again for a person who asks for that: its check, or its undo."""
        return self._checkable or (self.step.undoing is not None and (self.result is not None or self.step.tolerant))

    @property
    def _checkable(self) -> bool:
        return self.in_doubt and self.step.checking is not None

    @property
    def stands(self) -> bool:
        """Whether it may stay done though nobody waits for it: it lost, and its join does not undo losers."""
        return self.lost in ("keep", "cancel")

    def take_given(self) -> dict[str, Any]:
        """The arguments, for one call: whatever that does to them, the next one gets them as they were written."""
        given, self.given = self.given, None
        return self.step.signature.decode(self.args) if given is None else given

    def take_value(self) -> Any:
        """The result, for the body."""
        assert self.result is not None
        (raw, value), self.fresh = self.fresh, (None, None)
        return value if raw is self.result else self.step.signature.result.decode(self.result)

    def kept(self) -> tuple[Kept, ...]:
        """How the effect is listed when the run closes and it stays in the world."""
        if self.phase in (Phase.KEPT, Phase.LEFT):
            return (Kept(self.pos, self.step.name, self.why_kept),)
        if self.phase is Phase.ABANDONED:
            return (Kept(self.pos, self.step.name, f"abandoned: {self.why_kept}"),)
        return ()

    def wanted(self) -> Decision:
        """The decision that starts it."""
        return StepWanted(self.pos, self.step.name, self.key, Raw(self.args))

    def receive(self, fact: Fact) -> Iterator[Decision]:
        """Move on by one fact; raises `IllegalFact` when it cannot have happened in this phase."""
        move = self._moves().get((self.phase, type(fact)))
        if move is None:
            raise IllegalFact(
                f"{type(fact).__name__} about step {self.step.name!r} at {self.pos}, which is {self.phase.value}."
            )
        if self.phase in IN_FLIGHT and (told := getattr(fact, "attempt", None)) is not None:
            now = self.attempt if self.phase is Phase.CALLING else self.tries
            if told != now:
                raise IllegalFact(f"{type(fact).__name__} of attempt {told} at {self.pos}; attempt {now} is in flight.")
        self.until = None
        return move(self, fact)

    def turn_back(self, retreat: Retreat = "undo") -> Iterator[Decision]:
        """It goes no further: interrupt a call, give up a pause, let a check or an undo come to its end."""
        asked_before, self.retreat = self.retreat is not None, retreat
        if self.phase is Phase.CALLING and not asked_before:
            yield StopWanted(self.pos)
        elif self.phase is Phase.PAUSING:
            self.until = None
            yield from self._give_up()

    def take_back(self) -> Iterator[Decision]:
        """Undo it, if there is something to undo; what was left in doubt is checked or cancelled by key first."""
        if self.phase is Phase.DONE:
            yield from self.undo()
        elif self.phase is Phase.LEFT:
            self.retreat = "undo"
            yield from self._give_up()

    def undo(self) -> Iterator[Decision]:
        """Undo what was done, or say why it stays."""
        options = self.step.options
        if options.on_rollback == "keep":
            self._keep("kept on purpose: on_rollback='keep'")
        elif self.step.undoing is not None:
            self.phase, self.tries, self._spent, self._crashes = Phase.UNDOING, 1, 0, 0
            yield UndoWanted(self.pos, self.tries, keys.undo_key(self.key))
        elif options.no_undo is not None:
            self.phase = Phase.NOTHING_TO_UNDO
        else:
            self._keep("no undo is declared")

    def forget(self) -> None:
        """What came of it was told: a step's result is kept for its undo."""

    def _moves(self) -> Moves:
        return TRANSITIONS

    # ── the call ────────────────────────────────────────────────────────────────────────────────

    def _done(self, fact: StepDone) -> Iterator[Decision]:
        self.phase, self.result, self.in_doubt = Phase.DONE, fact.result, False
        return iter(())

    def _broke(self, fact: StepBroke) -> Iterator[Decision]:
        self.error = fact.error
        if fact.outcome == "unstorable":
            self.phase = Phase.LETTER
            yield self._letters.write(self.pos, "unstorable", fact.error)
            return
        self.in_doubt = self.in_doubt or fact.outcome == "in_doubt"
        self._spent += 1
        retry = self.step.options.retry
        if fact.again and self._spent < retry.attempts and self._may_call_again():
            yield self._pause(Phase.PAUSING, fact.at + retry.pause(self._spent, self.key))
        else:
            yield from self._give_up()

    def _call_crashed(self, fact: Recovered) -> Iterator[Decision]:
        self.in_doubt, self.error = True, CRASHED
        self._crashes += not fact.orderly
        if self._crashes < MOST_CRASHES and self._may_call_again():
            yield from self._call_again()
        else:
            yield from self._give_up()

    def _may_call_again(self) -> bool:
        unsafe = self.in_doubt and self.step.options.idempotent is False
        return self.retreat is None and not unsafe

    def _call_again(self, _: Any = None) -> Iterator[Decision]:
        self.phase = Phase.CALLING
        self.attempt += 1
        yield RetryWanted(self.pos, self.attempt)

    def _give_up(self) -> Iterator[Decision]:
        if not self.in_doubt:
            self.phase = Phase.FAILED
        elif self.retreat == "cancel":
            self._leave()
        elif self.step.checking is not None:
            yield self._check()
        else:
            yield from self._cancel_by_key()

    # ── the doubt ───────────────────────────────────────────────────────────────────────────────

    def _check(self) -> CheckWanted:
        self.phase, self.tries, self._crashes = Phase.CHECKING, 1, 0
        return CheckWanted(self.pos, self.tries)

    def _checked(self, fact: Checked) -> Iterator[Decision]:
        self.in_doubt = False
        if fact.happened:
            self.phase, self.result = Phase.DONE, fact.result
        elif self._may_call_again() and self._calls_left():
            yield from self._call_again()
        elif self.step.tolerant and self.step.options.on_rollback == "undo":
            self.in_doubt = True  # the request may still be on its way: its key is cancelled before it arrives
            yield from self._cancel_by_key()
        else:
            self.phase = Phase.FAILED

    def _calls_left(self) -> bool:
        """A step that may not be called while in doubt may be, once it is known that it did not happen."""
        options = self.step.options
        return options.idempotent is False and self._spent < options.retry.attempts

    def _check_broke(self, fact: CheckBroke) -> Iterator[Decision]:
        assert self.step.checking is not None
        retry = self.step.checking.retry
        if fact.again and self.tries < retry.attempts:
            yield self._pause(Phase.PAUSING_CHECK, fact.at + retry.pause(self.tries, self.key))
        else:
            yield from self._cancel_by_key(fact.error)

    def _check_again(self, _: Any) -> Iterator[Decision]:
        self.phase = Phase.CHECKING
        self.tries += 1
        yield CheckWanted(self.pos, self.tries)

    def _check_crashed(self, fact: Recovered) -> Iterator[Decision]:
        self._crashes += not fact.orderly
        if self._crashes < MOST_CRASHES:
            return self._check_again(fact)
        return self._cancel_by_key(CRASHED)

    def _cancel_by_key(self, why: Failure | None = None) -> Iterator[Decision]:
        options = self.step.options
        if self.retreat == "cancel":
            self._leave()
        elif options.on_rollback == "keep":
            self._keep("kept on purpose; whether it took effect is not known")
        elif options.no_undo is not None:
            self.phase = Phase.NOTHING_TO_UNDO
        elif self.step.tolerant:
            yield from self.undo()
        else:
            self.phase = Phase.LETTER
            yield self._letters.write(self.pos, "in_doubt", why or self.error or CRASHED)

    def _leave(self) -> None:
        """Its branch was only interrupted: nobody asks, and nothing is undone unless the run rolls back."""
        if self.step.options.no_undo is not None:
            self.phase = Phase.NOTHING_TO_UNDO
        else:
            self.phase, self.why_kept = Phase.LEFT, "cancelled with its branch; whether it took effect is not known"

    # ── the undo ────────────────────────────────────────────────────────────────────────────────

    def _undone(self, _: UndoDone) -> Iterator[Decision]:
        self.phase, self.in_doubt = Phase.UNDONE, False
        return iter(())

    def _undo_broke(self, fact: UndoBroke) -> Iterator[Decision]:
        assert self.step.undoing is not None
        self._spent += 1
        retry = self.step.undoing.retry
        if fact.again and self._spent < retry.attempts:
            yield self._pause(Phase.PAUSING_UNDO, fact.at + retry.pause(self._spent, self.key))
        else:
            self.phase = Phase.LETTER
            yield self._letters.write(self.pos, "undo_failed", fact.error)

    def _undo_again(self, _: Any = None) -> Iterator[Decision]:
        self.phase = Phase.UNDOING
        self.tries += 1
        yield UndoWanted(self.pos, self.tries, keys.undo_key(self.key))

    def _undo_crashed(self, fact: Recovered) -> Iterator[Decision]:
        self._crashes += not fact.orderly
        if self._crashes < MOST_CRASHES:
            yield from self._undo_again()
        else:
            self.phase = Phase.LETTER
            yield self._letters.write(self.pos, "undo_failed", CRASHED)

    # ── the person ──────────────────────────────────────────────────────────────────────────────

    def _retried(self, fact: Retried) -> Iterator[Decision]:
        """Put it back to work where that can help; else the letter is written again, saying what would."""
        self.retreat = "undo"  # the saga has heard of it as given up
        if self._checkable:
            yield self._check()
        elif self.retriable:
            yield from self.undo()
        else:
            yield self._again("there is nothing to try again: answer whether it happened, resolve it, or abandon it", fact)

    def _answered(self, fact: Answered) -> Iterator[Decision]:
        if not fact.happened:
            self.phase, self.in_doubt = Phase.FAILED, False
            return
        if given(fact.result):
            try:
                self.step.signature.result.decode(fact.result)
            except NotStorable as error:
                yield self._again(f"the result that was given is not what the step returns: {error}", fact)
                return
            self.result = fact.result
        elif self.step.undoing is not None and not self.step.tolerant:
            yield self._again("its undo needs the result of the step: answer with --result", fact)
            return
        self.phase, self.in_doubt = Phase.DONE, False

    def _again(self, why: str, fact: Retried | Answered) -> Decision:
        return self._letters.write(self.pos, "in_doubt", Failure("NotPossible", why, notes=(f"asked by {fact.by}",)))

    def _resolved(self, _: Resolved) -> Iterator[Decision]:
        self.phase, self.in_doubt = Phase.RESOLVED, False
        return iter(())

    def _abandoned(self, fact: Abandoned) -> Iterator[Decision]:
        self.phase, self.why_kept = Phase.ABANDONED, f"by {fact.by}: {fact.note}"
        return iter(())

    def _keep(self, why: str) -> None:
        self.phase, self.why_kept = Phase.KEPT, why

    def _pause(self, phase: Phase, until: float) -> TimerWanted:
        self.phase, self.until = phase, until
        return TimerWanted(self.pos, until)


Moves: TypeAlias = "dict[tuple[Phase, type[Fact]], Callable[[Any, Any], Iterator[Decision]]]"

TRANSITIONS: Moves = {
    (Phase.CALLING, StepDone): Effect._done,
    (Phase.CALLING, StepBroke): Effect._broke,
    (Phase.CALLING, Recovered): Effect._call_crashed,
    (Phase.PAUSING, TimeUp): Effect._call_again,
    (Phase.CHECKING, Checked): Effect._checked,
    (Phase.CHECKING, CheckBroke): Effect._check_broke,
    (Phase.CHECKING, Recovered): Effect._check_crashed,
    (Phase.PAUSING_CHECK, TimeUp): Effect._check_again,
    (Phase.UNDOING, UndoDone): Effect._undone,
    (Phase.UNDOING, UndoBroke): Effect._undo_broke,
    (Phase.UNDOING, Recovered): Effect._undo_crashed,
    (Phase.PAUSING_UNDO, TimeUp): Effect._undo_again,
    (Phase.LETTER, Retried): Effect._retried,
    (Phase.LETTER, Answered): Effect._answered,
    (Phase.LETTER, Resolved): Effect._resolved,
    (Phase.LETTER, Abandoned): Effect._abandoned,
}
