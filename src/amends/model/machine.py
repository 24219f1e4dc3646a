"""One run of a saga as a pure machine: it is told a fact, and says what it decides.

No clock, no I/O, no luck, no event loop: time is the time of the facts, and the body is driven by hand. Feeding the same
facts to a fresh machine gives the same decisions, which is all that recovery is (see `replay`).
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Any, Literal

from amends.errors import AmendsError, DefinitionError, IllegalFact, NotStorable, StepFailed
from amends.model import keys, records
from amends.model.body import Body, Raised, Returned
from amends.model.call import Call, Step
from amends.model.codec import shape_of
from amends.model.effect import IN_FLIGHT, Effect, Phase
from amends.model.failure import failure_of
from amends.model.join import Failed, Ok
from amends.model.letters import Letters
from amends.model.records import DeadLettered, Decision, Ended, Fact, Failure, Raw, State
from amends.model.slate import Slate
from amends.model.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from amends.model.driving import Ask
    from amends.model.join import End, Losers
    from amends.model.saga import Saga
    from amends.model.slate import Timers

RUN = 0
"""The position of the run itself: its deadline, and letters that are about no step."""

STRICTNESS: dict[Losers, int] = {"keep": 0, "cancel": 1, "undo": 2}
"""How much of a loser each policy takes away."""


class Machine:
    """One run."""

    def __init__(self, saga: Saga[..., Any], run_id: str, args: bytes, *, seed: bytes, namespace: str) -> None:
        self.saga = saga
        self.run_id = run_id
        self.effects: dict[int, Effect] = {}
        self.cause: Failure | None = None
        self.live: dict[int, BaseException] = {}
        self.live_cause: BaseException | None = None
        self.ended: Ended | None = None
        self._namespace = namespace
        self._args = args
        self._seed = seed
        self._body: Body | None = None
        self._direction: Literal["forward", "back"] = "forward"
        self._returned: bytes | None = None
        self._letters = Letters()
        self._stalled: int | None = None
        self._busy: set[int] = set()
        self._to_undo: list[Effect] = []
        self._slate = Slate()
        self._waiting = Waiting(self._slate, self._effect, self._begin, self._lose)

    # ── what can be seen from outside ───────────────────────────────────────────────────────────

    @property
    def state(self) -> State:
        """The run's state, as operators see it."""
        if self.ended is not None:
            return self.ended.state
        if self._letters.waiting and (self._stalled or (self._over and not self._busy)):
            return "needs_attention"
        return "compensating" if self._direction == "back" else "running"

    @property
    def letters(self) -> dict[int, DeadLettered]:
        """The dead letters that wait for a person."""
        return self._letters.waiting

    @property
    def stalled(self) -> bool:
        """Whether the run is parked because its code did not match its journal."""
        return self._stalled is not None

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

    def in_flight(self) -> list[Effect]:
        """The steps whose call, check or undo is under way, or was when the worker died."""
        return [effect for pos in sorted(self._busy) if (effect := self.effects[pos]).phase in IN_FLIGHT]

    def close(self) -> None:
        """Let go of the body; the run goes on elsewhere, or has ended."""
        if self._body is not None:
            self._body.close()

    def receive(self, fact: Fact) -> list[Decision]:
        """Take in one fact, and say what to do.

        Raises:
            IllegalFact: it cannot have happened now; the machine is as it was.
        """
        move = MOVES.get(type(fact))
        if move is None or (self._body is None) != isinstance(fact, records.Started):
            raise IllegalFact(f"{type(fact).__name__} cannot be told to run {self.run_id!r} now.")
        if self.ended is not None and not isinstance(fact, (records.Told, records.Cancelled)):
            raise IllegalFact(f"{type(fact).__name__} was told to run {self.run_id!r}, which has ended.")
        self._slate.out = []
        self._slate.now = max(self._slate.now, fact.at)
        move(self, fact)
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

    def _recovered(self, fact: records.Recovered) -> None:
        for effect in self.in_flight():
            self._move(effect, fact)

    def _has_stalled(self, fact: records.Stalled) -> None:
        letter = self._letters.write(RUN, fact.kind, fact.error)
        self._stalled = letter.letter
        self._slate.out.append(letter)

    def _person_acted(self, fact: Any) -> None:
        letter = self._letters.answer(fact.letter)
        if letter is None:
            raise IllegalFact(f"{type(fact).__name__} about letter {fact.letter}, which is not open.")
        if letter.pos == RUN:
            self._stalled = None
            self._recovered(records.Recovered(fact.at, ""))
        else:
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
            except (AmendsError, TypeError) as refused:
                error = refused
                continue
            if end is None:
                return
            value, error = (end.value, None) if isinstance(end, Ok) else (None, end.error)

    def _effect(self, pos: int, stage: int, call: Call[Any]) -> Effect:
        if not isinstance(call.target, Step):
            raise DefinitionError(
                f"{call!r}: a saga cannot be awaited within a saga. Start it as a run of its own, in a step."
            )
        args = call.target.signature.encode(call.args, call.kwargs)
        key = keys.step_key(self._namespace, self.saga.name, self.run_id, pos, call.target.name, args)
        return Effect(pos, stage, call.target, key, args, self._letters)

    def _begin(self, effect: Effect) -> None:
        self.effects[effect.pos] = effect
        self._busy.add(effect.pos)
        self._slate.out.append(effect.wanted())

    def _body_returned(self, value: Any) -> None:
        try:
            self._returned = self.saga.signature.result.encode(value)
        except NotStorable as error:
            refused = NotStorable(error.what, path=(self.saga.name, "return", *error.path), cure=error.cure)
            self._turn_back("failed", failure_of(refused), refused)
            return
        self._waiting.drop()
        self.timers.pop(RUN, None)
        self._go_on()
        if self.ended is None:
            self._slate.out.append(records.Returned(Raw(self._returned)))

    def _describe(self, error: BaseException) -> Failure:
        """The original failure: of a step that was given up, the step's own error."""
        effect = self.effects.get(error.pos) if isinstance(error, StepFailed) else None
        return failure_of(error) if effect is None or effect.error is None else effect.error

    # ── the effects ─────────────────────────────────────────────────────────────────────────────

    def _move(self, effect: Effect, fact: Fact) -> None:
        """Let one effect move on, and then whatever waited for it."""
        self._slate.out.extend(effect.receive(fact))
        self._arm(effect)
        if effect.busy:
            return
        if self._waiting.holds(effect.pos):
            self._answer(self._waiting.ended(effect.pos, self._end_of(effect)))
            return
        if effect.phase is Phase.DONE and (self._direction == "back" or not effect.stands):
            self._take_back(effect)  # the body never had this result: what was found done is undone
        self._go_on()

    def _take_back(self, effect: Effect) -> None:
        """Undo an effect: on the way back in its turn, and of a branch that lost at once, for nothing was built on it."""
        if self._direction == "back":
            insort(self._to_undo, effect, key=_stage)
        else:
            self._slate.out.extend(effect.take_back())
            self._arm(effect)

    def _lose(self, effect: Effect, losers: Losers) -> None:
        """The branch of an effect has lost; a join around that may be stricter than the join itself, and never milder."""
        if effect.lost is not None and STRICTNESS[losers] <= STRICTNESS[effect.lost]:
            return
        effect.lost = losers
        if losers == "keep":
            return
        if effect.busy:
            self._slate.out.extend(effect.turn_back(losers))
            self._arm(effect)
        elif losers == "undo":
            self._take_back(effect)

    def _end_of(self, effect: Effect) -> End:
        """How the call of an effect ended, as the body hears of it."""
        if effect.phase is Phase.DONE:
            assert effect.result is not None
            return Ok(effect.step.signature.result.decode(effect.result))
        error = effect.error or Failure("Unknown", "")
        failed = StepFailed(
            effect.step.name,
            error_type=error.type,
            error_message=error.message,
            error_data=shape_of(Any).decode(error.data),
            attempts=effect.attempt,
            in_doubt=effect.phase is Phase.LETTER,
            pos=effect.pos,
        )
        failed.__cause__ = self.live.pop(effect.pos, None)
        return Failed(failed)

    def _turn_back(self, why: Literal["failed", "cancelled", "deadline"], cause: Failure, live: Any = None) -> None:
        """From here on only back; asked for twice, or when the body is over, it changes nothing."""
        if self._over:
            return
        assert self._body is not None
        self._direction, self.cause = "back", cause
        self.live_cause = live.__cause__ if isinstance(live, StepFailed) and live.__cause__ else live
        self.timers.pop(RUN, None)
        self._waiting.drop()
        self._body.close()
        self._slate.out.append(records.RollbackBegan(why, cause))
        self._to_undo = sorted(self.effects.values(), key=_stage)
        for pos in sorted(self._busy):
            self._slate.out.extend(self.effects[pos].turn_back())
            self._arm(self.effects[pos])
        self._go_on()

    def _go_on(self) -> None:
        """Undo what the last ask did that is not yet undone, all of it at once; when nothing is left, end."""
        while self._to_undo and not self._busy:
            stage = self._to_undo[-1].stage
            while self._to_undo and self._to_undo[-1].stage == stage:
                effect = self._to_undo.pop()
                self._slate.out.extend(effect.take_back())
                self._arm(effect)
        self._try_to_end()

    def _try_to_end(self) -> None:
        if not self._over or self._letters.waiting or self._busy:
            return
        kept = tuple(found for effect in self.effects.values() if (found := effect.kept()))
        state: State = "completed" if self._direction == "forward" else "partly_compensated" if kept else "compensated"
        if any(effect.phase is Phase.ABANDONED for effect in self.effects.values()):
            state = "abandoned"
        result = records.NULL if self._returned is None else Raw(self._returned)
        self.ended = Ended(state, result, kept)
        self.timers.clear()
        self._slate.out.append(self.ended)

    @property
    def _over(self) -> bool:
        """Whether the body has nothing more to say."""
        return self._direction == "back" or self._returned is not None

    def _arm(self, effect: Effect) -> None:
        """Keep what is known about the effects as a whole in step with one that moved."""
        if effect.busy:
            self._busy.add(effect.pos)
        else:
            self._busy.discard(effect.pos)
        if effect.until is None:
            self.timers.pop(effect.pos, None)
        else:
            self.timers[effect.pos] = effect.until


def _stage(effect: Effect) -> int:
    return effect.stage


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
    records.Stalled: Machine._has_stalled,
    records.Retried: Machine._person_acted,
    records.Resolved: Machine._person_acted,
    records.Abandoned: Machine._person_acted,
    records.Answered: Machine._person_acted,
}
