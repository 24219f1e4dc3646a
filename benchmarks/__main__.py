"""Runs the benchmarks: `make bench` for amends alone; `make bench-peers` beside others, and it makes docs/performance.md."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import machine, tables, venvs
from benchmarks.entries import HANDWRITTEN, PEERS, Entry
from benchmarks.forms import FORMS
from benchmarks.page import page
from benchmarks.rounds import Rounds


def main() -> None:
    """Set up, measure, keep, show."""
    asked = _arguments()
    if not asked.again:
        for results in _measured(asked):
            asked.results.parent.mkdir(parents=True, exist_ok=True)
            asked.results.write_text(json.dumps(results, indent=1) + "\n")
    results = json.loads(asked.results.read_text())
    for make in (tables.speed, tables.cost, tables.limits, tables.own, tables.aims, tables.absent):
        print(make(results), end="\n\n")
    if asked.page is not None:
        _publish(results, asked.results, asked.page)


def _measured(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The results so far, after each round."""
    form = replace(FORMS[asked.form], rounds=asked.rounds or FORMS[asked.form].rounds)
    wanted = (
        []
        if asked.peers is None
        else [each for each in (*HANDWRITTEN, *PEERS) if each.name in asked.peers or not asked.peers]
    )
    absent = _absent(wanted)
    rounds = Rounds(form, [each for each in wanted if each.name not in absent])
    for number in rounds.measure():
        yield {
            "when": time.strftime("%-d %B %Y", time.gmtime()),
            "form": form.name,
            "rounds": number + 1,
            "machine": machine.described(),
            "versions": {entry.name: machine.version(entry) for entry in PEERS},
            "failed": {**absent, **rounds.failed},
            "pieces": rounds.pieces,
        }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--form", choices=FORMS, default="short", help="how much is measured")
    parser.add_argument("--rounds", type=int, help="another number of rounds")
    names = [each.name for each in (*HANDWRITTEN, *PEERS)]
    parser.add_argument(
        "--peers", nargs="*", metavar="NAME", choices=names, help=f"others too, all or some of {', '.join(names)}"
    )
    parser.add_argument("--results", type=Path, default=venvs.ROOT / ".bench" / "results.json", help="where the figures go")
    parser.add_argument("--again", action="store_true", help="measure nothing: show the results that are there")
    parser.add_argument("--page", type=Path, help="make this page of the results, and a picture beside it")
    return parser.parse_args()


def _absent(entries: Sequence[Entry]) -> dict[str, str]:
    """Set up what the peers need, and say of each that cannot be had why."""
    reasons: dict[str, str | None] = {}
    absent = {}
    for entry in entries:
        for name in (entry.venv, entry.also):
            if name and name not in reasons:
                print(f"setting up {name} …", file=sys.stderr, flush=True)
                reasons[name] = venvs.make(name)
        found = [reason for name in (entry.venv, entry.also) if (reason := reasons.get(name))]
        if found:
            absent[entry.name] = f"skipped: {found[0]}"
    return absent


def _publish(results: dict[str, Any], kept: Path, to: Path) -> None:
    to.write_text(page(results))
    reason = venvs.make("plot")
    if reason is not None:
        print(f"no picture was made: {reason}", file=sys.stderr)
        return
    command = [
        str(venvs.python("plot")),
        "-m",
        "benchmarks.plot",
        str(kept.absolute()),
        str(to.absolute().with_suffix(".svg")),
    ]
    subprocess.run(command, cwd=venvs.ROOT, check=True)


if __name__ == "__main__":
    main()
