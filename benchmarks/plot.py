"""Steps a second by runs at once, as a picture: `python -m benchmarks.plot results.json picture.svg`.

It runs in the virtual environment "plot", which has pygal.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pygal
from pygal.style import CleanStyle

from benchmarks.forms import LEVELS
from benchmarks.tables import Found, measured

LEFT_OUT = {"temporal-local", "prefect-kept", "langgraph-sync"}
"""Ways of being durable whose lines run beside another's of the same engine."""


def picture(results: dict[str, Any]) -> bytes:
    """A line for each engine, and one for what the disk allows; both axes are logarithmic."""
    found = Found(results["pieces"])
    chart = pygal.Line(
        logarithmic=True,
        style=CleanStyle,
        js=(),
        width=900,
        height=520,
        title="Durable steps a second (W1), and what the disk allows",
        x_title="runs at once",
        legend_at_bottom=True,
        legend_at_bottom_columns=3,
        dots_size=4,
        value_formatter=lambda value: f"{value:,.0f}",
    )
    chart.x_labels = [f"{level:,}" for level in LEVELS]
    for entry in measured(results):
        if entry.name not in LEFT_OUT:
            line = [found.of(f"{entry.name}/W1@{level}") for level in LEVELS]
            width = 4 if entry.name == "amends" else 2
            chart.add(entry.label.strip("*"), [each and each.median for each in line], stroke_style={"width": width})
    raw = [found.of(name) for name in ("limit/rows@1", "", "limit/rows@100", "limit/rows@1000")]
    dashes = {"width": 1, "dasharray": "4, 4"}
    chart.add("raw sqlite3, a commit for so many rows", [each and each.median for each in raw], stroke_style=dashes)
    return bytes(chart.render())


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(picture(json.loads(Path(sys.argv[1]).read_text())))
