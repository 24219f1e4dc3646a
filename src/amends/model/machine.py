"""One run of a saga as a pure machine: it is told a fact, and says what it decides.

No clock, no I/O, no luck, no event loop: time is the time of the facts, and the body is driven by hand. Feeding the same
facts to a fresh machine gives the same decisions, which is all that recovery is (see `replay`).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from amends.errors import AmendsError, Compensated, IllegalFact, NotStorable, StepFailed
from amends.model import records
from amends.model.body import Body, Raised, Returned
from amends.model.branch import Planner
from amends.model.child import Child
from amends.model.codec import shape_of
from amends.model.effect import Effect
from amends.model.effects import Effects
from amends.model.failure import failure_of
from amends.model.join import Failed, Ok
from amends.model.letters import Letters, shown
from amends.model.making import Maker
from amends.model.phase import Phase
from amends.model.records import DeadLettered, Decision, Ended, Fact, Failure, Raw, Record, State
from amends.model.slate import Slate
from amends.model.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from amends.model.driving import Ask
    from amends.model.join import End
    from amends.model.saga import Saga
    from amends.model.slate import Timers

RUN = 0
"""The position of the run itself: its deadline, and letters that are about no step."""


class Machine:
    """One run.

    Args:
        saga: what it runs.
        run_id: its id.
        args: the saga's arguments, as its signature encodes them.
        seed: its luck.
        namespace: goes into every key.
        sagas: those that may be nested in it, by name: the ones that somebody drives.
        owned: whether it is nested in a run that can take it back.
    """

    def __init__(
        self,
        saga: Saga[..., Any],
        run_id: str,
        args: bytes,
        *,
        seed: bytes,
        namespace: str,
        sagas: Mapping[str, Saga[..., Any]] = MappingProxyType({}),
        owned: bool = False,
    ) -> None:
        self.saga = saga
        self.run_id = run_id
        self.cause: Failure | None = None
        self.live: dict[int, BaseException] = {}
        self.live_cause: BaseException | None = None
        self.ended: Ended | None = None
        self._owned = owned
        self._held = False
        self._told: tuple[str, ...] | None = ()
        self._args = args
        self._seed = seed
        self._body: Body | None = None
        self._returned: bytes | None = None
        self._letters = Letters()
        self._stalled: int | None = None
        self._slate = Slate()
        self._effects = Effects(self._slate)
        planner = Planner(Maker(namespace, saga.name, run_id, sagas, self._letters))
        self._waiting = Waiting(self._slate, planner, self._effects.begin, self._effects.lose)

    # ── what can be seen from outside ───────────────────────────────────────────────────────────

    @property
    def state(self) -> State:
        """The run's state, as operators see it."""
        if self.ended is not None:
            return self.ended.state
        if self._stalled or (not self._effects.busy and self._stuck):
            return "needs_attention"
        if self._held and not self._effects.going_back:
            return "held"
        return "compensating" if self._effects.going_back else "running"

    @property
    def letters(self) -> dict[int, DeadLettered]:
        """The dead letters that wait for a person."""
        return self._letters.waiting

    @property
    def stuck(self) -> tuple[str, ...]:
        """The ids of the dead letters that hold it up, those of runs nested in it included: the first `MOST_SHOWN`."""
        return shown(self._letters.ids(self.run_id), self._effects.stuck())

    @property
    def stalled(self) -> int | None:
        """The letter about that, while the run is parked because its code did not match its journal."""
        return self._stalled

    @property
    def may_go_on(self) -> bool:
        """Whether a person said that a parked run fits its code again: it goes on once a worker has taken it up."""
        return self._stalled is not None and self._stalled not in self._letters.waiting

    @property
    def effects(self) -> Effects:
        """What the run did to the world, by position."""
        return self._effects

    @property
    def timers(self) -> Timers:
        """When which position wants to be told `TimeUp`."""
        return self._slate.timers

    @property
    def waits(self) -> Ask[Any] | None:
        """What the body waits for."""
        return self._waiting.ask

    @property
    def returned(self) -> bytes | None:
        """The saga's value, once its body has returned: the run may still wait for what its losers do."""
        return self._returned

    @property
    def now(self) -> float:
        """The latest instant that the run was told of; 0 before it began."""
        return self._slate.now

    def close(self) -> None:
        """Let go of the body; the run goes on elsewhere, or has ended."""
        if self._body is not None:
            self._body.close()

    def receive(self, fact: Fact, recorded: Sequence[Record] = ()) -> list[Decision]:
        """Take in one fact, and say what to do. A replay gives what was decided then, to find the items of fan-outs by.

        Raises:
            IllegalFact: it cannot have happened now; the machine is as it was.
        """
        move = MOVES.get(type(fact))
        if move is None or (self._body is None) != isinstance(fact, records.Started):
            raise IllegalFact(f"{type(fact).__name__} cannot be told to run {self.run_id!r} now.")
        if self.ended is not None and not isinstance(fact, (records.Told, records.Cancelled)):
            raise IllegalFact(f"{type(fact).__name__} was told to run {self.run_id!r}, which has ended.")
        if recorded:
            self._waiting.foretell(recorded)
        self._slate.out = []
        self._slate.now = max(self._slate.now, fact.at)
        move(self, fact)
        if self._owned:
            self._tell_owner()
        return self._slate.out

    # ── facts ───────────────────────────────────────────────────────────────────────────────────

    def _started(self, fact: records.Started) -> None:
        values = self.saga.signature.decode(self._args)
        self._body = Body(self.saga.function(**values), self._seed)
        if self.saga.deadline is not None:
            self._slate.set_timer(RUN, fact.at + self.saga.deadline)
        self._drive()

    def _about_effect(self, fact: Any) -> None:
        effect = self.effects.get(fact.pos)
        if effect is None:
            raise IllegalFact(f"{type(fact).__name__} about position {fact.pos}, where no step was called.")
        self._move(effect, fact)

    def _time_up(self, fact: records.TimeUp) -> None:
        if fact.pos not in self.timers:
            raise IllegalFact(f"TimeUp for position {fact.pos}, which has no timer.")
        del self.timers[fact.pos]
        if fact.pos == RUN:
            limit = f"the saga did not end within {self.saga.deadline:g} seconds"
            self._turn_back("deadline", Failure("DeadlineExceeded", limit))
        elif fact.pos in self.effects:
            self._move(self.effects[fact.pos], fact)
        else:
            self._answer(self._waiting.time_up(fact.pos))

    def _was_told(self, fact: records.Told) -> None:
        self._answer(self._waiting.told(fact))

    def _cancelled(self, fact: records.Cancelled) -> None:
        why = f"cancelled by {fact.by}" + (f": {fact.reason}" if fact.reason else "")
        self._turn_back("cancelled", Failure("Cancelled", why))

    def _unwound(self, fact: records.Unwound) -> None:
        """Its owner takes it back; what is stuck already is told once more, for the owner starts to wait now."""
        self._told = ()
        if not self._effects.going_back:
            self._returned = None
            self._turn_back("owner", Failure("Unwound", f"run {fact.by} takes it back: {fact.reason}"))

    def _recovered(self, fact: records.Recovered) -> None:
        self._stalled = None
        for effect in self._effects.in_flight():
            self._move(effect, fact)

    def _has_stalled(self, fact: records.Stalled) -> None:
        letter = self._letters.write(RUN, fact.kind, fact.error)
        self._stalled, self._told = letter.letter, None
        self._slate.out.append(letter)

    def _person_acted(self, fact: Any) -> None:
        letter = self._letters.answer(fact.letter)
        if letter is None:
            raise IllegalFact(f"{type(fact).__name__} about letter {fact.letter}, which is not open.")
        if letter.pos != RUN:
            self._move(self.effects[letter.pos], fact)

    # ── the body ────────────────────────────────────────────────────────────────────────────────

    def _answer(self, end: End | None) -> None:
        """Go on with the body, if all that it awaits has ended."""
        if isinstance(end, Ok):
            self._drive(end.value)
        elif end is not None:
            self._drive(error=end.error)

    def _drive(self, value: Any = None, error: BaseException | None = None) -> None:
        """Go on with the body until it waits for something or is over."""
        assert self._body is not None
        while True:
            self._body.now = self._slate.now
            came = self._body.resume(value, error)
            value, error = None, None
            if isinstance(came, Returned):
                self._body_returned(came.value)
                return
            if isinstance(came, Raised):
                self._turn_back("failed", self._describe(came.error), came.error)
                return
            try:
                end = self._waiting.begin(came)
            except IllegalFact:  # a replay whose items are not those of the journal is no business of the body's
                raise
            except (AmendsError, TypeError) as refused:
                error = refused
                continue
            if end is None:
                return
            value, error = (end.value, None) if isinstance(end, Ok) else (None, end.error)

    def _body_returned(self, value: Any) -> None:
        try:
            self._returned = self.saga.signature.result.encode(value)
        except NotStorable as error:
            refused = NotStorable(error.what, path=(self.saga.name, "return", *error.path), cure=error.cure)
            self._turn_back("failed", failure_of(refused), refused)
            return
        self._waiting.leave()
        self._waiting.drop()
        self.timers.pop(RUN, None)
        self._go_on()
        if self.ended is None and not self._held:
            self._slate.out.append(records.Returned(Raw(self._returned)))

    def _describe(self, error: BaseException) -> Failure:
        """The original failure: of a step that was given up, the step's own error."""
        if isinstance(error, Compensated) and isinstance(error.cause, Failure):
            return msgspec.structs.replace(error.cause, notes=(*error.cause.notes, f"in run {error.run_id}"))
        effect = self.effects.get(error.pos) if isinstance(error, StepFailed) else None
        return failure_of(error) if effect is None or effect.error is None else effect.error

    # ── the effects ─────────────────────────────────────────────────────────────────────────────

    def _move(self, effect: Effect, fact: Fact) -> None:
        """Let one effect move on, and then whatever waited for it."""
        self._effects.receive(effect, fact)
        if effect.busy:
            return
        if self._waiting.holds(effect.pos) and effect.phase is not Phase.STUCK:
            self._answer(self._waiting.ended(effect.pos, self._end_of(effect)))
            return
        unwanted = not effect.stands or isinstance(fact, records.Answered)
        if effect.phase is Phase.DONE and (self._effects.going_back or unwanted):
            self._effects.take_back(effect)  # the body never had this result: what was found done is undone
        self._go_on()

    def _end_of(self, effect: Effect) -> End:
        """How the call of an effect ended, as the body hears of it."""
        if effect.phase is Phase.DONE:
            assert effect.result is not None
            if effect.written:
                return Ok(effect.result)
            end = Ok(effect.take_value())
            effect.forget()
            return end
        error = effect.error or Failure("Unknown", "")
        if isinstance(effect, Child):
            return Failed(Compensated(effect.run_id, error, effect.kept()))
        failed = StepFailed(
            effect.step.name,
            error_type=error.type,
            error_message=error.message,
            error_data=shape_of(Any).decode(error.data),
            attempts=effect.attempt,
            in_doubt=effect.phase is Phase.LETTER,
            undone=effect.phase is Phase.UNDONE,
            pos=effect.pos,
        )
        failed.__cause__ = self.live.pop(effect.pos, None)
        return Failed(failed)

    def _turn_back(self, why: Literal["failed", "cancelled", "deadline", "owner"], cause: Failure, live: Any = None) -> None:
        """From here on only back; asked for twice, or when the body is over, it changes nothing."""
        if self._over:
            return
        assert self._body is not None
        self.cause = cause
        self.live_cause = live.__cause__ if isinstance(live, StepFailed) and live.__cause__ else live
        self.timers.pop(RUN, None)
        self._waiting.drop()
        self._body.close()
        self._slate.out.append(records.RollbackBegan(why, cause))
        self._effects.turn_back()
        self._go_on()

    def _go_on(self) -> None:
        """Go on with what is to be undone, and end when nothing is left."""
        self._effects.go_on()
        self._try_to_end()

    def _try_to_end(self) -> None:
        if self._effects.busy or not self._over or self._stuck:
            return
        if self._owned and not self._effects.going_back:
            if not self._held and self._returned is not None:
                self._held, self._told = True, ()
                self._slate.out.append(records.Held(Raw(self._returned), self._effects.kept()))
            return
        kept = self._effects.kept()
        state: State = "completed" if not self._effects.going_back else "partly_compensated" if kept else "compensated"
        if any(effect.phase is Phase.ABANDONED for effect in self._effects.values()):
            state = "abandoned"
        result = records.NULL if self._returned is None else Raw(self._returned)
        self.ended = Ended(state, result, kept)
        self.timers.clear()
        self._slate.out.append(self.ended)

    def _tell_owner(self) -> None:
        """Tell the run that this one belongs to when it begins to need a person, and when it goes on again."""
        if self._stalled or self.ended is not None:
            return
        stuck = () if self._effects.busy else self._stuck
        if stuck != self._told:
            self._told = stuck
            self._slate.out.append(records.Stuck(stuck, self._effects.going_back))

    @property
    def _stuck(self) -> tuple[str, ...]:
        """The letters without which it cannot go on: its own count once its body is over, those of nested runs always."""
        return self.stuck if self._over else shown(self._effects.stuck())

    @property
    def _over(self) -> bool:
        """Whether the body has nothing more to say."""
        return self._effects.going_back or self._returned is not None


MOVES: dict[type[Fact], Callable[[Machine, Any], None]] = {
    records.Started: Machine._started,
    records.StepDone: Machine._about_effect,
    records.StepBroke: Machine._about_effect,
    records.Checked: Machine._about_effect,
    records.CheckBroke: Machine._about_effect,
    records.UndoDone: Machine._about_effect,
    records.UndoBroke: Machine._about_effect,
    records.TimeUp: Machine._time_up,
    records.Told: Machine._was_told,
    records.Cancelled: Machine._cancelled,
    records.Recovered: Machine._recovered,
    records.ChildDone: Machine._about_effect,
    records.ChildClosed: Machine._about_effect,
    records.ChildStuck: Machine._about_effect,
    records.Unwound: Machine._unwound,
    records.Stalled: Machine._has_stalled,
    records.Retried: Machine._person_acted,
    records.Resolved: Machine._person_acted,
    records.Abandoned: Machine._person_acted,
    records.Answered: Machine._person_acted,
}
