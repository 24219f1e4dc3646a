"""The ready merges: what they keep, who gave it, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from amends import DefinitionError, merges
from amends.model.gather import Gathered


def gathered(**answers: Any) -> Gathered[Any]:
    return Gathered(answers, {}, ("slow",))


def test_a_union_has_each_item_once_with_all_who_gave_it() -> None:
    found = merges.union()(gathered(a=["x", "y", "x"], b=["y", "z"]))
    assert [(each.value, each.by) for each in found] == [("x", ("a",)), ("y", ("a", "b")), ("z", ("b",))]


def test_a_union_by_key_keeps_the_first_of_items_that_are_the_same() -> None:
    found = merges.union(str.lower)(gathered(a=["X"], b=["x", "y"]))
    assert [(each.value, each.by) for each in found] == [("X", ("a", "b")), ("y", ("b",))]


def test_first_takes_the_best_that_answered() -> None:
    assert merges.first("c", "b", "a")(gathered(a=1, b=None)) == merges.Found(None, ("b",))
    assert merges.first()(gathered(a=1, b=2)) == merges.Found(1, ("a",))


def test_first_of_nobody_says_who_is_late() -> None:
    with pytest.raises(merges.NothingToMerge, match=r"none of x answered \(late: slow\)"):
        merges.first("x")(gathered(a=1))
    with pytest.raises(merges.NothingToMerge, match="none of the agents answered"):
        merges.first()(gathered())


def test_a_majority_is_found_for_each_field_and_a_missing_field_is_no_vote() -> None:
    merged = merges.majority()(gathered(a={"n": 1, "m": "p"}, b={"n": 2}, c={"n": 2, "m": "q"}))
    assert merged == {"n": merges.Found(2, ("b", "c")), "m": merges.Found("p", ("a",))}


def test_reciprocal_ranks_are_added_up() -> None:
    best = merges.ranked()(gathered(a=["x", "y"], b=["y", "z", "x"]))
    assert [each.value for each in best] == ["y", "x", "z"]
    assert best[0].score == pytest.approx(1 / 62 + 1 / 61) and best[0].by == ("a", "b")
    assert best[1].score == pytest.approx(1 / 61 + 1 / 63) and best[2].by == ("b",)


def test_an_item_counts_once_in_a_list_at_its_best_rank() -> None:
    (only,) = merges.ranked(str.lower, constant=0)(gathered(a=["X", "x"]))
    assert only == merges.Ranked("X", 1.0, ("a",))


def test_equal_scores_stay_in_the_order_of_the_agents() -> None:
    assert [each.value for each in merges.ranked()(gathered(a=["x"], b=["y"]))] == ["x", "y"]


def test_a_negative_constant_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"ranked\(constant=-1\)"):
        merges.ranked(constant=-1)
