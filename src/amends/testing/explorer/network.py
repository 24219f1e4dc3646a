"""The way between workers and services: where requests are lost, late, repeated, or sent by somebody who died meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from amends.model.driving import driving
from amends.model.records import StopWanted
from amends.model.turn import encode_turn
from amends.testing.clock import Loop
from amends.testing.explorer import faults
from amends.testing.explorer.scenario import asked_by_a_body, not_of_this_world
from amends.testing.world import Gone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from amends.errors import DefinitionError
    from amends.model.effect import Effect as Engaged
    from amends.testing.explorer.fate import Actor, Fate
    from amends.testing.explorer.faults import Kind
    from amends.testing.world import Ask, Effect

    Meeting: TypeAlias = "Callable[[Network, Ask, Actor], Awaitable[Any]]"

TRAVEL = 0.005
"""Seconds from a worker to a service, and back again."""

HANG = 3600.0
"""Seconds that an answer takes while something else is to come first."""

_LOST = "the connection was lost before an answer came"


class Network:
    """Carries every request to its service (see `world.Stage`)."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
        self._late: list[Ask] = []
        self._broken: set[tuple[str, str | None, str]] = set()

    async def carry(self, ask: Ask) -> Any:
        """Bring a request to its service, and its answer back, if nothing happens on the way."""
        if driving.get():
            self._refuse_all(asked_by_a_body(ask.service))
        loop = asyncio._get_running_loop()
        if not isinstance(loop, Loop):
            return ask.apply()
        worker = self._fate.team.on(loop)
        self._demand_intent(ask)
        if self._broken and _subject(ask) in self._broken:
            return await self._refuse(ask, worker)
        fate, effect = self._fate, worker.effect(ask.behalf)
        meeting = _MEETINGS[faults.NOTHING if fate.settled else fate.pick(_place(ask), self._options(ask, effect, worker))]
        try:
            return await meeting(self, ask, worker)
        except asyncio.CancelledError:
            if worker.effect(ask.behalf) is effect:  # else whoever drove the run is gone, and its calls with it
                self._demand_decision(ask, effect)
            raise

    def doubled(self, effect: Effect) -> None:
        """A service was made to take effect a second time for one step."""
        self._fate.breaks("one_effect", f"{effect.service} did {effect.what!r} of step {effect.step} a second time")

    def foreign(self, ask: Ask) -> None:
        """Something that a simulated worker does must not go past the world that it is in: there is no ledger of it."""
        if driving.get():
            self._refuse_all(asked_by_a_body(ask.service))
        if isinstance(asyncio._get_running_loop(), Loop):
            self._refuse_all(not_of_this_world(f"{ask.target} of {ask.step or 'nobody'}", ask.service))

    def _refuse_all(self, why: DefinitionError) -> NoReturn:
        self._fate.refuse(why)
        raise why

    def land(self) -> bool:
        """Let the requests arrive that were still on their way; False when there were none."""
        late, self._late = self._late, []
        for ask in late:
            self._arrive_late(ask)
        return bool(late)

    def mend(self) -> None:
        """What was broken works again."""
        self._broken.clear()

    def _options(self, ask: Ask, effect: Engaged | None, worker: Actor) -> tuple[Kind, ...]:
        return faults.of_call(
            ask.target,
            self._fate.scenario.explored,
            deadline=worker.deadline() is not None,
            others=worker.in_flight() > 1,
            tried_again=effect is not None and effect.step.options.retry.again(ask.service.unavailable(), lost=False),
            absorbed=self._fate.troubled and ask.absorbed,
        )

    def _demand_intent(self, ask: Ask) -> None:
        """Whatever is called, its intent is durable by then."""
        if ask.current is not None and not self._fate.journaled(ask.current.run_id, ask.current.key):
            self._fate.breaks("intent_first", f"{_place(ask)} was called before its intent was durable")

    def _demand_decision(self, ask: Ask, effect: Engaged | None) -> None:
        """A step without a time limit is interrupted by a run that is driven on only once that is decided, and durable."""
        if effect is None or ask.current is None or ask.target != "step" or effect.step.options.timeout is not None:
            return
        decision = encode_turn([StopWanted(effect.pos)])[1:-1].decode()
        if not self._fate.journaled(ask.current.run_id, decision):
            self._fate.breaks("decided_first", f"{_place(ask)} was interrupted before that was durable")

    # ── what a request meets ────────────────────────────────────────────────────────────────────

    async def _arrive(self, ask: Ask, worker: Actor) -> Any:
        await asyncio.sleep(TRAVEL)
        answer = self._apply(ask, worker)
        await asyncio.sleep(TRAVEL + ask.service.habits.slow)
        return answer

    async def _refuse(self, ask: Ask, worker: Actor) -> Any:
        await asyncio.sleep(2 * TRAVEL)
        self._fate.tale.add(worker, f"{_place(ask)} is refused")
        raise ask.service.refusal(f"{ask.service.name} says no")

    async def _be_unavailable(self, ask: Ask, worker: Actor) -> Any:
        await asyncio.sleep(2 * TRAVEL)
        raise ask.service.unavailable(f"{ask.service.name} is unavailable")

    async def _lose(self, ask: Ask, worker: Actor) -> Any:
        await asyncio.sleep(2 * TRAVEL)
        raise ConnectionResetError(_LOST)

    async def _lose_answer(self, ask: Ask, worker: Actor) -> Any:
        await asyncio.sleep(TRAVEL)
        self._apply(ask, worker)
        await asyncio.sleep(TRAVEL)
        raise ConnectionResetError(_LOST)

    async def _be_late(self, ask: Ask, worker: Actor) -> Any:
        await asyncio.sleep(TRAVEL)
        self._late.append(ask)
        raise ConnectionResetError(_LOST)

    async def _repeat(self, ask: Ask, worker: Actor) -> Any:
        await asyncio.sleep(TRAVEL)
        answer = self._apply(ask, worker)
        self._apply(ask, worker)
        await asyncio.sleep(TRAVEL)
        return answer

    async def _break(self, ask: Ask, worker: Actor) -> Any:
        self._broken.add(_subject(ask))
        return await self._refuse(ask, worker)

    async def _freeze_before(self, ask: Ask, worker: Actor) -> Any:
        self._fate.team.freeze(worker)
        return await self._arrive(ask, worker)

    async def _freeze_after(self, ask: Ask, worker: Actor) -> Any:
        await asyncio.sleep(TRAVEL)
        answer = self._apply(ask, worker)
        self._fate.team.freeze(worker)
        await asyncio.sleep(TRAVEL)
        return answer

    async def _crash(self, ask: Ask, worker: Actor) -> Any:
        await asyncio.sleep(TRAVEL)
        self._apply(ask, worker)
        self._fate.team.kill(worker)
        await worker.loop.create_future()

    async def _cancel(self, ask: Ask, worker: Actor) -> Any:
        await asyncio.sleep(TRAVEL)
        answer = self._apply(ask, worker)
        worker.cancel()
        await asyncio.sleep(HANG)
        return answer

    async def _overrun(self, ask: Ask, worker: Actor) -> Any:
        await asyncio.sleep(self._until_deadline(worker))
        return await self._arrive(ask, worker)

    async def _overrun_after(self, ask: Ask, worker: Actor) -> Any:
        await asyncio.sleep(TRAVEL)
        answer = self._apply(ask, worker)
        await asyncio.sleep(self._until_deadline(worker))
        return answer

    async def _overtake(self, ask: Ask, worker: Actor) -> Any:
        answer = self._apply(ask, worker)
        await asyncio.sleep(0)
        return answer

    def _until_deadline(self, worker: Actor) -> float:
        return (worker.deadline() or 0.0) - self._fate.clock.now + HANG

    # ── arrival ─────────────────────────────────────────────────────────────────────────────────

    def _apply(self, ask: Ask, worker: Actor | None) -> Any:
        try:
            answer = ask.apply()
        except Exception as refusal:  # it is the service's answer, and goes on its way to the worker
            self._fate.tale.add(worker, f"{_place(ask)} is refused: {refusal}")
            raise
        self._fate.tale.add(worker, f"{_place(ask)} {_did(ask)}, answer {answer!r}")
        if ask.verb == "undo":
            self._settle(ask.service.name, ask.behalf)
        return answer

    def _settle(self, service: str, behalf: str | None) -> None:
        """What was on its way for a step arrives after its undo."""
        due = [ask for ask in self._late if ask.service.name == service and behalf in (ask.behalf, ask.key)]
        for ask in due:
            self._late.remove(ask)
            self._arrive_late(ask)

    def _arrive_late(self, ask: Ask) -> None:
        try:
            answer = ask.apply()
        except Exception as refusal:  # nobody waits for this answer any more
            self._fate.tale.add(None, f"{_place(ask)}, the late request, is refused: {refusal}")
        else:
            self._fate.tale.add(None, f"{_place(ask)}, the late request, {_did(ask)}, answer {answer!r}")


