"""How far a join or a fan-out is, in words: counts, rate, what is left, and failures by kind."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from amends.ops.words import count, plain, short, span, times

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from amends.ops.story import Fan, Line

MOST_KINDS = 5
"""Kinds of failures that are told apart; the rest are counted together."""

STANDS = ("done", "failed", "at work", "waiting for a person", "not begun")

MOST_SAID = 120
"""Characters of a failure that stands for its kind."""


def of(fan: Fan, now: float) -> Iterator[str]:
    """A fan-out at `now`, in seconds from the start of its story; each of its failures by kind."""
    yield far(fan, now)
    kinds = sorted(fan.kinds.items(), key=lambda each: -each[1].count)
    for name, kind in kinds[:MOST_KINDS]:
        yield short(f"{name} {times(kind.count)}, first of item {plain(kind.item)}: {plain(kind.said)}", MOST_SAID)
    if len(kinds) > MOST_KINDS:
        yield f"{len(kinds) - MOST_KINDS} more kinds, {count(sum(kind.count for _, kind in kinds[MOST_KINDS:]))} failures"
    if fan.until is None:
        yield from (f"at work: run {chunk.run}" for chunk in fan.at_work.values())


def far(fan: Fan, now: float) -> str:
    """How far a fan-out is, on one line."""
    ended = fan.done + fan.undone + fan.failed
    whole = "" if fan.of is None else f" of {count(fan.of)}"
    parts = [f"{count(ended)}{whole} items ended"]
    figures = {
        "done": fan.done,
        "undone": fan.undone,
        "failed": fan.failed,
        "at work": fan.busy,
        "not started" if fan.until is None else "without an end": fan.not_started or 0,
    }
    parts += [f"{count(number)} {name}" for name, number in figures.items() if number]
    rate, left = fan.rate(now), fan.remaining(now)
    if rate is not None:
        parts.append(f"{count(round(rate))} a second" if rate >= 10 else f"{rate:.1f} a second")
    if left is not None:
        parts.append(f"{span(left)} to go")
    return ", ".join(parts)


def stands(branches: Sequence[Line], size: int) -> str:
    """How far a join is that is not decided."""
    counts = Counter(_stands(line) for line in branches)
    counts["not begun"] = size - len(branches)
    return ", ".join(f"{count(counts[name])} {name}" for name in STANDS if counts[name])


def _stands(line: Line) -> str:
    if line.stuck or line.letter:
        return "waiting for a person"
    return "done" if line.ok else "failed" if line.ok is False else "at work"
