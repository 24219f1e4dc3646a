"""One run of a saga as a pure machine: it is told a fact, and says what it decides.

No clock, no I/O, no luck, no event loop: time is the time of the facts, and the body is driven by hand. Feeding the same
facts to a fresh machine gives the same decisions, which is all that recovery is (see `replay`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from amends.errors import AmendsError, DefinitionError, IllegalFact, NotStorable, StepFailed
from amends.model import keys, records
from amends.model.body import Body, Raised, Receive, Returned, Sleep
from amends.model.call import Call, Step
from amends.model.codec import shape_of
from amends.model.effect import IN_FLIGHT, Effect, Phase
from amends.model.failure import failure_of
from amends.model.letters import Letters
from amends.model.records import DeadLettered, Decision, Ended, Fact, Failure, Raw, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from amends.model.body import Ask
    from amends.model.saga import Saga

RUN = 0
"""The position of the run itself: its deadline, and letters that are about no step."""

MOST_POSITIONS = 100_000
"""How many things one saga body may await; a longer saga is split into several runs."""


class Machine:
    """One run. `timers` says when which position wants to be told `TimeUp`."""

    def __init__(self, saga: Saga[..., Any], run_id: str, args: bytes, *, seed: bytes, namespace: str) -> None:
        self.saga = saga
        self.run_id = run_id
        self.timers: dict[int, float] = {}
        self.effects: dict[int, Effect] = {}
        self.cause: Failure | None = None
        self.live: dict[int, BaseException] = {}
        self.live_cause: BaseException | None = None
        self.ended: Ended | None = None
        self.told: list[records.Told] = []
        self._namespace = namespace
        self._args = args
        self._seed = seed
        self._body: Body | None = None
        self._pos = 0
        self._waits: Ask | None = None
        self._direction: Literal["forward", "back"] = "forward"
        self._returned: bytes | None = None
        self._letters = Letters()
        self._stalled: int | None = None
        self._busy: set[int] = set()
        self._to_undo: list[Effect] = []
        self._out: list[Decision] = []

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
    def waits(self) -> Ask | None:
        """What the body waits for."""
        return self._waits

    @property
    def now(self) -> float:
        """The latest instant that the run was told of; 0 before it began."""
        return 0.0 if self._body is None else self._body.now

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
        self._out = []
        if self._body is not None:
            self._body.now = max(self._body.now, fact.at)
        move(self, fact)
        return self._out

    # ── facts ───────────────────────────────────────────────────────────────────────────────────

    def _started(self, fact: records.Started) -> None:
        values = self.saga.signature.decode(self._args)
        self._body = Body(self.saga.function(**values), self._seed)
        self._body.now = fact.at
        if self.saga.deadline is not None:
            self._set_timer(RUN, fact.at + self.saga.deadline)
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
        elif isinstance(self._waits, Receive):
            self._drive(error=TimeoutError(f"no {self._waits.name} came within {self._waits.timeout:g} seconds"))
        else:
            self._drive()

    def _was_told(self, fact: records.Told) -> None:
        self.told.append(fact)
        if isinstance(self._waits, Receive) and not self._over:
            message = self._next_message(self._waits)
            if message:
                self.timers.pop(self._pos, None)
                self._drive(message[0])

    def _cancelled(self, fact: records.Cancelled) -> None:
        why = f"cancelled by {fact.by}" + (f": {fact.reason}" if fact.reason else "")
        self._turn_back("cancelled", Failure("Cancelled", why))

    def _recovered(self, fact: records.Recovered) -> None:
        for effect in self.in_flight():
            self._move(effect, fact)

    def _has_stalled(self, fact: records.Stalled) -> None:
        letter = self._letters.write(RUN, fact.kind, fact.error)
        self._stalled = letter.letter
        self._out.append(letter)

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

    def _drive(self, value: Any = None, error: BaseException | None = None) -> None:
        """Go on with the body until it waits for something or is over."""
        assert self._body is not None
        self._waits = None
        while True:
            came = self._body.resume(value, error)
            value, error = None, None
            if isinstance(came, Returned):
                self._body_returned(came.value)
                return
            if isinstance(came, Raised):
                self._turn_back("failed", self._describe(came.error), came.error)
                return
            try:
                ready = self._ask(came)
            except (AmendsError, TypeError) as refused:
                error = refused
                continue
            if not ready:
                self._waits = came
                return
            value = ready[0]

    def _ask(self, wanted: Ask) -> tuple[Any] | None:
        """Begin what the body awaits; its value in a tuple if that is known at once."""
        assert self._body is not None
        pos = self._pos + 1
        if pos > MOST_POSITIONS:
            raise DefinitionError(f"a saga may await {MOST_POSITIONS} things; split this one into several runs.")
        if isinstance(wanted, Call):
            effect = self._effect(pos, wanted)
            self._pos = pos
            self.effects[pos] = effect
            self._busy.add(pos)
            self._out.append(effect.wanted())
            return None
        self._pos = pos
        if isinstance(wanted, Sleep):
            wake = wanted.until if wanted.until is not None else self._body.now + (wanted.seconds or 0.0)
            self._set_timer(pos, wake)
            return None
        until = None if wanted.timeout is None else self._body.now + wanted.timeout
        self._out.append(records.ReceiveWanted(pos, wanted.name, until))
        message = self._next_message(wanted)
        if message is None and until is not None:
            self.timers[pos] = until
        return message

    def _effect(self, pos: int, call: Call[Any]) -> Effect:
        if not isinstance(call.target, Step):
            raise DefinitionError(
                f"{call!r}: a saga cannot be awaited within a saga. Start it as a run of its own, in a step."
            )
        args = call.target.signature.encode(call.args, call.kwargs)
        key = keys.step_key(self._namespace, self.saga.name, self.run_id, pos, call.target.name, args)
        return Effect(pos, call.target, key, args, self._letters)

    def _next_message(self, wanted: Receive) -> tuple[Any] | None:
        for number, told in enumerate(self.told):
            if told.name == wanted.name:
                del self.told[number]
                try:
                    return (shape_of(wanted.type).decode(told.body),)
                except NotStorable as error:
                    self._out.append(records.Unreadable(self._pos, number, str(error)))
                    return self._next_message(wanted)
        return None

    def _body_returned(self, value: Any) -> None:
        try:
            self._returned = self.saga.signature.result.encode(value)
        except NotStorable as error:
            refused = NotStorable(error.what, path=(self.saga.name, "return", *error.path), cure=error.cure)
            self._turn_back("failed", failure_of(refused), refused)
            return
        self.timers.pop(RUN, None)
        self._go_on()

    def _describe(self, error: BaseException) -> Failure:
        """The original failure: of a step that was given up, the step's own error."""
        effect = self.effects.get(self._pos)
        if isinstance(error, StepFailed) and effect is not None and effect.error is not None:
            return effect.error
        return failure_of(error)

    # ── the effects ─────────────────────────────────────────────────────────────────────────────

    def _move(self, effect: Effect, fact: Fact) -> None:
        """Let one effect move on, and then whatever waited for it."""
        self._out.extend(effect.receive(fact))
        self._arm(effect)
        if effect.busy:
            return
        if self._direction == "forward" and effect.pos == self._pos and isinstance(self._waits, Call):
            self._deliver(effect)
            return
        if effect.phase is Phase.DONE:
            self._to_undo.append(effect)  # the body never had this result: what was found done is undone
        self._go_on()

    def _deliver(self, effect: Effect) -> None:
        if effect.phase is Phase.DONE:
            assert effect.result is not None
            self._drive(effect.step.signature.result.decode(effect.result))
            return
        error = effect.error or Failure("Unknown", "")
        failed = StepFailed(
            effect.step.name,
            error_type=error.type,
            error_message=error.message,
            error_data=shape_of(Any).decode(error.data),
            attempts=effect.attempt,
            in_doubt=effect.phase is Phase.LETTER,
        )
        failed.__cause__ = self.live.pop(effect.pos, None)
        self._drive(error=failed)

    def _turn_back(self, why: Literal["failed", "cancelled", "deadline"], cause: Failure, live: Any = None) -> None:
        """From here on only back; asked for twice, or when the body is over, it changes nothing."""
        if self._over:
            return
        assert self._body is not None
        self._direction, self._waits, self.cause = "back", None, cause
        self.live_cause = live.__cause__ if isinstance(live, StepFailed) and live.__cause__ else live
        self.timers.pop(RUN, None)
        if self._pos not in self.effects:
            self.timers.pop(self._pos, None)
        self._body.close()
        self._out.append(records.RollbackBegan(why, cause))
        self._to_undo = list(self.effects.values())
        for pos in sorted(self._busy):
            self._out.extend(self.effects[pos].turn_back())
            self._arm(self.effects[pos])
        self._go_on()

    def _go_on(self) -> None:
        """Undo the last effect that is not yet undone; when none is left, end."""
        while self._to_undo and not self._busy:
            effect = self._to_undo.pop()
            if effect.phase is Phase.DONE:
                self._out.extend(effect.undo())
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
        self._out.append(self.ended)

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

    def _set_timer(self, pos: int, until: float) -> None:
        self.timers[pos] = until
        self._out.append(records.TimerWanted(pos, until))


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
