"""The explorer itself: what it counts, replays, shrinks and shares, and what it refuses."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import pytest

from amends import Current, DefinitionError
from amends.errors import RuleBroken, StaleToken, Unsteady, Vacuous
from amends.model.machine import Machine
from amends.stores.port import Letter
from amends.testing import (
    Ending,
    Forward,
    Refused,
    World,
    always,
    as_current,
    explore,
    fake,
    when_compensated,
    when_completed,
)
from amends.testing.explorer import elsewhere, search
from amends.testing.explorer.network import Network
from amends.testing.explorer.path import Deviations
from amends.testing.explorer.player import Played, Player
from amends.testing.explorer.scenario import Act, Scenario
from amends.testing.explorer.simulation import Simulation
from amends.testing.explorer.tally import Tally
from amends.testing.world import Ask
from tests.testing import own_sagas as own
from tests.testing.planted import keys, undos

TWO_FAULTS: dict[str, Any] = {"world": keys.world, "expect": [always(lambda ending: not ending.letters)], "reaches": ()}
"""A dead letter of `checks_well` takes two faults: a lost answer, and a check that is broken."""


def finding(call: Any, **options: Any) -> RuleBroken:
    with pytest.raises(RuleBroken) as caught:
        explore(call, **options)
    return caught.value


# ── the search ───────────────────────────────────────────────────────────────────────────────────


def test_worlds_are_counted_by_faults() -> None:
    tally = explore(own.pays(5), world=own.world, faults=2).tally
    assert tally.levels == {0: 1, 1: 19, 2: tally.worlds - 20} and not tally.sampled
    assert explore(own.pays(5), world=own.world, faults=2).tally == tally


@pytest.mark.parametrize("strategy", ["exhaustive", "random"])
def test_worlds_that_were_played_are_not_kept(strategy: Any) -> None:
    """However many there are, none but the one that is played now is in memory."""
    alive: list[int] = []

    def count(tally: Tally) -> None:
        if tally.worlds % 50 == 0:
            alive.append(sum(type(each) is Machine for each in gc.get_objects()))

    explore(own.fails_at_the_end("ada"), world=own.world, strategy=strategy, budget=300, progress=count, reaches=())
    assert len(alive) >= 5 and max(alive) <= min(alive) + 5


def test_a_budget_that_does_not_suffice_is_said() -> None:
    exploration = explore(own.pays(5), world=own.world, faults=2, budget=100, reaches=())
    ((faults, played, total),) = exploration.tally.sampled
    assert exploration.worlds == 100 and (faults, played) == (2, 80) and total > 200
    assert f"sampled: 80 of {total} worlds with 2 faults" in str(exploration)
    assert exploration.as_json()["sampled"] == [{"faults": 2, "played": 80, "worlds": total}]


@pytest.mark.parametrize("name", ["trip of two workers", "sends, retried", "asks twice"])
def test_what_is_left_out_makes_no_difference(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each world that is not played would end as it does without its last fault, to the last byte."""
    played = _endings(own.SCENARIOS[name], monkeypatch)
    monkeypatch.setattr(Simulation, "ends_with", lambda *_: False)
    monkeypatch.setattr(Ask, "absorbed", False)
    every = _endings(own.SCENARIOS[name], monkeypatch)
    left_out = every.keys() - played.keys()
    kinds = {"duplicate", "crash_after_commit", "cancel", "restart", "fate_unknown"}
    assert {deviations[-1].kind for deviations in left_out} == kinds
    assert all(every[deviations] == every[deviations[:-1]] for deviations in left_out)
    assert all(every[deviations] == ending for deviations, ending in played.items())


