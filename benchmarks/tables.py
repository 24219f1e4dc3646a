"""The tables of the page and of the terminal, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks import figures
from benchmarks.entries import HANDWRITTEN, OURS, PEERS, Entry
from benchmarks.figures import Found, Spread
from benchmarks.forms import LEVELS
from benchmarks.targets import Target, targets

ENTRIES = (OURS, *HANDWRITTEN, *PEERS)
NONE = "–"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    marks = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, marks, *rows))


def number(value: float) -> str:
    """Three digits that count."""
    if value >= 1000:
        digits = len(str(int(value))) - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def shown(found: Spread | None, rounds: int, unit: str = "") -> str:
    """A median; with a mark when it has fewer rounds than others."""
    if found is None:
        return NONE
    return number(found.median) + unit + ("" if found.rounds >= rounds else "*")


def wide(found: Spread | None, unit: str = "") -> str:
    """A median with its spread."""
    if found is None:
        return NONE
    return f"{number(found.median)}{unit} ({number(found.low)} to {number(found.high)})"


def measured(results: dict[str, Any]) -> list[Entry]:
    """Those that something was measured of."""
    return [entry for entry in ENTRIES if any(key.startswith(f"{entry.name}/") for key in results["pieces"])]


def speed(results: dict[str, Any]) -> str:
    """Steps a second of each work, and how many times as many amends does with as many runs at once."""
    found, rounds = Found(results["pieces"]), results["rounds"]
    rows = []
    for entry in measured(results):
        cells = [f"{entry.name}/W1@{level}" for level in LEVELS]
        most = next((level for level in (100, 10, 1) if found.of(f"{entry.name}/W1@{level}")), 1)
        beside = found.ratio(f"amends/W1@{most}", f"{entry.name}/W1@{most}")
        undos, large = (_first(found, [f"{entry.name}/{work}@{level}" for level in (100, 10, 1)]) for work in ("W4", "P10"))
        rows.append(
            [
                entry.label,
                *(shown(found.of(cell), rounds) for cell in cells),
                shown(found.of(f"{entry.name}/W2"), rounds),
                shown(undos, rounds),
                shown(large, rounds),
                NONE if entry is OURS else f"{wide(beside, '×')}{'' if most == 100 else f' at {most}'}",
            ]
        )
    head = [
        "steps a second",
        *(f"W1, {level:,} at once" for level in LEVELS),
        "W2",
        "W4",
        "P, 10 KiB",
        "amends beside it, W1@100",
    ]
    return table(head, rows)


def cost(results: dict[str, Any]) -> str:
    """What a step costs, and how long one takes when nothing else is under way."""
    found, rounds = Found(results["pieces"]), results["rounds"]
    rows = []
    for entry in measured(results):
        most = next((level for level in (100, 10, 1) if found.of(f"{entry.name}/W1@{level}")), 1)
        busy, lone = f"{entry.name}/W1@{most}", f"{entry.name}/latency"
        rows.append(
            [
                entry.label,
                shown(found.of(busy, "cpu"), rounds),
                shown(found.of(busy, "written"), rounds),
                shown(figures.times(found.of(busy, "memory"), 1 / 2**20), rounds),
                *(shown(found.of(lone, name), rounds) for name in ("step_p50", "step_p99", "answer_p50", "answer_p99")),
                *(shown(found.of(lone, name), rounds) for name in ("import_ms", "open_ms")),
            ]
        )
    head = [
        "",
        "CPU, µs a step",
        "bytes written a step",
        "memory, MiB",
        "step p50, ms",
        "p99",
        "run of one step p50, ms",
        "p99",
    ]
    return table([*head, "import, ms", "open, ms"], rows)


def limits(results: dict[str, Any]) -> str:
    """What the disk allows."""
    found = Found(results["pieces"])
    size = found.of("amends/rows", "size")
    labels = {
        "fdatasync": f"append {size.median:.0f} bytes and `fdatasync`" if size else "append and `fdatasync`",
        "rows@1": "raw sqlite3, one row a commit",
        "rows@100": "raw sqlite3, 100 rows a commit",
        "rows@1000": "raw sqlite3, 1,000 rows a commit",
    }
    return table(["the limits, a second", ""], [[label, wide(found.of(f"limit/{name}"))] for name, label in labels.items()])


def own(results: dict[str, Any]) -> str:
    """The works that only amends does here."""
    found = Found(results["pieces"])
    shared = next((level for level in (100, 10) if found.of(f"amends/S@{level}")), 100)
    busy, memory = f"amends/W1@{shared}", figures.times(found.of("amends/W5", "bytes"), 1 / 1024)
    payloads = [(f"P: steps that return {size} KiB, steps a second", f"amends/P{size}@{shared}") for size in (1, 10, 100)]
    rows = [
        ("W3: items a second of `each`", found.of("amends/W3")),
        ("W3: the same with `asyncio.TaskGroup`, which keeps nothing", found.of("amends/W3", "bare_rate")),
        ("W3: undo of a finished item, µs", found.of("amends/W3", "undone_us")),
        ("W3: memory beyond the idle engine's, MiB", found.of("amends/W3", "memory_mib")),
        ("W5: memory of a parked run, KiB", memory),
        ("W5: runs put to sleep a second", found.of("amends/W5", "parked_rate")),
        ("W5: runs woken and finished a second", found.of("amends/W5", "wake_rate")),
        ("W5: one more run when all sleep, beside the same in an empty store", _one_more(found)),
        ("R: turns a second while runs are recovered and finished", found.of("amends/R", "turn_rate")),
        (
            "a join of three steps, time beside the three in sequence",
            found.ratio(*["amends/join"] * 2, "joined", "in_sequence"),
        ),
        ("S: steps a second of `def` steps, in threads", found.of(f"amends/S@{shared}")),
        *((label, found.of(key)) for label, key in payloads),
        ("bytes of a step's rows in the journal", _journaled(found)),
        (f"rows beside raw inserts at 100 a commit, W1@{shared}", found.ratio(busy, "limit/rows@100")),
        ("a turn within the machine, µs", found.of("amends/turn", "turn_us")),
        ("fault explorer, worlds a second with one process", found.of("amends/explorer")),
    ]
    return table(["amends alone", ""], [[label, wide(figure)] for label, figure in rows])


def aims(results: dict[str, Any]) -> str:
    """Each target, what was measured, and whether it is met."""
    words = {True: "met", False: "**missed**", None: "not measured"}
    return table(
        ["target", "aim", "measured", ""],
        [
            [each.what, f"{'≥' if each.at_least else '≤'} {_aim(each)}", wide(each.found, _unit(each)), words[each.met]]
            for each in targets(Found(results["pieces"]))
        ],
    )


def durability(results: dict[str, Any]) -> str:
    """When a step counts as done, and which version was measured."""
    versions = results["versions"]
    rows = [[entry.label, versions.get(entry.name) or NONE, entry.durability] for entry in measured(results)]
    return table(["", "version", "a step is done when it is"], rows).replace("---:", "---")


def absent(results: dict[str, Any]) -> str:
    """What could not be measured, and why."""
    lines = [f"* {key}: {reason}" for key, reason in results["failed"].items()]
    return "\n".join(lines) or "Nothing was left out."


def _first(found: Found, keys: Iterable[str]) -> Spread | None:
    return next((each for key in keys if (each := found.of(key))), None)


def _one_more(found: Found) -> Spread | None:
    return found.ratio("amends/W5", "amends/W5", "one_after_us", "one_before_us")


def _journaled(found: Found) -> Spread | None:
    rows = found.of("amends/rows", "rows")
    return rows and figures.times(found.of("amends/rows", "size"), rows.median)


def _aim(target: Target) -> str:
    return f"{number(target.bound)}{_unit(target)}"


def _unit(target: Target) -> str:
    return target.unit if target.unit == "×" else f" {target.unit}"
