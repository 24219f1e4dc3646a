"""Steps a second by runs at once, as a picture: `python -m benchmarks.plot results.json picture.svg`.

It runs in the virtual environment "plot", which has pygal.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pygal
from pygal.style import Style

from benchmarks.forms import LEVELS
from benchmarks.tables import Found, measured

LEFT_OUT = {"temporal-local", "prefect-kept", "langgraph-sync"}
"""Ways of being durable whose lines run beside another's of the same engine."""

STYLE = Style(
    background="white",
    plot_background="white",
    font_family="sans-serif",
    legend_font_size=12,
    colors=(
        "#c1121f",
        "#888888",
        "#444444",
        "#0077b6",
        "#48cae4",
        "#2a9d8f",
        "#8338ec",
        "#e9a800",
        "#6d4c41",
        "#ff7096",
        "#000000",
    ),
)


def picture(results: dict[str, Any]) -> bytes:
    """A line for each engine, and one for what the disk allows; both axes are logarithmic."""
    found = Found(results["pieces"])
    chart = pygal.Line(
        logarithmic=True,
        style=STYLE,
        js=(),
        width=1000,
        height=560,
        title="Durable steps a second (W1), and what the disk allows",
        x_title="runs at once",
        y_title="steps a second",
        y_labels=[10**power for power in range(7)],
        range=(1, 10**6),
        truncate_legend=-1,
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
