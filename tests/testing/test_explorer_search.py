"""How the explorer searches and what it says of it: parts, processes, luck, samples, and journals in other processes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from amends import DefinitionError
from amends.errors import RuleBroken, Vacuous
from amends.testing import Ending, Scenario, always, explore, when_compensated, when_completed
from amends.testing.explorer import sheaf
from amends.testing.explorer.faults import KINDS
from amends.testing.explorer.tally import Part
from tests.testing import own_sagas as own
from tests.testing.planted import keys, undos

PAYS: dict[str, Any] = {"world": own.world, "reaches": ()}


def finding(call: Any, **options: Any) -> Any:
    with pytest.raises(RuleBroken) as caught:
        explore(call, **options)
    return caught.value.exploration


def vacuous(call: Any, **options: Any) -> str:
    with pytest.raises(Vacuous) as caught:
        explore(call, **options)
    return str(caught.value)


# ── parts and processes ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("strategy", ["exhaustive", "random"])
def test_processes_play_what_one_would_of_a_part(strategy: Any) -> None:
    options: dict[str, Any] = {"strategy": strategy, "budget": 60 if strategy == "random" else 20_000, **PAYS}
    options["kinds"] = ["cancel", "answer_lost", "crash_after_commit"]
    for k in (1, 2):
        alone = explore(own.pays(5), shard=(k, 2), **options).tally
        shared = explore(own.pays(5), shard=(k, 2), processes=2, **options).tally
        assert (alone.worlds, alone.fired, alone.ends) == (shared.worlds, shared.fired, shared.ends)


def test_parts_by_luck_draw_worlds_of_their_own() -> None:
    options: dict[str, Any] = {"strategy": "random", "faults": 3, **PAYS}
    whole = explore(own.pays(5), budget=100, **options).tally
    parts = [explore(own.pays(5), budget=50, shard=(k, 2), **options).tally for k in (1, 2)]
    assert parts[0].fired + parts[1].fired == whole.fired
    assert parts[0].different | parts[1].different == whole.different


@pytest.mark.parametrize("options", [{"processes": 2}, {"shard": (1, 2)}])
def test_hypothesis_cannot_be_parted(options: Any) -> None:
    with pytest.raises(DefinitionError, match="a seed= of its own"):
        explore(own.pays(5), strategy="hypothesis", **options, **PAYS)


def test_progress_counts_the_worlds_of_all_processes() -> None:
    told: list[int] = []
    played = explore(own.pays(5), processes=2, progress=lambda tally: told.append(tally.worlds), **PAYS).worlds
    assert told == sorted(told) and told[-1] > played * 3 // 4


def test_a_part_says_that_it_is_one() -> None:
    assert "this is part 2 of 3: whether each fault and each end occurred is judged of no part" in str(
        explore(own.pays(5), faults=1, shard=(2, 3), **PAYS)
    ).replace("\n", " ")


# ── samples ──────────────────────────────────────────────────────────────────────────────────────


def test_how_many_follow_from_a_sample_nobody_knows() -> None:
    with pytest.raises(Vacuous) as caught:
        explore(own.pays(5), budget=12, faults=2, **PAYS)
    sampled = caught.value.exploration
    assert sampled.tally.sampled == [(1, 11, 19), (2, 0, None)]
    assert "sampled: 11 of 19 worlds with 1 fault;" in str(sampled)
    assert "sampled: 0 worlds, of nobody knows how many, with 2 faults;" in str(sampled)
    assert sampled.as_json()["sampled"][1] == {"faults": 2, "played": 0, "worlds": None}


def test_a_sample_that_all_parts_have_in_common_is_said_by_each() -> None:
    for k in (1, 2):
        sampled = explore(own.pays(5), budget=12, shard=(k, 2), faults=2, **PAYS).tally.sampled
        assert sampled[0] == (1, 11, 19) and sampled[1][2] is None


def test_samples_of_processes_are_one_sample() -> None:
    whole = explore(own.pays(5), **PAYS).tally.levels[2]
    sampled = explore(own.pays(5), budget=100, processes=2, **PAYS).tally
    assert sampled.sampled == [(2, sampled.levels[2], whole)]


def test_a_part_that_is_common_counts_once() -> None:
    assert Part(3, 9, common=True) + Part(3, 9, common=True) == Part(3, 9, common=True)
    assert Part(3, 9, common=False) + Part(4, None, common=False) == Part(7, None, common=False)


@pytest.mark.parametrize("strategy", ["random", "hypothesis"])
def test_luck_says_how_it_drew(strategy: Any) -> None:
    exploration = explore(own.pays(5), strategy=strategy, seed=4, budget=60, **PAYS)
    different = len(exploration.tally.different)
    assert 1 < different < exploration.worlds
    assert f"strategy {strategy}, seed 4; {different} worlds are different" in str(exploration)
    told = exploration.as_json()
    assert (told["strategy"], told["seed"], told["different"], told["budget"]) == (strategy, 4, different, 60)


def test_luck_finds_what_an_exhaustive_search_finds() -> None:
    call, options = undos.needs_the_answer(), {"world": undos.world, "expect": [always(lambda ending: not ending.letters)]}
    smallest = finding(call, **options).token
    assert {finding(call, strategy="random", seed=seed, faults=3, **options).token for seed in range(4)} == {smallest}


# ── journals in other processes ──────────────────────────────────────────────────────────────────


def test_a_set_of_two_is_tried_with_several_seeds() -> None:
    """Whatever this process's own order is: the seeds of the others have it both ways."""
    found = finding(keys.visits_two(), world=keys.world, faults=0, reaches=())
    assert found.found.breaches[0].rule == "replays" and "another hash seed" in found.found.breaches[0].why


