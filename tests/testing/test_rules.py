"""Each rule that is the engine's own is found broken when the engine breaks it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from amends import Retry, saga, step
from amends.engine.runner import Runner
from amends.errors import LeaseLost, RuleBroken
from amends.model import keys
from amends.model.effect import TRANSITIONS, Effect
from amends.model.effects import Effects
from amends.model.join import End, Failed
from amends.model.machine import Machine
from amends.model.phase import Phase
from amends.model.records import Answered, UndoDone
from amends.stores.memory import MemoryStore
from amends.stores.port import Change
from amends.testing import Scenario, explore
from tests.testing import own_joins
from tests.testing import own_sagas as own

Patch = pytest.MonkeyPatch


def unfenced(patch: Patch) -> None:
    real = MemoryStore._commit

    def commit(self: MemoryStore, change: Change) -> None:
        run = self.shelf.runs[change.run_id]
        self.shelf.runs[change.run_id] = replace(run, epoch=change.epoch, owner=self._worker)
        real(self, replace(change, turn=change.turn and replace(change.turn, seq=len(self.shelf.turns[run.id]) + 1)))

    patch.setattr(MemoryStore, "_commit", commit)


def first_undone_first(patch: Patch) -> None:
    real = Effects.go_on

    def go_on(self: Effects) -> None:
        self._to_undo.sort(key=lambda effect: -effect.stage)
        real(self)

    patch.setattr(Effects, "go_on", go_on)


def acts_before_the_commit(patch: Patch) -> None:
    real = Runner._commit

    def commit(self: Runner, turn: Any, decisions: Any, mail: Any) -> None:
        for decision in decisions:
            self._perform(decision)
        real(self, turn, [], mail)

    patch.setattr(Runner, "_commit", commit)
    patch.setattr("amends.testing.explorer.network.TRAVEL", 0.0)


def letters_are_not_listed(patch: Patch) -> None:
    real = MemoryStore._commit
    patch.setattr(MemoryStore, "_commit", lambda self, change: real(self, replace(change, letters=())))


def bodies_hear_of_leases(patch: Patch) -> None:
    real = Machine._end_of

    def end_of(self: Machine, effect: Effect) -> End:
        return real(self, effect) if effect.phase is Phase.DONE else Failed(LeaseLost("not the body's business"))

    patch.setattr(Machine, "_end_of", end_of)


def keys_hold_the_attempt(patch: Patch) -> None:
    numbers = iter(range(1_000_000))
    real = keys.step_key
    patch.setattr(keys, "step_key", lambda *args: real(*args, generation=next(numbers)))


def undo_is_not_called(patch: Patch) -> None:
    def undo(self: Effect) -> Iterator[Any]:
        self.phase = Phase.UNDONE
        return iter(())

    patch.setattr(Effect, "undo", undo)


def doubt_is_forgotten(patch: Patch) -> None:
    def give_up(self: Effect) -> Iterator[Any]:
        self.phase = Phase.FAILED
        return iter(())

    patch.setattr(Effect, "_give_up", give_up)


def undo_goes_on_for_ever(patch: Patch) -> None:
    patch.setitem(TRANSITIONS, (Phase.UNDOING, UndoDone), Effect._undo_again)


def mail_comes_first(patch: Patch) -> None:
    real = Runner.settle_in

    def settle_in(self: Runner, mail: Any) -> None:
        self.take_mail(mail)
        real(self, [])

    patch.setattr(Runner, "settle_in", settle_in)


BROKEN: dict[str, tuple[Callable[[Patch], None], Any, str, int]] = {
    "fencing is off": (unfenced, own.trip("ada"), "fenced", 2),
    "the first is undone first": (first_undone_first, own.fails_at_the_end("ada"), "undo_order", 0),
    "calls come before the commit": (acts_before_the_commit, own.trip("ada"), "intent_first", 0),
    "dead letters are swallowed": (letters_are_not_listed, own.sends("box"), "letters_open", 1),
    "bodies hear of leases": (bodies_hear_of_leases, own.falls_back("ada"), "no_foreign_error", 1),
    "keys are new each time": (keys_hold_the_attempt, own.trip("ada"), "replays", 1),
    "undos are not called": (undo_is_not_called, own.fails_at_the_end("ada"), "nothing_left", 0),
    "a doubt is forgotten": (doubt_is_forgotten, own.pays(5), "nothing_left", 2),
    "mail is told before a recovery": (mail_comes_first, own_joins.SCENARIOS["told or strolls"], "one_call", 2),
    "undos never end": (undo_goes_on_for_ever, own.fails_at_the_end("ada"), "ends", 0),
}


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_found(name: str, monkeypatch: Patch) -> None:
    breaks, call, rule, most = BROKEN[name]
    breaks(monkeypatch)
    given = {} if isinstance(call, Scenario) else {"world": own.world}
    with pytest.raises(RuleBroken) as caught:
        explore(call, faults=2, reaches=(), **given)
    found = caught.value.exploration.found
    assert rule in [breach.rule for breach in found.breaches], str(caught.value)
    assert len(found.deviations) <= most


left: list[asyncio.Task[None]] = []


async def _fail() -> None:
    _raise()


def _raise() -> None:
    raise OSError("nobody waits for this")


@step(retry=Retry(attempts=1), no_undo="it only leaves something behind")
async def leave(how: str) -> str:
    if how == "callback":
        asyncio.get_running_loop().call_soon(_raise)
    else:
        left.append(asyncio.create_task(_fail()))
    room = str(await own.hotel.do("room"))
    if how == "task that is asked":
        assert isinstance(left[-1].exception(), OSError)
    return room


@saga
async def leaves(how: str) -> str:
    return await leave(how)


@pytest.mark.parametrize("how", ["callback", "task"])
def test_an_error_that_nobody_waits_for_is_found(how: str) -> None:
    with pytest.raises(RuleBroken, match="OSError: nobody waits for this") as caught:
        explore(leaves(how), world=own.world)
    assert caught.value.exploration.found.breaches[0].rule == "no_stray_error"


def test_an_error_that_somebody_asks_for_is_no_stray() -> None:
    """Not even in worlds in which a worker dies before it can ask."""
    kinds = ["crash_after_effect", "crash_after_commit"]
    assert explore(leaves("task that is asked"), world=own.world, kinds=kinds).ok


def test_two_results_of_one_step_and_records_after_the_end_are_found() -> None:
    """The machine refuses both, so the journal is edited by hand."""
    from dataclasses import replace as edited

    from amends.model.records import NULL, StepDone
    from amends.testing import Scenario
    from amends.testing.explorer.elsewhere import Elsewhere
    from amends.testing.explorer.player import playing
    from amends.testing.explorer.rules import NAMES

    scenario = Scenario(own.pays(5), own.world)
    with playing(scenario, Elsewhere(scenario)) as player:
        ending = player.follow(()).ending
    account = ending.accounts["explored"]
    more = [StepDone(0.0, 1, 1, NULL), Answered(0.0, 1, "ann", True, NULL, "")]
    twice = edited(ending, accounts={"explored": edited(account)})
    twice.accounts["explored"].__dict__["records"] = [*account.records, *more]
    said = list(NAMES["one_outcome"].test(twice))
    assert "StepDone was journaled after the end of explored" in said
    assert "the step at 1 of explored has two results" in said
    assert not list(NAMES["one_outcome"].test(ending))
