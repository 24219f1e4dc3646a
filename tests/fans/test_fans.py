"""The short form of the proofs of fan-out: `make soak` has the long one, with a million items."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fans import proofs


def test_a_kill_in_the_middle_does_no_committed_item_again(tmp_path: Path) -> None:
    found = proofs.killed(tmp_path, 6000, 50)
    assert found["committed"] > 1000


def test_the_control_a_key_of_another_process_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKEN", "yes")
    with pytest.raises(AssertionError, match="two keys"):
        proofs.killed(tmp_path, 600, 50)


@pytest.mark.parametrize("known", [True, False])
def test_it_stops_at_the_first_failure_too_many_of_a_fraction(known: bool, tmp_path: Path) -> None:
    proofs.given_up(tmp_path, 20_000 if not known else 8000, 50, known)