@pytest.mark.parametrize("strategy", ["exhaustive", "random"])
def test_the_world_whose_journal_diverged_is_told_and_its_token_finds_it_again(strategy: Any) -> None:
    options: dict[str, Any] = {"world": keys.world, "kinds": ["refused"], "faults": 1, "reaches": ()}
    found = finding(keys.visits_in_any_order_when_refused(), strategy=strategy, budget=60, **options)
    assert [deviation.kind for deviation in found.found.deviations] == ["refused"]
    again = finding(keys.visits_in_any_order_when_refused(), replay=found.token, **options)
    assert again.token == found.token and again.found.breaches == found.found.breaches


def test_a_spread_of_many_journals_is_replayed_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheaf, "MOST", 6)
    exploration = explore(own.pays(5), faults=1, **PAYS)
    assert 3 <= exploration.tally.replayed <= 6 < exploration.tally.journals <= exploration.worlds
    assert f"replayed in other processes: {exploration.tally.replayed} of {exploration.tally.journals} journals" in str(
        exploration
    )


def test_a_module_that_explores_while_it_is_imported_starts_no_chain_of_processes() -> None:
    from tests.testing.planted import eager

    assert "explores while it is imported: let a test do so" in eager.exploration.tally.elsewhere


# ── what proves nothing ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"kinds": ()}, "leave none that could occur"),
        ({"kinds": ["cancel"], "without": ["cancel"]}, "leave none that could occur"),
        ({"without": KINDS.keys() - {"overtakes"}}, "no fault occurred in any world"),
    ],
)
def test_faults_that_cannot_occur_prove_nothing(options: Any, why: str) -> None:
    assert why in vacuous(own.pays(5), **options, **PAYS)


def test_an_expectation_that_was_never_judged_proves_nothing() -> None:
    def undone(ending: Ending) -> bool:
        return not ending.standing()

    said = vacuous(own.pays(5), world=own.world, faults=0, expect=[when_compensated(undone)])
    assert "'undone' is expected of worlds that end compensated or partly_compensated, and none did" in said


def test_what_ended_otherwise_says_why() -> None:
    said = vacuous(keys.reaches_out("socket"), world=keys.world, faults=0)
    assert "no world ended 'completed'" in said and "fake(step, service)" in said and "compensated; because of" in said
    assert "reaches=['compensated']" in said


def test_a_scenario_says_what_it_reaches() -> None:
    scenario = Scenario(own.fails_at_the_end("ada"), own.world, reaches=("compensated",))
    assert explore(scenario, faults=1).ok
    with pytest.raises(Vacuous, match="no world ended 'abandoned'"):
        explore(scenario, faults=1, reaches=["abandoned"])


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"expect": [always(bool)]}, r"expect=\): that belongs into the Scenario"),
        ({"kinds": ["cancel"]}, r"kinds=\): that belongs into the Scenario"),
        ({"store": "sqlite", "workers": 2}, r"workers=, store=\): that belongs into the Scenario"),
    ],
)
def test_what_belongs_into_a_scenario_is_not_dropped(options: Any, words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        explore(Scenario(own.pays(5), own.world), **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"store": "nonsense"}, r"explore\(store=\.\.\.\) is 'nonsense'; give 'memory' or 'sqlite'"),
        ({"kinds": "cancel"}, r"kinds='cancel'\): a list is needed, kinds=\['cancel'\]"),
        ({"without": "cancel"}, "a list is needed"),
        ({"reaches": "completed"}, "a list is needed"),
        ({"reaches": ["complete"]}, "no end 'complete'; the ends are completed"),
        ({"expect": always(bool)}, "a list is needed"),
        ({"expect": [lambda ending: True]}, r"write when_completed\(f\)"),
        ({"fakes": [own.charge]}, r"write fake\(step, service\)"),
        ({"world": own.bank}, "a World of amends.testing"),
        ({"sagas": [own.charge]}, "name the sagas"),
    ],
)
def test_arguments_of_another_type_are_refused_with_the_cure(options: Any, words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        explore(own.pays(5), **options)


def test_a_saga_that_was_not_called_is_refused_with_the_cure() -> None:
    with pytest.raises(DefinitionError, match=r"call the saga, with the arguments to explore: pays\(...\)"):
        explore(own.pays)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="a call of a saga, or a Scenario, not 3"):
        explore(3)  # type: ignore[arg-type]


def test_a_scenario_takes_lists_too() -> None:
    scenario = Scenario(own.pays(5), own.world, kinds=["cancel"], expect=[when_completed(bool)])  # type: ignore[arg-type]
    assert scenario.kinds == {"cancel"} and hash(replace(scenario, tell=[1]).tell) == hash((1,))  # type: ignore[arg-type]
