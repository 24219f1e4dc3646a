"""What is told of a run while somebody waits for it, and the lines at the bottom of a terminal."""

from __future__ import annotations

import pytest

from amends.model import records as r
from amends.ops.screen import Bottom
from amends.ops.story import tell
from amends.ops.watching import under_way
from tests.ops.pages import Turns, child, done, failed, join, stopped, want
from tests.ops.test_drawing import FANNED, LATE, TURNED


def told(turns: Turns, now: float = 10.0) -> list[str]:
    return list(under_way("o-1", tell(turns), now))


def test_what_is_under_way_is_a_tree_of_its_own() -> None:
    begun: Turns = [
        [r.Started(100.0), want(1, "reserve")],
        [
            done(101.0, 1),
            r.JoinWanted(2, "all_of", (3, 7), 2, "undo", None),
            r.JoinWanted(3, "any_of", (4, 5, 6), 1, "undo", None),
            want(4, "ask"),
            want(5, "ask"),
            r.TimerWanted(6, 113.0),
            child(7, "trip"),
        ],
        [failed(102.0, 4), r.StepBroke(103.0, 5, 1, r.Failure("OSError", "gone"), "in_doubt", True), r.TimerWanted(5, 115.0)],
    ]
    assert told(begun) == [
        "run o-1, running for 10.0 s, 1 of 4 steps done",
        "  2 all_of 2: 2 at work",
        "  ├─ 3 any_of 1 of 3: 1 failed, 2 at work",
        "  │  ├─ 5 ask: another attempt in 5.0 s, after OSError: gone",
        "  │  └─ 6 sleep: sleeping for 3.0 s more",
        "  └─ 7 trip: run o-1//7 at work",
    ]


def test_what_a_run_does_that_has_its_value_or_goes_back() -> None:
    assert told(LATE) == [
        "run o-1, waiting for its losers for 10.0 s, 2 of 2 steps done",
        "  1 within 1 of 3 in 5.0 s: met at +5.0 s",
        "  └─ 4 far: undo attempt 1 for 4.5 s",
    ]
    assert told(TURNED) == [
        "run o-1, rolling back for 10.0 s, 3 of 5 steps done, 1 undone",
        "  2 all_of 3: not met at +4.0 s",
        "  └─ 8 trip: waiting for a person",
    ]


def test_a_fan_out_is_one_line_and_many_lines_are_cut_and_counted() -> None:
    assert told(FANNED)[1:] == [
        "  1 each price: 1,000 of 4,000 items ended, 997 done, 3 failed, 3,000 not started, 100 a second, 30.0 s to go"
    ]
    wide: Turns = [[r.Started(100.0), join(1, "settle", 60, 60), *(want(pos, "ask") for pos in range(2, 62))]]
    assert len(told(wide)) == 12 and told(wide)[-1] == "  … 51 more"
    assert told([*wide, [stopped(101.0, 2)]])[0].endswith("0 of 60 steps done")


def test_lines_at_the_bottom_are_written_anew_and_take_away_what_they_took(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "5")
    bottom = Bottom()
    bottom.show(["one", "two and three and four"])
    assert capsys.readouterr().err == "one\ntwo and three and\n        four\n"
    bottom.show(["id-" + "x" * 30, "a", "b", "c", "d"])
    assert capsys.readouterr().err == "\x1b[3F\x1b[Jid-" + "x" * 30 + "\na\nb\nc\n"
    bottom.clear()
    bottom.clear()
    assert capsys.readouterr().err == "\x1b[5F\x1b[J", "a line that the terminal folds is two of its rows"
