"""What the core aims at, beside what was measured in the same run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.figures import Found, Spread, inverse, times


@dataclass(frozen=True)
class Target:
    """An aim: `found` is to be at least or at most `bound`; None when it was not measured."""

    what: str
    bound: float
    at_least: bool
    found: Spread | None
    unit: str = "×"

    @property
    def met(self) -> bool | None:
        if self.found is None:
            return None
        return self.found.median >= self.bound if self.at_least else self.found.median <= self.bound


def targets(found: Found) -> Iterator[Target]:
    """All of them. A run of ten steps writes a few more rows than steps, and it is the rows that the limits count."""
    w1, w100, w1000 = (f"amends/W1@{at_once}" for at_once in (1, 100, 1000))
    per_step = found.of("amends/rows", "rows")
    rows = per_step.median if per_step else 1.0
    yield Target("W1@100, beside DBOS on SQLite", 150, True, found.ratio(w100, "dbos-sqlite/W1@100"))
    yield Target("W1@100, beside Restate", 20, True, found.ratio(w100, "restate/W1@100"))
    yield Target(
        "W1@100, rows beside raw inserts at 100 a commit", 0.35, True, times(found.ratio(w100, "limit/rows@100"), rows)
    )
    yield Target("W1@1, rows beside raw single-row commits", 0.8, True, times(found.ratio(w1, "limit/rows@1"), rows))
    yield Target("W1@1,000 beside W1@100", 1, True, found.ratio(w1000, w100))
    yield Target("W2, time of a step beside W1@1's", 1.2, False, found.ratio(w1, "amends/W2"))
    yield Target("W2, time of the last tenth of the steps beside the first", 1.1, False, found.of("amends/W2", "growth"))
    yield Target("W3, time of an item beside W1@100's step", 1.3, False, found.ratio(w100, "amends/W3"))
    speed = found.ratio("amends/R", w1000, "turn_rate", "rate")
    yield Target("R, time beside that of the turns that remained, at W1@1,000", 1.5, False, inverse(times(speed, 1 / rows)))
    yield Target("W5, memory of a parked run", 1.0, False, times(found.of("amends/W5", "bytes"), 1 / 1024), "KiB")
    yield Target("S@100, threads beside async steps", 0.3, True, found.ratio("amends/S@100", w100))
    yield Target("CPU of a step at W1@100", 40, False, found.of(w100, "cpu"), "µs")
