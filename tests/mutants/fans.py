"""Mutants of fan-out: what is handed back, taken, held and told."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

FAN = ("tests/model/test_fan.py",)

FANS = [
    Mutant(
        "a part that was handed back is not waited for",
        "Fan-out: values come in the order of the items, whatever is handed back",
        "model/fan.py",
        "return place in self._came or place in self._waiting or any(place == again for again, _ in self._again)",
        "return place in self._came or place in self._waiting",
        FAN,
    ),
    Mutant(
        "what was taken and failed is forgotten",
        "Fan-out: failures are collected apart, those of what was taken too",
        "model/fan.py",
        "self._came[place] = without_values(raw) if read_brief(raw).lapsed else NOTHING",
        "self._came[place] = NOTHING",
        FAN,
    ),
    Mutant(
        "the first chunk may fail as much as all",
        "Fan-out: chunks that are at work share what may fail",
        "model/fan.py",
        "return max(1, min(items, left // among))",
        "return max(1, min(items, left))",
        FAN,
    ),
    Mutant(
        "a chunk goes on to its end",
        "Fan-out: it is over as soon as more has failed than is tolerated",
        "model/fan.py",
        "return int(min(items, self.allowed(0, complete=False)))",
        "return items",
        FAN,
    ),
    Mutant(
        "one failure less is tolerated by a chunk",
        "Fan-out: tolerate is exact",
        "model/tally.py",
        "return Verdict.MET if self._failed > self._rule.most else self._complete()",
        "return Verdict.MET if self._failed >= self._rule.most else self._complete()",
        FAN,
    ),
    Mutant(
        "what a chunk had at work is not told",
        "Fan-out: what was at work when too much had failed is known",
        "model/chunk.py",
        "lost = [entry for index, entry in enumerate(entries[: tally.begun]) if index not in tally.ends]",
        "lost = list[Entry]()",
        FAN,
    ),
    Mutant(
        "parts are held without end",
        "Fan-out: no more is held in memory than may be before the first part is taken",
        "model/stream.py",
        "return self.asked and begun - self.taken < MOST_HELD",
        "return self.asked",
        FAN,
    ),
    Mutant(
        "an item is redriven twice",
        "Fan-out: what failed is redriven once",
        "model/fanout.py",
        "        self._redriven = True\n",
        "",
        FAN,
    ),
]
