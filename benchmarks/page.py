"""Makes the page of the docs from the results: prose from `page.md`, tables and numbers from what was measured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from benchmarks import tables
from benchmarks.figures import Found

PROSE = Path(__file__).parent / "page.md"


def page(results: dict[str, Any]) -> str:
    """The whole page. A mark in the prose that nothing is known of is an error."""
    found = Found(results["pieces"])
    machine = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    marks = {
        "rounds": str(results["rounds"]),
        "when": results["when"],
        "machine": machine,
        "load": tables.wide(found.load()),
        "speed": tables.speed(results),
        "cost": tables.cost(results),
        "long": _long(results, found),
        "durability": tables.durability(results),
        "limits": tables.limits(results),
        "own": tables.own(results),
        "targets": tables.aims(results),
        "absent": tables.absent(results),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: marks[mark[1]], PROSE.read_text())


def _long(results: dict[str, Any], found: Found) -> str:
    """How many steps the long run of each had: those that had as many are named together."""
    had: dict[float, list[str]] = {}
    for entry in tables.measured(results):
        steps = found.of(f"{entry.name}/W2", "steps")
        if steps is not None:
            had.setdefault(steps.median, []).append(entry.label.strip("*"))
    return "; ".join(f"{steps:,.0f} with {', '.join(labels)}" for steps, labels in had.items())
