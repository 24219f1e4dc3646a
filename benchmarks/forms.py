"""How much is measured: the forms of the programme, and the cells that each engine has in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from benchmarks.entries import OURS, Entry

Cell: TypeAlias = tuple[str, dict[str, Any]]
"""What is measured, as it is called in the results, and what is to be ordered for it."""

LEVELS = (1, 10, 100, 1000)


@dataclass(frozen=True)
class Form:
    """How much is measured.

    Args:
        name: of the form.
        rounds: how often each cell is measured.
        seconds: for so long new runs begin in one measurement.
        budget: seconds after which a cell of a peer is not measured in a further round.
        own: the same for amends.
        most: runs at once.
        long: steps of the long run.
        items: of the fan-out.
        parked: runs that sleep.
        killed: runs that are in the middle when their worker is killed; and runs that have a join.
    """

    name: str
    rounds: int
    seconds: float
    budget: float
    own: float
    most: int
    long: int
    items: int
    parked: int
    killed: int


TINY = Form("tiny", 2, 0.05, 3, 30, most=10, long=20, items=500, parked=200, killed=20)
SHORT = Form("short", 5, 0.7, 5, 15, most=1000, long=2000, items=10_000, parked=10_000, killed=500)
LONG = Form("long", 5, 1.0, 15, 40, most=1000, long=10_000, items=100_000, parked=100_000, killed=1000)
FORMS = {form.name: form for form in (TINY, SHORT, LONG)}


def engine_cells(form: Form, entry: Entry) -> Iterator[Cell]:
    """The works that every engine does."""
    order = {"module": f"benchmarks.peers.{entry.module}", "variant": entry.variant, "seconds": form.seconds}
    most = min(entry.most, form.most)
    usual = min(entry.usual, form.most)
    for at_once in LEVELS:
        if at_once <= most:
            yield f"W1@{at_once}", {**order, "work": "runs", "at_once": at_once}
    yield "W2", {**order, "work": "long", "steps": min(entry.long, form.long)}
    yield f"W4@{usual}", {**order, "work": "undos", "at_once": usual}
    yield "latency", {**order, "work": "latency"}
    yield f"P10@{usual}", {**order, "work": "runs", "at_once": usual, "size": 10 * 1024}


def own_cells(form: Form) -> Iterator[Cell]:
    """What only amends is measured with."""
    shared = min(OURS.usual, form.most)
    engine = {"module": "benchmarks.peers.ours", "work": "runs", "at_once": shared, "seconds": form.seconds}
    yield f"S@{shared}", {**engine, "variant": "sync"}
    yield f"P1@{shared}", {**engine, "size": 1024}
    yield f"P100@{shared}", {**engine, "size": 100 * 1024}
    yield "W3", {"module": "benchmarks.ours.fanout", "at_once": shared, "steps": form.items}
    yield "W5", {"module": "benchmarks.ours.waiting", "steps": form.parked}
    yield "R", {"module": "benchmarks.ours.recovery", "steps": form.killed}
    yield "join", {"module": "benchmarks.ours.joins", "at_once": shared, "steps": form.killed}
    yield "turn", {"module": "benchmarks.ours.machine", "steps": 5000}
    yield "explorer", {"module": "benchmarks.ours.explorer", "at_once": 1}


def limit_cells(form: Form, size: int) -> Iterator[Cell]:
    """What the disk allows with rows of so many bytes."""
    order = {"module": "benchmarks.limits", "size": size, "seconds": min(1.0, form.seconds)}
    for at_once, name in ((0, "fdatasync"), (1, "rows@1"), (100, "rows@100"), (1000, "rows@1000")):
        yield name, {**order, "at_once": at_once}
