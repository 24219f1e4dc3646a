"""Each rule about joins, nested runs and the way back is found broken when the engine breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from amends.engine import family
from amends.engine.runner import Runner
from amends.errors import RuleBroken
from amends.model import chunk, records
from amends.model.child import Child
from amends.model.effect import Effect
from amends.model.effects import Effects
from amends.model.join import Count, End, Ok, Verdict
from amends.model.machine import Machine
from amends.model.phase import Phase
from amends.model.records import ChildUndoWanted, Decision, JoinDecided, Raw
from amends.model.waiting import Waiting
from amends.stores.memory import MemoryStore
from amends.testing import Scenario, explore
from amends.testing.explorer import words
from tests.testing import own_families as families
from tests.testing import own_joins as joins
from tests.testing import own_sagas as own

Patch = pytest.MonkeyPatch


def cancels_are_only_noted(patch: Patch) -> None:
    patch.setitem(_moves(), records.Cancelled, lambda machine, fact: None)


def _moves() -> Any:
    from amends.model.machine import MOVES

    return MOVES


def calls_go_on_after_the_turn(patch: Patch) -> None:
    patch.setattr(Effect, "_may_call_again", lambda self: True)


def what_is_kept_is_undone(patch: Patch) -> None:
    real = Effects.lose
    patch.setattr(Effects, "lose", lambda self, effect, losers: real(self, effect, "undo"))


def losers_are_let_go(patch: Patch) -> None:
    real = Effects.lose
    patch.setattr(Effects, "lose", lambda self, effect, losers: real(self, effect, "keep"))


def losers_come_before_the_decision(patch: Patch) -> None:
    real = Waiting._decide

    def decide(self: Waiting, *given: Any) -> End:
        end = real(self, *given)
        self._slate.out.sort(key=lambda record: isinstance(record, JoinDecided))
        return end

    patch.setattr(Waiting, "_decide", decide)


def losers_are_stopped_at_once(patch: Patch) -> None:
    real = Runner._commit

    def commit(self: Runner, turn: Any, decisions: Any, mail: Any) -> None:
        for decision in decisions:
            if isinstance(decision, records.StopWanted):
                self._perform(decision)
        real(self, turn, decisions, mail)

    patch.setattr(Runner, "_commit", commit)


def failures_are_counted(patch: Patch) -> None:
    real = Count.arrive

    def arrive(self: Count, index: int, end: End) -> Verdict | None:
        return real(self, index, end if isinstance(end, Ok) else Ok("failed"))

    patch.setattr(Count, "arrive", arrive)


def equal_items_have_one_key(patch: Patch) -> None:
    def named(entries: list[chunk.Entry], base: str) -> list[chunk.Entry]:
        return [chunk.Entry(entry.args, entry.key, "the same") for entry in entries]

    patch.setattr(chunk, "named", named)


def nested_runs_stay_open(patch: Patch) -> None:
    patch.setattr(MemoryStore, "_free", lambda self, run_id, at: None)


def owners_are_told_something_else(patch: Patch) -> None:
    real = family._to_owner

    def to_owner(*given: Any) -> Any:
        fact = real(*given)
        return replace(fact, result=Raw(b'"another"')) if isinstance(fact, records.ChildDone) else fact

    patch.setattr(family, "_to_owner", to_owner)


def owners_do_not_wait(patch: Patch) -> None:
    def unwind(self: Child) -> Iterator[Decision]:
        self.phase, self._unwinding = Phase.UNDONE, True
        yield ChildUndoWanted(self.pos)

    patch.setattr(Child, "_unwind", unwind)


def nested_runs_are_not_taken_back(patch: Patch) -> None:
    def unwound(self: Machine, fact: records.Unwound) -> None:
        return None

    patch.setitem(_moves(), records.Unwound, unwound)


BROKEN: dict[str, tuple[Callable[[Patch], None], Scenario, str, int]] = {
    "cancels are only noted": (cancels_are_only_noted, own.SCENARIOS["naps"], "turns_back", 1),
    "calls go on after the turn": (calls_go_on_after_the_turn, own.SCENARIOS["trip"], "turns_back", 2),
    "nested runs are not taken back": (nested_runs_are_not_taken_back, families.SCENARIOS["fails around"], "turns_back", 0),
    "what is kept is undone": (what_is_kept_is_undone, joins.SCENARIOS["either is kept"], "kept_stays", 0),
    "losers are let go": (losers_are_let_go, joins.SCENARIOS["either"], "losers_undone", 0),
    "losers before the decision": (losers_come_before_the_decision, joins.SCENARIOS["either"], "decided_first", 0),
    "losers are stopped at once": (losers_are_stopped_at_once, joins.SCENARIOS["either, then fails"], "decided_first", 0),
    "failures are counted": (failures_are_counted, joins.SCENARIOS["either"], "decided_rightly", 1),
    "equal items have one key": (equal_items_have_one_key, families.SCENARIOS["each of equals"], "keys_apart", 0),
    "nested runs stay open": (nested_runs_stay_open, families.SCENARIOS["two pairs"], "family_closes", 0),
    "owners hear something else": (owners_are_told_something_else, families.SCENARIOS["two pairs"], "family_agrees", 0),
    "owners do not wait": (owners_do_not_wait, families.SCENARIOS["fails around"], "undo_order", 0),
}


def test_every_record_has_its_words() -> None:
    kinds = {kind for kind in vars(records).values() if isinstance(kind, type) and issubclass(kind, records.Record)}
    assert words._WORDS.keys() == kinds - {records.Record, records.Fact, records.Decision}


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_found(name: str, monkeypatch: Patch) -> None:
    breaks, scenario, rule, most = BROKEN[name]
    breaks(monkeypatch)
    with pytest.raises(RuleBroken) as caught:
        explore(scenario, faults=2, reaches=())
    found = caught.value.exploration.found
    assert rule in [breach.rule for breach in found.breaches], str(caught.value)
    assert len(found.deviations) <= most
