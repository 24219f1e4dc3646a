"""Joins, nested runs and fan-outs as they are drawn, from their records alone: tests/ops/screens holds what is seen."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from amends.model import chunk
from amends.model import records as r
from amends.ops.plain import plain_story
from amends.ops.story import tell
from tests.ops.pages import NO, Turns, child, done, drawn, failed, join, raw, stopped, want

SCREENS = Path(__file__).parent / "screens"

RACED: Turns = [
    [r.Started(100.0), join(1, "any_of", 3, 1), want(2, "fast"), want(3, "slow"), want(4, "full")],
    [failed(101.0, 4)],
    [done(102.0, 2), r.JoinDecided(1, True, (4, 2), (2,)), r.StopWanted(3), want(5, "pay")],
    [stopped(102.5, 3), r.UndoWanted(3, 1, "u3")],
    [r.UndoDone(103.0, 3, 1)],
    [done(104.0, 5), r.Ended("completed", raw("ok"), ())],
]

LATE: Turns = [
    [r.Started(100.0), join(1, "within", 3, 1, 105.0), want(2, "near"), r.TimerWanted(3, 160.0), want(4, "far")],
    [done(101.0, 2)],
    [r.TimeUp(105.0, 1), r.JoinDecided(1, True, (2,), (2,)), r.StopWanted(4), r.Returned(raw("ok"))],
    [done(105.5, 4), r.UndoWanted(4, 1, "u4")],
]
"""The saga has its value, and what came too late is being undone."""

BRANCHES = r.Failure(
    "amends.errors.BranchesFailed", "a branch failed: QuorumImpossible: 2 successes can no longer be reached"
)

TURNED: Turns = [
    [r.Started(100.0), want(1, "reserve")],
    [
        done(101.0, 1),
        r.JoinWanted(2, "all_of", (3, 4, 8), 3, "undo", None),
        want(3, "charge"),
        r.JoinWanted(4, "quorum", (5, 6, 7), 2, "undo", None),
        want(5, "ask"),
        child(6, "trip"),
        r.ReceiveWanted(7, "Yes", None),
        child(8, "trip"),
    ],
    [done(102.0, 3)],
    [r.ChildDone(102.5, 8, raw("tripped"))],
    [failed(103.0, 5)],
    [
        r.ChildClosed(104.0, 6, "compensated", r.Failure("TimeoutError", "no train"), ()),
        r.JoinDecided(4, False, (5, 6), ()),
        r.JoinDecided(2, False, (3, 8, 4), ()),
        r.RollbackBegan("failed", BRANCHES),
        r.UndoWanted(3, 1, "u3"),
        r.ChildUndoWanted(8),
    ],
    [r.UndoDone(105.0, 3, 1)],
    [r.ChildStuck(106.0, 8, ("o-1//8#1",))],
]
"""A join in a join failed, and a nested run cannot be undone."""

STUCK: Turns = [
    [r.Started(101.0), want(1, "book")],
    [done(102.0, 1), r.Held(raw("tripped"), ())],
    [r.Unwound(104.0, "o-1", "why"), r.RollbackBegan("owner", r.Failure("Unwound", "run o-1 takes it back: why"))],
    [r.UndoWanted(1, 1, "u1")],
    [r.UndoBroke(106.0, 1, 1, NO, False), r.DeadLettered(1, 1, "undo_failed", NO), r.Stuck(("o-1//8#1",))],
]


def entry(number: int) -> chunk.Entry:
    return chunk.Entry(raw({"n": number}), "", f"o-1//1.1.{number}")


def chunk_wanted(pos: int, first: int, last: int, of: int, join: int = 1) -> r.ChildWanted:
    items = [entry(number) for number in range(first, last)]
    spec = chunk.Spec("shop:price", f"o-1//{join}.{pos}", 10, 5, 5, "undo", items, of)
    return r.ChildWanted(pos, "order//each", f"o-1//{pos}", r.Raw(chunk.fingerprint(spec)), True)


def results(values: int, failures: int) -> r.Raw:
    lapses = [chunk.Lapse(entry(number), NO, 1) for number in range(failures)]
    return raw(chunk.Results(values, failures, [], [], [raw(1)] * values, lapses))


FANNED: Turns = [
    [r.Started(100.0), r.JoinWanted(1, "each", (), 0, "undo", None), chunk_wanted(2, 0, 1000, 4000)],
    [r.ChildDone(104.0, 2, results(997, 3)), chunk_wanted(3, 1000, 2000, 4000)],
]

CHUNK: Turns = [
    [
        r.Started(104.0),
        r.JoinWanted(1, "items", tuple(range(2, 1002)), 0, "undo", None),
        *(want(n, "price") for n in (2, 3, 4)),
    ],
    [done(105.0, 2), want(5, "price")],
    [failed(105.5, 3, r.Failure("TimeoutError", "slow")), want(6, "price")],
]


def fanned() -> str:
    """Half of a fan-out, with a chunk at work."""
    story = tell(FANNED)
    (line,) = (line for line in story.lines if line.fan)
    assert line.fan is not None
    items = [each for each in tell(CHUNK).steps.values() if each.join]
    line.fan.so_far(3, 1, 3, [(each.error, '{"n":1001}') for each in items if each.error])
    return drawn(FANNED, story=story)


WIDE: Turns = [
    [r.Started(100.0), join(1, "settle", 60, 60), *(want(pos, "ask") for pos in range(2, 62))],
    [failed(101.0, pos) if pos == 31 else done(101.0, pos) for pos in range(2, 61)],
]

SEEN = {
    "race": lambda: drawn(RACED),
    "late": lambda: drawn(LATE),
    "turned": lambda: drawn(TURNED),
    "nested": lambda: drawn(TURNED, nested={"o-1//8": tell(STUCK, since=100.0)}),
    "narrow": lambda: drawn(TURNED, width=60, nested={"o-1//8": tell(STUCK, since=100.0)}, verbose=True),
    "fan": fanned,
    "wide": lambda: drawn(WIDE),
}


@pytest.mark.parametrize("name", SEEN)
def test_what_is_seen(name: str) -> None:
    said = SEEN[name]()
    assert said == (SCREENS / f"{name}.txt").read_text()


def test_of_many_lines_those_that_need_a_person_are_shown_whatever_else_there_is() -> None:
    stuck: Turns = [[r.Started(100.0), join(1, "settle", 60, 60), *(child(pos, "trip") for pos in range(2, 62))]]
    stuck += [[r.ChildStuck(101.0, pos, (f"o-1//{pos}#1",))] for pos in range(30, 50)]
    said = drawn(stuck)
    assert said.count("!! letter o-1//") == 10
    assert "10 waiting for a person" in said and said.count("\n") < 65 and "40 at work, 20 waiting for a person" in said
    assert drawn(stuck, whole=True).count("!! letter o-1//") == 20


def test_a_branch_that_failed_has_not_won_though_the_join_is_made_of_it() -> None:
    partly: Turns = [
        [r.Started(100.0), join(1, "within", 3, 1, 105.0), *(want(pos, "ask") for pos in (2, 3, 4))],
        [done(101.0, 2)],
        [failed(102.0, 3)],
        [r.TimeUp(105.0, 1), r.JoinDecided(1, True, (2, 3), (2, 3)), r.StopWanted(4)],
    ]
    said = drawn(partly)
    assert "done, won" in said and "failed, won" not in said
    raced: Turns = [
        [r.Started(100.0), join(1, "race", 2, 0), *(want(pos, "ask") for pos in (2, 3))],
        [failed(101.0, 2), r.JoinDecided(1, True, (2,), (2,)), r.StopWanted(3)],
    ]
    assert "failed, won" in drawn(raced)


def test_a_run_that_goes_its_own_way_is_kept_and_one_that_left_something_says_so() -> None:
    apart = r.ChildWanted(1, "news", "o-1//1", raw({}), False)
    kept = (r.Kept(1, "news", "started on its own"), r.Kept(2, "trip/book", "no undo is declared"))
    said = drawn(
        [
            [r.Started(100.0), apart, child(2, "trip")],
            [r.ChildDone(101.0, 2, raw("ok"), (kept[1],)), want(3, "pay")],
            [failed(102.0, 3), r.RollbackBegan("failed", NO), r.ChildUndoWanted(2)],
            [r.ChildClosed(103.0, 2, "partly_compensated", NO, kept[1:]), r.Ended("partly_compensated", r.NULL, kept)],
        ]
    )
    assert "1 news  started, goes its own way  kept\n" in said
    assert "2 trip  done                       undone in part at +3.0 s\n" in said
    assert "left in the world: 2 trip/book (no undo is declared)\n" in said


def test_a_nested_run_that_is_closed_needs_nobody_any_more() -> None:
    said = drawn([*TURNED, [r.ChildClosed(107.0, 8, "abandoned", NO, ()), r.UndoWanted(1, 1, "u1")]])
    assert "letter" not in said and "8 └─ trip            done               abandoned at +7.0 s\n" in said
    assert "1 reserve            done               being undone\n" in said and "8 trip: " not in said


def test_no_more_of_a_value_is_shown_than_can_be_read() -> None:
    long: Turns = [[r.Started(100.0), r.Ended("completed", raw("x" * 10_000), ())]]
    assert len(drawn(long)) < 1000 and len(drawn(long, verbose=True)) > 10_000


def test_a_chunk_belongs_to_the_fan_out_that_it_was_begun_for() -> None:
    begun: Turns = [
        [
            r.Started(100.0),
            join(1, "all_of", 2, 2),
            r.JoinWanted(2, "each", (), 0, "undo", None),
            chunk_wanted(4, 0, 3, 6, join=2),
            r.JoinWanted(3, "each", (), 0, "undo", None),
            chunk_wanted(5, 0, 3, 9, join=3),
        ],
        [r.ChildDone(101.0, 4, results(3, 0)), chunk_wanted(7, 3, 6, 9, join=3)],
        [r.ChildDone(102.0, 5, results(3, 0)), chunk_wanted(6, 3, 6, 6, join=2)],
        [r.ChildDone(103.0, 6, results(2, 1)), r.JoinDecided(2, True, (4, 6), (4, 6))],
    ]
    first, second = (line.fan for line in tell(begun).lines if line.fan)
    assert first is not None and list(first.chunks) == [4, 6] and (first.done, first.failed) == (5, 1)
    assert second is not None and list(second.chunks) == [5, 7] and (second.done, second.not_started) == (3, 6)


def test_what_was_undone_of_a_fan_out_is_not_counted_as_done() -> None:
    turned: Turns = [
        *FANNED,
        [r.ChildDone(105.0, 3, results(0, 9)), r.JoinDecided(1, False, (2, 3), ()), r.ChildUndoWanted(2)],
        [r.ChildClosed(106.0, 2, "compensated", NO, ())],
    ]
    said = drawn(turned)
    assert "1,009 of 4,000 items ended, 997 undone, 12 failed, 2,991 without an end, 202 a second\n" in said
    assert "to go" not in said and "at work" not in said


def test_a_story_as_plain_data_is_a_tree_too() -> None:
    told = plain_story("o-1", tell(TURNED), {"o-1//8": tell(STUCK, since=100.0)}, 110.0, whole=False)
    join_line = told["story"][1]
    assert join_line["join"] == {"verb": "all_of", "need": 3, "of": 3, "losers": "undo", "met": False}
    charge, quorum, trip = join_line["under"]
    assert charge["undo"] == "undone at +5.0 s" and [each["pos"] for each in quorum["under"]] == [5, 6, 7]
    assert (trip["run"], trip["letters"]) == ("o-1//8", ("o-1//8#1",))
    assert trip["under"][-1]["letters"] == ("o-1//8#1",)
    msgspec.json.encode(told)
    (line,) = plain_story("o-1", tell(FANNED), {}, 110.0, whole=False)["story"]
    assert line["fan"]["done"] == 997 and line["fan"]["failures"]["shop.Declined"]["count"] == 3
