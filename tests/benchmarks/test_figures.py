"""What the benchmarks make of their measurements: medians, ratios within a round, targets, tables, the page."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import page, tables
from benchmarks.entries import OURS, PEERS
from benchmarks.figures import Found, Spread, inverse, spread, times
from benchmarks.forms import FORMS, LONG, TINY, engine_cells
from benchmarks.rounds import Rounds
from benchmarks.targets import targets


def rounds(*rates: float, name: str = "rate", first: int = 0) -> list[dict[str, Any]]:
    return [{"round": number, "load": 1.0, name: rate} for number, rate in enumerate(rates, first)]


def results(pieces: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "rounds": 3,
        "when": "1 May 2026",
        "machine": {"Python": "3.11"},
        "versions": {"dbos-sqlite": "dbos 1.2.3"},
        "failed": {"restate": "skipped: no npm"},
        "pieces": pieces,
    }


def test_the_middle_of_measurements_is_their_median_and_not_their_mean() -> None:
    assert spread([1, 2, 30]) == Spread(2, 1, 30, 3)
    assert spread([]) is None


def test_a_ratio_is_taken_within_each_round() -> None:
    found = Found({"a/W": rounds(100, 20, 30), "b/W": rounds(10, 2, 3)})
    assert found.ratio("a/W", "b/W") == Spread(10, 10, 10, 3)


def test_rounds_that_only_one_side_has_do_not_count() -> None:
    found = Found({"a/W": rounds(100, 20), "b/W": rounds(4, first=1)})
    assert found.ratio("a/W", "b/W") == Spread(5, 5, 5, 1)


def test_without_a_common_round_medians_are_compared() -> None:
    found = Found({"a/W": rounds(10, 20, 30), "b/W": rounds(4, first=9)})
    assert found.ratio("a/W", "b/W") == Spread(5, 5, 5, 1)


def test_what_was_not_measured_has_no_ratio() -> None:
    found = Found({"a/W": rounds(1)})
    assert found.ratio("a/W", "b/W") is None
    assert found.of("a/W", "cpu") is None
    assert times(None, 2) is None
    assert inverse(None) is None


def test_a_ratio_turned_round_has_its_ends_turned_round_too() -> None:
    assert inverse(Spread(2, 1, 4, 5)) == Spread(0.5, 0.25, 1, 5)


def test_targets_know_which_side_of_the_bound_is_good() -> None:
    found = Found(
        {
            "amends/W1@100": [{"round": 0, "load": 0, "rate": 100.0, "cpu": 41.0}],
            "dbos-sqlite/W1@100": rounds(0.5),
            "amends/W3": rounds(50),
        }
    )
    met = {target.what: target.met for target in targets(found)}
    assert met["W1@100, beside DBOS on SQLite"] is True
    assert met["CPU of a step at W1@100"] is False
    assert met["W3, time of an item beside W1@100's step"] is False
    assert met["W1@100, beside Restate"] is None


def test_recovery_is_compared_by_turns_and_not_by_steps() -> None:
    found = Found(
        {
            "amends/rows": rounds(1.1, name="rows"),
            "amends/W1@1000": rounds(1000),  # steps, and so 1,100 turns a second
            "amends/R": rounds(550, name="turn_rate"),
        }
    )
    recovery = next(target for target in targets(found) if target.what.startswith("R,"))
    assert recovery.found is not None
    assert recovery.found.median == pytest.approx(2)


@pytest.mark.parametrize(
    ("value", "text"), [(12_345, "12,300"), (1_000, "1,000"), (999.4, "999"), (45.67, "45.7"), (0.1234, "0.123")]
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert tables.number(value) == text


def test_a_figure_with_fewer_rounds_is_marked() -> None:
    assert tables.shown(spread([5, 6, 7]), 3) == "6"
    assert tables.shown(spread([5]), 3) == "5*"
    assert tables.shown(None, 3) == "–"


def test_a_slow_engine_is_compared_at_as_many_runs_as_it_was_measured_with() -> None:
    pieces = {"amends/W1@100": rounds(900), "amends/W1@10": rounds(80), "dbos-sqlite/W1@10": rounds(4)}
    assert "20× (20 to 20) at 10" in tables.speed(results(pieces))


def test_the_page_leaves_no_mark_unfilled_and_says_what_is_absent() -> None:
    text = page.page(results({"amends/W1@100": rounds(900), "dbos-sqlite/W1@100": rounds(4)}))
    assert "{{" not in text
    assert "restate: skipped: no npm" in text
    assert "dbos 1.2.3" in text
    assert "225× (225 to 225)" in text


def test_every_engine_has_the_same_works_at_levels_that_it_can_bear() -> None:
    names = [name for name, _ in engine_cells(LONG, OURS)]
    assert names == ["W1@1", "W1@10", "W1@100", "W1@1000", "W2", "W4@100", "latency", "P10@100"]
    for entry in PEERS:
        assert "W1@10" in [name for name, _ in engine_cells(LONG, entry)]
    assert all("100" not in name for name, _ in engine_cells(TINY, OURS))
    assert all(form.rounds >= 5 for form in FORMS.values() if form is not TINY)


def test_a_cell_is_not_measured_again_once_its_time_is_spent() -> None:
    measuring = Rounds(TINY, [])
    assert measuring._is_due("dbos/W1@1")
    measuring._spent["dbos/W1@1"] = TINY.budget
    assert not measuring._is_due("dbos/W1@1")
    measuring._spent["amends/W1@1"] = TINY.budget
    assert measuring._is_due("amends/W1@1"), "amends has a budget of its own"
    measuring.failed["amends/W2"] = "it broke"
    assert not measuring._is_due("amends/W2")
