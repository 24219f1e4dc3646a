"""A fraction of the items may fail: as many as it says, whatever floats make of it."""

from __future__ import annotations

import pytest

from amends.model.fan import _part


@pytest.mark.parametrize("items", [7, 30, 100, 1_000, 999_999, 1_000_000])
def test_each_hundredth_is_as_many_as_it_says(items: int) -> None:
    for percent in range(1, 100):
        assert _part(percent / 100, items) == percent * items // 100, percent


@pytest.mark.parametrize(("fraction", "items", "part"), [(1 / 3, 3, 1), (2 / 3, 9, 6), (1e-7, 10_000_000, 1), (0.0, 9, 0)])
def test_other_fractions(fraction: float, items: int, part: int) -> None:
    assert _part(fraction, items) == part
