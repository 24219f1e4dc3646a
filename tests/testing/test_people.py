"""The people around a simulated run: what they do wrong is said, and is no defect of the saga."""

from __future__ import annotations

from typing import Any

import pytest

from amends import DefinitionError, saga, step
from amends.errors import NotStorable
from amends.testing import Scenario, World, always, explore, fake
from amends.testing.explorer.elsewhere import Elsewhere
from amends.testing.explorer.path import Deviation
from amends.testing.explorer.player import playing
from tests.testing import own_sagas as own
from tests.testing.planted import keys

SENDS: dict[str, Any] = {"world": own.world, "faults": 1}


def test_an_act_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"said 'retyr' about dead letter explored#1: it can say 'retry', 'resolve'"):
        explore(own.sends("box"), **SENDS, operator=lambda letter: "retyr")  # type: ignore[arg-type,return-value]


def test_an_act_that_does_not_fit_the_letter_is_refused() -> None:
    """`broken` makes a letter about an undo that failed: whether the step happened is known there."""
    with pytest.raises(DefinitionError, match="a letter about 'undo_failed' cannot be answered; what can be done: retry"):
        explore(own.fails_at_the_end("ada"), **SENDS, kinds=["broken"], operator=lambda letter: "happened", reaches=())


@pytest.mark.parametrize("call", [own.pays(5), own.drives("ada")], ids=["task", "thread"])
def test_a_step_that_uses_the_services_of_another_world_is_an_error_of_the_test(call: Any) -> None:
    before = len(own.world.effects)
    with pytest.raises(DefinitionError, match=r"step of \w+ uses <service \w+> of a World that is not explored here: give"):
        explore(call, faults=1)
    assert len(own.world.effects) == before, "nothing was done there"


@pytest.mark.parametrize(("when", "world"), [("first", own.world), ("first", World()), ("after a step", own.world)])
def test_a_body_that_uses_a_service_itself_is_an_error_of_the_test(when: str, world: World) -> None:
    """After a step, it would be asked under that step's key, and take it for the step."""
    with pytest.raises(DefinitionError, match=r"a saga body uses <service bank> itself, and would"):
        explore(own.pays_in_its_body(when), world=world, faults=1)


def test_a_fake_of_another_world_is_refused_before_the_first_world() -> None:
    with pytest.raises(DefinitionError, match="the fake of step charge uses <service bank> of a World that is not explored"):
        explore(own.pays(5), fakes=[fake(own.charge, own.bank, returns="r")])


def test_whoever_sets_a_world_up_or_judges_it_may_ask_its_services_and_others() -> None:
    till = World().service("till")

    def looks(_: object = None) -> None:
        assert own.bank.sync.check(key="nobody's") is None and till.sync.check(key="nobody's") is None

    assert explore(own.pays(5), **SENDS, setup=looks, expect=[always(looks)]).ok


ledger = World()
tills = ledger.service("till")


@step
async def takes(cents: int) -> str:
    return str(await tills.do("taking"))


@takes.undo
async def gives_back(receipt: str) -> None:
    await tills.undo(receipt)


@saga
async def takes_twice() -> None:
    await takes(1)
    await takes(2)


def test_what_a_person_is_needed_for_is_told_though_it_breaks_no_rule() -> None:
    """An undo that needs the receipt cannot settle a doubt; that is often an oversight."""
    exploration = explore(takes_twice(), world=ledger, kinds=["answer_lost"], faults=3, reaches=("needs_attention",))
    letters = exploration.as_json()["letters"]
    assert [(each["kind"], each["step"]) for each in letters] == [("in_doubt", "takes")]
    assert letters[0]["worlds"] == exploration.tally.ends["needs_attention"] > 0
    assert "people: in_doubt of takes" in str(exploration) and "a check, or an undo that takes None" in str(exploration)
    parts = explore(takes_twice(), world=ledger, kinds=["answer_lost"], faults=3, reaches=(), processes=2)
    assert parts.as_json()["letters"] == letters
    assert "people:" not in str(explore(own.pays(5), **SENDS))


async def content(ending: object) -> bool:
    return False


@pytest.mark.parametrize(
    ("judge", "said"),
    [(lambda ending: [], r"\[\]"), (lambda ending: content(ending), "<coroutine object content")],
    ids=["list", "coro"],
)
@pytest.mark.parametrize("processes", [1, 2])
def test_a_judge_that_gives_no_verdict_is_an_error_of_the_test(judge: Any, said: str, processes: int) -> None:
    with pytest.raises(DefinitionError, match=rf"<lambda> says {said}.* of a world, which is no verdict: let it assert, or"):
        explore(own.pays(5), **SENDS, expect=[always(judge)], processes=processes)


def test_an_operator_is_not_asked_about_a_run_that_was_parked() -> None:
    """That it was parked is the finding, and no act of theirs, fitting or not, hides it."""
    scenario = Scenario(keys.draws_of_its_own(), keys.world, operator=lambda letter: "resolve")
    with playing(scenario, Elsewhere(scenario)) as player:
        played = player.follow((Deviation(0, "crash_after_commit"),))
    assert [letter.kind for letter in played.ending.letters] == ["diverged"]
    assert {breach.rule for breach in played.breaches} == {"replays"}


def test_a_message_that_cannot_be_sent_is_refused_before_the_first_world() -> None:
    played: list[int] = []
    with pytest.raises(NotStorable):
        explore(own.pays(5), world=World(), tell=[object()], setup=lambda: played.append(1))
    assert not played