class Afterlife:
    """Carries nothing: what the dead of a world that is over still ask for, nobody hears."""

    async def carry(self, ask: Ask) -> Any:
        """See `world.Stage`."""
        raise Gone

    def foreign(self, ask: Ask) -> None:
        """See `world.Stage`."""
        raise Gone

    def doubled(self, effect: Effect) -> None:
        """See `world.Stage`."""


AFTERLIFE = Afterlife()


def _subject(ask: Ask) -> tuple[str, str | None, str]:
    return ask.service.name, ask.behalf, ask.target


def _place(ask: Ask) -> str:
    what = f".{ask.what}" if ask.verb == "do" else f".{ask.verb}"
    return f"{ask.target} of {ask.step or 'nobody'} at {ask.service.name}{what}"


def _did(ask: Ask) -> str:
    return "was done before by its key" if ask.known else _DID[ask.verb]


_DID = {"do": "takes effect", "undo": "is undone", "check": "is looked up"}

_MEETINGS: dict[Kind, Meeting] = {
    faults.NOTHING: Network._arrive,
    "refused": Network._refuse,
    "unavailable": Network._be_unavailable,
    "request_lost": Network._lose,
    "answer_lost": Network._lose_answer,
    "late_effect": Network._be_late,
    "duplicate": Network._repeat,
    "broken": Network._break,
    "zombie_before": Network._freeze_before,
    "zombie_after": Network._freeze_after,
    "crash_after_effect": Network._crash,
    "cancel_in_call": Network._cancel,
    "deadline_before": Network._overrun,
    "deadline_in_call": Network._overrun_after,
    "overtakes": Network._overtake,
}