def _endings(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> dict[Deviations, Any]:
    """How each world with at most two faults ends: what is in its journals and in its ledger."""
    endings: dict[Deviations, Any] = {}

    def follow(player: Player, deviations: Deviations, **how: bool) -> Played:
        found = real(player, deviations, **how)
        runs = [(account.state, [turn.body for turn in account.turns]) for account in found.ending.accounts.values()]
        endings[deviations] = runs, [str(effect) for effect in found.ending.effects]
        return found

    real = Player.follow
    with monkeypatch.context() as patch:
        patch.setattr(Player, "follow", follow)
        explore(scenario, reaches=())
    return endings


def test_a_request_that_is_absorbed_is_not_doubled_in_a_world_with_another_fault() -> None:
    tally = explore(own.pays(5), world=own.world, faults=2, kinds=["crash_after_effect", "duplicate"]).tally
    assert tally.levels[2] and tally.fired == {"crash_after_effect": 1 + 2 * tally.levels[2], "duplicate": 1}


def test_shards_part_the_worlds_among_them() -> None:
    whole = explore(own.pays(5), world=own.world, faults=2).tally
    parts = [explore(own.pays(5), world=own.world, faults=2, shard=(k, 3), reaches=()).tally for k in (1, 2, 3)]
    assert sum(part.worlds for part in parts) == whole.worlds
    assert sum((part.fired for part in parts), start=type(whole.fired)()) == whole.fired


def test_shards_are_alike_in_size() -> None:
    """The worlds with two faults are dealt out one by one, and not by what they follow from."""
    parts = [explore(own.pays(5), world=own.world, faults=2, shard=(k, 3), reaches=()).tally for k in (1, 2, 3)]
    assert max(part.levels[2] for part in parts) - min(part.levels[2] for part in parts) <= 1
    assert [part.levels.get(1, 0) for part in parts] == [19, 0, 0], "those with one fault count for the first"


def test_the_progress_of_a_shard_never_goes_back() -> None:
    seen: list[int] = []
    explore(own.pays(5), world=own.world, shard=(2, 3), progress=lambda tally: seen.append(tally.worlds), reaches=())
    assert seen == sorted(seen) and seen[-1] > 20


def test_processes_replay_each_journal_once_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    sheets: list[int] = []
    real = elsewhere.Elsewhere.verdict
    monkeypatch.setattr(elsewhere.Elsewhere, "verdict", lambda told: (sheets.append(len(told.sheaf.sheets)), real(told))[1])
    for processes in (1, 3):
        explore(own.pays(5), world=own.world, faults=2, processes=processes)
    assert sheets[0] == sheets[1]


def test_a_shard_samples_its_own_worlds() -> None:
    options: dict[str, Any] = {"world": own.world, "faults": 2, "budget": 50, "reaches": ()}
    whole = explore(own.pays(5), world=own.world, faults=2).tally.levels[2]
    for k, before in ((1, 20), (2, 0)):
        tally = explore(own.pays(5), shard=(k, 2), **options).tally
        assert tally.sampled == [(2, 50 - before, (whole + 2 - k) // 2)] and tally.worlds == 50


def test_what_breaks_a_rule_with_one_fault_is_told_by_every_shard() -> None:
    alone = finding(keys.pays_without_key(), world=keys.world).exploration
    assert len(alone.found.deviations) == 1
    for k in (1, 2, 3):
        shard = finding(keys.pays_without_key(), world=keys.world, shard=(k, 3)).exploration
        assert shard.token == alone.token


@pytest.mark.parametrize("strategy", ["exhaustive", "random"])
def test_after_its_last_fault_a_world_is_asked_nothing_more(strategy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where else something could have gone wrong matters only in worlds that others follow from."""
    troubled: list[bool] = []
    real = Network._options

    def options(network: Network, *about: Any) -> Any:
        troubled.append(network._fate.troubled)
        return real(network, *about)

    monkeypatch.setattr(Network, "_options", options)
    explore(own.pays(5), world=own.world, faults=1, strategy=strategy, budget=60, reaches=())
    assert troubled and not any(troubled)


def test_processes_share_the_worlds() -> None:
    whole = explore(own.pays(5), world=own.world, faults=2).tally
    shared = explore(own.pays(5), world=own.world, faults=2, processes=2).tally
    assert (shared.worlds, shared.fired, shared.ends) == (whole.worlds, whole.fired, whole.ends)


def test_processes_find_the_smallest() -> None:
    alone = finding(keys.pays_without_key(), world=keys.world).exploration
    assert finding(keys.pays_without_key(), world=keys.world, processes=2).exploration.token == alone.token


def test_the_journals_of_all_processes_are_replayed_in_another_one() -> None:
    """Only the second shard plays the world in which the body goes by the order of a set."""
    call = keys.visits_in_any_order_when_refused()
    options: dict[str, Any] = {"world": keys.world, "faults": 1, "kinds": ["refused"], "processes": 2}
    assert finding(call, **options).exploration.found.breaches[0].rule == "replays"


def test_a_module_may_print_while_it_is_imported_in_the_other_process() -> None:
    from tests.testing.planted import noisy

    assert not explore(noisy.visits(), world=noisy.world, faults=0).tally.elsewhere


@pytest.mark.parametrize(
    ("where", "name", "value", "why"),
    [
        (elsewhere, "PATIENCE", 0.0, "the other process has not answered within 0 seconds"),
        (sys, "executable", "/bin/false", "the other process has ended with 1"),
    ],
)
def test_another_process_that_does_not_answer_is_said(
    where: Any, name: str, value: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, name, value)
    exploration = explore(own.pays(5), world=own.world, faults=0)
    assert exploration.tally.elsewhere == why and f"not replayed in another process: {why}" in str(exploration)


@pytest.mark.parametrize("strategy", ["random", "hypothesis"])
def test_luck_finds_two_faults_and_shrinks_to_them(strategy: Any) -> None:
    found = finding(keys.checks_well(), strategy=strategy, faults=6, budget=3_000, seed=7, **TWO_FAULTS).exploration.found
    assert len(found.deviations) == 2 and found.deviations[1].kind == "broken"


def test_luck_tells_how_far_it_came() -> None:
    told: list[int] = []
    explore(
        own.pays(5),
        world=own.world,
        strategy="random",
        faults=3,
        budget=50,
        kinds=["cancel"],
        progress=lambda tally: told.append(tally.worlds),
    )
    assert told == list(range(1, 51))


# ── replay ───────────────────────────────────────────────────────────────────────────────────────

REPLAY = """
import json
from amends.errors import RuleBroken
from amends.testing import explore
from tests.testing.planted import undos
try:
    explore(undos.advertises(), world=undos.world, replay={token!r})
except RuleBroken as broken:
    print(json.dumps(broken.exploration.as_json()))
"""


def test_a_token_gives_the_same_story_in_every_process() -> None:
    exploration = finding(undos.advertises(), world=undos.world).exploration
    told: list[str] = []
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        code = REPLAY.format(token=exploration.token)
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        told.append(done.stdout)
    assert told[0] == told[1]
    assert json.loads(told[0])["finding"] == json.loads(json.dumps(exploration.as_json()["finding"]))


def test_a_token_of_a_repaired_saga_passes_and_of_another_version_says_so() -> None:
    token = finding(undos.advertises(), world=undos.world).exploration.token
    with pytest.raises(StaleToken, match="saga 'advertises', and 'advertises_well' is explored"):
        explore(undos.advertises_well(), world=undos.world, replay=token)
    with pytest.raises(StaleToken, match="another version"):
        explore(undos.advertises(), world=undos.world, replay=token.replace("late_effect", "overtakes"))
    prefix, print_, rest = token.split(".", 3)[:2], token.split(".")[2], token.split(".", 3)[3]
    with pytest.raises(StaleToken, match="comes to other places"):
        explore(undos.advertises(), world=undos.world, replay=".".join([*prefix, print_[::-1], rest]))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        "1.advertises",
        "2.advertises.00",
        "1.advertises.00.x-cancel",
        "1.a.00.1-no",
        3,
        f"1.a.00.{'9' * 5000}-cancel",
    ],
)
def test_what_is_no_token_is_refused(token: Any) -> None:
    with pytest.raises(StaleToken):
        explore(undos.advertises(), world=undos.world, replay=token)


# ── what is expected, and what must have happened ────────────────────────────────────────────────


def test_what_users_expect_is_told_in_their_words() -> None:
    def two_are_paid(ending: Ending) -> None:
        assert len(ending.standing()) == 2, "one payment stands"

    story = str(finding(own.pays(5), world=own.world, expect=[when_completed(two_are_paid)]))
    assert "breaks the rule 'two_are_paid'" in story and "one payment stands" in story
    unmet = finding(own.pays(5), world=own.world, expect=[when_compensated(lambda ending: False)])
    assert len(unmet.exploration.found.deviations) == 1 and "does not hold" in str(unmet)
    assert explore(own.pays(5), world=own.world, faults=1, expect=[always(lambda ending: None)]).ok


def test_an_expectation_that_breaks_is_a_finding_with_its_error() -> None:
    def looks_for_a_second_effect(ending: Ending) -> None:
        assert ending.effects[1]

    exploration = finding(own.pays(5), world=own.world, expect=[when_completed(looks_for_a_second_effect)]).exploration
    assert exploration.found.breaches[0].rule == "looks_for_a_second_effect" and exploration.token
    story = re.sub(r"\s+", " ", str(exploration))
    assert re.search(
        r"cannot judge it: IndexError: list index out of range \(in looks_for_a_second_effect, line \d+\)", story
    )


def test_nobody_would_await_an_async_expectation() -> None:
    async def is_never_awaited(ending: Ending) -> bool:
        return False

    for expects in (always, when_completed, when_compensated):
        with pytest.raises(DefinitionError, match="is_never_awaited is an `async def`"):
            expects(is_never_awaited)  # type: ignore[arg-type]


def test_an_exploration_without_an_outside_is_vacuous() -> None:
    with pytest.raises(Vacuous, match="No step met the outside world"):
        explore(own.naps_alone(), faults=1)
    assert explore(own.naps_alone(), faults=1, kinds=["crash_after_commit", "cancel"]).ok


def test_what_is_asked_for_must_occur() -> None:
    with pytest.raises(Vacuous, match="never occurred: deadline_before"):
        explore(own.pays(5), world=own.world, faults=1, kinds=["cancel", "deadline_before"])
    with pytest.raises(Vacuous, match="no world ended 'abandoned'"):
        explore(own.pays(5), world=own.world, faults=1, reaches=["abandoned"])
    with pytest.raises(Vacuous, match="'opens' has a fake and never took effect"):
        explore(own.pays(5), world=own.world, faults=1, fakes=[fake(own.opens, own.hotel, returns=1)])


def test_a_deadline_passes_between_calls_too_where_there_is_one() -> None:
    late = explore(own.hurries("ada"), world=own.world, faults=1, kinds=["deadline"], reaches=["compensated"]).tally
    assert late.ends == {"completed": 1, "compensated": late.fired["deadline"]}
    with pytest.raises(Vacuous, match="never occurred: deadline"):
        explore(own.pays(5), world=own.world, faults=1, kinds=["cancel", "deadline"])


def test_faults_can_be_left_out() -> None:
    tally = explore(own.pays(5), world=own.world, faults=1, without=["cancel", "restart"]).tally
    assert tally.fired["crash_after_commit"] and not tally.fired["cancel"] and not tally.fired["restart"]


async def awaited() -> None:
    """A `setup=` that nobody would await."""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kinds": ["flood"]}, "no fault 'flood'"),
        ({"workers": 0}, r"explore\(workers=\.\.\.\) is 0; give a whole number from 1 to 8"),
        ({"workers": "2"}, r"explore\(workers=\.\.\.\) is '2'"),
        ({"faults": -1}, r"explore\(faults=\.\.\.\) is -1; give a whole number of at least 0"),
        ({"faults": 1.5}, r"explore\(faults=\.\.\.\) is 1\.5"),
        ({"budget": 0}, r"explore\(budget=\.\.\.\) is 0"),
        ({"budget": "10"}, r"explore\(budget=\.\.\.\) is '10'"),
        ({"processes": 0}, r"explore\(processes=\.\.\.\) is 0"),
        ({"shard": (3, 2)}, r"shard=\(3, 2\)"),
        ({"shard": "1/2"}, r"shard='1/2'\): \(k, n\)"),
        ({"shard": (1, 2, 3)}, r"shard=\(1, 2, 3\)"),
        ({"operator": "retry"}, r"explore\(operator=\.\.\.\) is 'retry', which cannot be called"),
        ({"setup": awaited}, r"explore\(setup=\.\.\.\) is .*an `async def`.*nobody would await it"),
        ({"strategy": "guess"}, "strategy='guess'"),
        ({"store": ["memory"]}, r"explore\(store=\.\.\.\) is \['memory'\]; give 'memory' or 'sqlite'"),
        ({"progress": "often"}, r"explore\(progress=\.\.\.\) is 'often', which cannot be called"),
        ({"tell": [own.Approval]}, r"explore\(tell=\[Approval\]\): a message, not its type: Approval\(\.\.\.\)"),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        explore(own.pays(5), world=own.world, **options)


def test_only_sagas_are_explored() -> None:
    with pytest.raises(DefinitionError, match="a call of a saga"):
        explore(own.charge(5))
    with pytest.raises(DefinitionError, match="takes a step"):
        fake(own.pays, own.bank)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="say what the step returns"):
        fake(own.price, own.bank)
    with pytest.raises(DefinitionError, match="a service 'bank' already"):
        own.world.service("bank")
    with pytest.raises(DefinitionError, match=r"fake\(charge, 'bank'\): a service is needed"):
        fake(own.charge, "bank")  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match=r"what judges an ending is 'paid', which cannot be called"):
        always("paid")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "habit", [{"slow": -1}, {"slow": "1"}, {"idempotent": "no"}, {"refusal": ValueError("no")}, {"unavailable": SystemExit}]
)
def test_a_habit_that_no_service_can_have_is_refused(habit: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match=rf"service\({next(iter(habit))}=\.\.\.\) is "):
        World().service("bank", **habit)


def test_a_call_that_does_not_fit_its_saga_is_an_error_of_the_call() -> None:
    with pytest.raises(TypeError, match=r"pays\(\): missing a required argument: 'cents'"):
        explore(own.pays(), world=own.world)  # type: ignore[call-arg]


def test_what_the_engine_refuses_is_said_as_it_is() -> None:
    from amends.errors import NotStorable

    with pytest.raises(NotStorable):
        explore(own.pays(float("nan")), world=own.world)  # type: ignore[arg-type]


# ── the people and the things around a run ───────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("act", "end"),
    [("resolve", "compensated"), ("abandon", "abandoned"), ("happened", "needs_attention"), ("retry", "needs_attention")],
)
def test_an_operator_acts_on_dead_letters(act: Act, end: str) -> None:
    def operator(letter: Letter) -> Act:
        return act

    tally = explore(own.sends("box"), world=own.world, faults=1, operator=operator, without=["broken"]).tally
    assert tally.ends[end], tally.ends


@pytest.mark.parametrize("processes", [1, 2])
def test_what_differs_from_world_to_world_proves_nothing(processes: int, capfd: pytest.CaptureFixture[str]) -> None:
    own.moods.clear()
    with pytest.raises(Unsteady, match=r"(?s)another world than before: .*setup=.*amends\.random") as caught:
        explore(own.moody(), world=own.world, faults=1, processes=processes)
    assert isinstance(caught.value, Vacuous) and "Traceback" not in capfd.readouterr().err
    assert explore(own.moody(), world=own.world, faults=1, processes=processes, setup=own.moods.clear).ok
    assert not multiprocessing.active_children()


def test_what_a_child_fails_with_is_raised_here(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    class Odd(Exception):
        def __init__(self, one: str, two: str) -> None:
            super().__init__(one + two)

    here = os.getpid()

    def searched(player: Player, **options: Any) -> Tally:
        if os.getpid() != here:
            raise Odd("a", "b")
        return exhaustive(player, **options)

    exhaustive = search.exhaustive
    monkeypatch.setattr(search, "exhaustive", searched)
    with pytest.raises(RuntimeError, match="Odd: ab"):
        explore(own.pays(5), world=own.world, faults=1, processes=2)
    assert capfd.readouterr().err == "" and not multiprocessing.active_children()


def test_what_no_step_asked_for_is_told_as_that() -> None:
    """A thread that a step begins knows nothing of the call, as in reality."""
    words = r"bank: payment \(bank-1\) stands, though no step asked for it: current\(\) is not known there"
    with pytest.raises(RuleBroken, match=words):
        explore(own.pays_in_a_thread_of_its_own(), world=own.world, faults=0)


def test_ctrl_c_is_for_the_parent(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """It goes to all processes of a terminal; a child would say so with a traceback, and the parent ends it anyway."""
    here = os.getpid()

    def searched(player: Player, **options: Any) -> Tally:
        if os.getpid() != here:
            signal.raise_signal(signal.SIGINT)
        return exhaustive(player, **options)

    exhaustive = search.exhaustive
    monkeypatch.setattr(search, "exhaustive", searched)
    assert explore(own.pays(5), world=own.world, faults=1, processes=2).ok
    assert capfd.readouterr().err == ""


def test_one_process_explores_one_saga_at_a_time() -> None:
    """The second would take the first one's time and refusals for the real ones, and put them back for good."""
    before = time.time, socket.socket.connect

    def again() -> None:
        with pytest.raises(DefinitionError, match="this process explores already"):
            explore(own.pays(5), world=own.world, faults=0)

    assert explore(own.pays(5), world=own.world, faults=0, setup=again).ok
    assert explore(own.pays(5), world=own.world, faults=0).ok and before == (time.time, socket.socket.connect)


def test_setup_comes_before_every_world() -> None:
    seen: list[int] = []
    assert len(seen) == 0
    exploration = explore(own.pays(5), world=own.world, faults=1, setup=lambda: seen.append(1))
    assert len(seen) == exploration.worlds


def test_a_part_of_the_budget_is_no_less_than_the_budget() -> None:
    for budget, processes in ((3, 2), (10, 20)):
        with pytest.raises(Vacuous) as caught:
            explore(own.pays(5), world=own.world, faults=1, budget=budget, processes=processes)
        assert caught.value.exploration.worlds == budget


def test_a_world_that_outlives_its_time_is_told_from_one_that_stands_still() -> None:
    with pytest.raises(RuleBroken, match="breaks the rule 'ends'") as caught:
        explore(own.naps_for(401 * 86_400.0), world=own.world, faults=0)
    assert "400 days are over, which is as long as a world lasts, and the run is still running" in str(caught.value)


def test_threads_of_one_step_hear_each_its_own_answer() -> None:
    """The first of them still waits for its answer when the second one asks."""
    assert explore(own.books_both(100), world=own.world, faults=0).tally.ends == {"completed": 1}


def test_two_workers_start_one_run() -> None:
    assert explore(own.pays(5), world=own.world, faults=1, workers=2).tally.ends["completed"]


# ── a World outside of an exploration, and the habits of its services ────────────────────────────


def now(key: str, *, forward: str = "") -> as_current:
    return as_current(Current(key, 1, "run", "saga", "step", Forward(forward or key, {}, False)))


@pytest.mark.parametrize("idempotent", [True, False])
def test_a_service_takes_effect_once_for_a_key(idempotent: bool) -> None:
    world = World()
    bank = world.service("bank", idempotent=idempotent)
    with now("k"):
        first, second = bank.sync.do("charge"), bank.sync.do("charge")
    assert (first == second) is idempotent and len(world.standing()) == (1 if idempotent else 2)
    assert repr(bank) == "<service bank>" and str(world.effects[0]) == "bank: charge (bank-1) stands"
    world.clear()
    assert world.effects == []


def test_a_service_remembers_what_was_cancelled_or_not() -> None:
    world = World()
    good, bad = world.service("good"), world.service("bad", remembers=False)
    for service in (good, bad):
        with now("u", forward="k"):
            service.sync.undo()
    with now("k"), pytest.raises(Refused, match="was cancelled before it arrived"):
        good.sync.do("late")
    with now("k"):
        assert bad.sync.do("late") == "bad-1"


def test_a_service_that_cannot_cancel_by_key_says_so() -> None:
    service = World().service("post", cancels_by_key=False)
    with now("u", forward="k"), pytest.raises(Refused, match="give it the receipt"):
        service.sync.undo()
    with pytest.raises(Refused, match="knows no receipt 'x'"):
        service.sync.undo("x")


def test_a_final_check_shuts_the_door() -> None:
    world = World()
    for name, final in (("final", True), ("open", False)):
        service = world.service(name, final_checks=final)
        with now("k"):
            assert service.sync.check() is None
            if final:
                with pytest.raises(Refused):
                    service.sync.do("late")
            else:
                assert service.sync.check() is None and service.sync.do("late") == service.sync.check()


def test_refunds_are_told_apart_by_their_own_keys() -> None:
    world = World()
    state, money = world.service("state"), world.service("money", refunds=True)
    for service in (state, money):
        with now("k" + service.name):
            receipt = service.sync.do("payment")
        for key in ("one", "one", "two"):
            service.sync.undo(receipt, undo_key=key)
    assert [effect.net for effect in world.effects] == [0, -1]


def test_a_refusal_is_of_the_users_own_kind() -> None:
    class Declined(Exception):
        pass

    service = World().service("bank", refusal=Declined)
    with now("u", forward="k"):
        service.sync.undo()
    with now("k"), pytest.raises(Declined):
        service.sync.do("charge")


def test_an_answer_of_ones_own_is_given_again() -> None:
    service = World().service("bank")
    with now("k"):
        assert service.sync.do("charge", {"id": 1}) == {"id": 1} == service.sync.do("charge", {"id": 2})
        assert service.sync.check() == {"id": 1}


def test_unavailability_is_worth_asking_again_and_slowness_takes_its_time() -> None:
    tally = explore(own.trip("ada"), world=own.world, faults=1, kinds=["unavailable"]).tally
    assert tally.fired["unavailable"] == 1 and tally.ends == {"completed": 2}
    waits = explore(own.waits("ada"), world=own.world, faults=0, reaches=["compensated"])
    assert waits.tally.ends == {"compensated": 1}
