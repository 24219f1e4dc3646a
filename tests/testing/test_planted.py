"""Planted errors in users' sagas are found by the right rule with the fewest faults; their repaired twins pass."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from amends.errors import RuleBroken
from amends.model.call import Call
from amends.testing import Ending, Exploration, always, explore, when_completed
from amends.testing.explorer.brief import brief, cut
from tests.testing.planted import endless, keys, undos

UNLUCKY = {"reaches": ("compensated",)}
ANYHOW: dict[str, Any] = {"reaches": ()}


def paid(ending: Ending) -> None:
    assert ending.standing("bank"), "shipped, and nobody has paid"


def nobody_is_asked(ending: Ending) -> bool:
    return not ending.letters


TOLD: dict[str, Any] = {"tell": [keys.Approval(ok=True)], "kinds": ["crash_after_commit", "cancel"]}

PLANTED: dict[str, tuple[Call[Any], str, int, str, dict[str, Any]]] = {
    "an undo is forgotten": (undos.forgets_an_undo(False), "nothing_left", 0, "book_seat", {}),
    "an undo undoes something else": (undos.undoes_the_wrong_thing(), "nothing_left", 0, "book_suite", {}),
    "no key is passed on": (keys.pays_without_key(), "one_effect", 1, "pay_without_key", {}),
    "a key is made of the time": (keys.pays_by_the_clock(), "one_effect", 1, "pay_by_the_clock", {}),
    "a key is made of the second": (keys.pays_by_the_second(), "one_effect", 1, "pay_by_the_second", {}),
    "two calls share a key": (keys.pays_in_two_parts(), "done_means_done", 0, "pay_for_the_order", {}),
    "a body goes by the time of day": (keys.pays_in_the_first_hour(), "replays", 0, "pay_well", {}),
    "an undo ignores None": (undos.ignores_a_lost_answer(), "nothing_left", 1, "book_car", {}),
    "an undo needs an answer": (
        undos.needs_the_answer(),
        "nobody_is_asked",
        1,
        "book_bus",
        {"expect": [always(nobody_is_asked)]},
    ),
    "an undo is not idempotent": (undos.refunds_twice(), "nothing_left", 1, "charge", {}),
    "a failed step is swallowed": (keys.ships_unpaid(), "paid", 1, "pay_well", {"expect": [when_completed(paid)]}),
    "a body goes by the order of a set": (keys.visits_in_any_order(), "replays", 0, "visit", {}),
    "an undo waits for the way forward": (undos.never_ends_after_a_cancel(), "ends", 1, "order_print", {}),
    "a check knows nothing": (keys.checks_nothing(), "nothing_left", 1, "transfer", {}),
    "a check makes things up": (keys.checks_anything(), "done_means_done", 1, "transfer_two", {}),
    "a service forgets what was cancelled": (undos.advertises(), "stays_undone", 1, "order_ad", {}),
    "a message never comes": (keys.waits_for_nobody(), "ends", 0, "Approval", {}),
    "a step never answers": (keys.hangs(), "ends", 0, "hang", {}),
    "a body draws luck of its own": (keys.draws_of_its_own(), "replays", 0, "visit", {}),
    "two effects, one undone": (undos.undoes_half(), "nothing_left", 0, "book_both", {}),
    "a service is not idempotent": (keys.faxes_twice(), "one_effect", 1, "send_fax", {}),
    "a body waits for what never comes": (endless.waits_until_it_can_be_had(), "ends", 1, "order_lamp", {}),
    "a body asks again and again": (endless.looks_again_and_again(), "ends", 0, "look_whether_it_came", {}),
    "an undo's own act arrives twice": (keys.announces(), "one_effect", 2, "announce", {"kinds": ["refused", "duplicate"]}),
}

REPAIRED: dict[str, tuple[Call[Any], dict[str, Any]]] = {
    "every undo is there": (undos.forgets_no_undo(True), {}),
    "every undo is there, and needed": (undos.forgets_no_undo(False), UNLUCKY),
    "undos undo what was done": (undos.undoes_the_right_thing(), UNLUCKY),
    "the key is passed on": (keys.pays_well(), {}),
    "each call has its key": (keys.pays_in_two_parts_well(), {}),
    "a body goes by the time of amends": (keys.pays_in_the_first_hour_by_amends(), {}),
    "an undo cancels by key": (undos.cancels_by_key(), {}),
    "an undo is idempotent": (undos.refunds_once(), UNLUCKY),
    "a failed step ends the saga": (keys.ships_paid(), {"expect": [when_completed(paid)]}),
    "a body sorts its sets": (keys.visits_in_order(), {}),
    "a body draws its luck from amends": (keys.draws_from_amends(), {}),
    "a check tells the truth": (keys.checks_well(), {}),
    "a service remembers what was cancelled": (undos.advertises_well(), {}),
    "a message comes": (
        keys.waits_for_nobody(),
        TOLD,
    ),
    "a time limit ends the wait": (keys.hangs_for_a_while(), {"kinds": ["crash_after_commit"]}),
    "a body waits for a while": (endless.waits_for_a_while(), {}),
    "a body asks three times": (endless.looks_three_times(), {"kinds": ["crash_after_commit", "cancel"]}),
    "what stays on purpose": (undos.keeps_on_purpose(), {"reaches": ("partly_compensated",)}),
}


def world_of(call: Call[Any]) -> Any:
    return sys.modules[call.target.function.__module__].world


def broken(call: Call[Any], **options: Any) -> Exploration:
    with pytest.raises(RuleBroken) as caught:
        explore(call, world=world_of(call), **ANYHOW, **options)
    exploration = caught.value.exploration
    assert isinstance(exploration, Exploration) and not exploration.ok
    return exploration


@pytest.mark.parametrize("name", PLANTED)
def test_it_is_found(name: str) -> None:
    call, rule, faults, step, options = PLANTED[name]
    exploration = broken(call, **options)
    assert exploration.found is not None
    assert exploration.found.breaches[0].rule == rule, str(exploration)
    assert len(exploration.found.deviations) == faults
    story = str(exploration)
    assert step in story and f"replay='{exploration.token}'" in story
    assert exploration.as_json()["finding"]["breaches"][0]["rule"] == rule


def test_a_request_that_is_known_by_its_key_is_not_said_to_take_effect_again() -> None:
    with pytest.raises(RuleBroken) as broken:
        explore(keys.pays_in_two_parts(), world=keys.world, faults=0)
    first, second = (line for line in str(broken.value).splitlines() if "at bank.payment" in line)
    assert first.endswith("takes effect, answer 'bank-1'")
    assert "was done before by its key" in second


def test_a_replay_that_went_another_way_is_told_by_both_ways() -> None:
    """And not by what an operator does about a run that is parked."""
    with pytest.raises(RuleBroken) as broken:
        explore(keys.draws_of_its_own(), world=keys.world, faults=0)
    why = broken.value.exploration.found.breaches[0].why
    assert why.startswith("at turn 1 of run 'explored' the journal has StepWanted(pos=1, step='visit', args={")
    assert ", and the replay of it asks for StepWanted(pos=1, step='visit', args={" in why
    assert "dlq retry" not in str(broken.value)


def test_a_story_without_end_is_told_by_its_ends_and_its_faults() -> None:
    exploration = broken(endless.waits_until_it_can_be_had())
    story = str(exploration)
    lines = story.splitlines()
    assert len(lines) < 150
    assert "the run begins" in story and "after 501 turns" in exploration.found.breaches[0].why
    assert sum("FAULT" in line for line in lines) == 1
    left_out = next(int(line.strip("… more").replace(",", "")) for line in lines if line.endswith("more …"))
    assert left_out > 900


def test_a_story_keeps_the_faults_of_its_middle_and_cuts_what_is_long() -> None:
    lines = list(brief(range(1_000), lambda number: [str(number)], keep=lambda number: number == 500))
    assert lines[38:44] == ["38", "39", "  … 460 more …", "500", "  … 459 more …", "960"] and len(lines) == 83
    assert list(brief(range(80), lambda number: [str(number)])) == [str(number) for number in range(80)]
    assert cut("a" * 1_000) == "a" * 1_000 and cut("a" * 3_000) == "a" * 1_000 + "… (2,000 more letters)"


@pytest.mark.parametrize("name", REPAIRED)
def test_its_repaired_twin_passes(name: str) -> None:
    call, options = REPAIRED[name]
    exploration = explore(call, world=world_of(call), **options)
    assert exploration.ok and exploration.worlds > 5


@pytest.mark.parametrize("how", ["socket", "program", "loop"])
def test_the_real_world_is_out_of_reach(how: str) -> None:
    """The step fails with the cure in its error, and nothing is opened."""
    exploration = explore(
        keys.reaches_out(how), world=keys.world, faults=0, reaches=("compensated",), expect=[always(_names_the_cure)]
    )
    assert exploration.ok


def _names_the_cure(ending: Ending) -> None:
    assert ending.cause is not None and "fake(step, service)" in ending.cause.message
