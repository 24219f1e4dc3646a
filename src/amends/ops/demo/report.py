"""What the demo shows: how it goes along, and what came of it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Protocol, Self

from rich import progress
from rich.console import Console
from rich.table import Table

from amends.ops import screen
from amends.ops.demo.audit import Audit


class Progress:
    """How far it is: two bars on a terminal, a line now and then elsewhere; on stderr, for it is not data."""

    def __init__(self, orders: int, kills: int) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        words = "{task.description}", progress.BarColumn(), progress.MofNCompleteColumn(), progress.TimeElapsedColumn()
        self._bars = progress.Progress(*words, console=self._console, disable=not self._console.is_terminal)
        self._orders = self._bars.add_task("orders ended", total=orders)
        self._kills = self._bars.add_task("workers killed with -9", total=kills)
        self._goals = orders, kills
        self._said = (-1, -1)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, ended: int, killed: int) -> None:
        """Move on."""
        self._bars.update(self._orders, completed=ended)
        self._bars.update(self._kills, completed=killed)
        worth_a_line = killed, ended * 10 // self._goals[0]
        if not self._console.is_terminal and worth_a_line != self._said:
            self._said = worth_a_line
            self.say(f"kill -9 {killed}/{self._goals[1]}   orders ended {ended}/{self._goals[0]}")

    def say(self, line: str) -> None:
        """A line that stays."""
        self._console.print(line, markup=False)


class Performance(Protocol):
    """What the report wants to know of the demo."""

    store: Path
    ledger: Path
    seed: int
    killed: int
    mishaps: dict[str, int]


def report(demo: Performance, found: Audit, seconds: float, *, as_json: bool) -> None:
    """Print what happened, the verdict, and what to try next."""
    if as_json:
        facts = {"seed": demo.seed, "kills": demo.killed, "mishaps": demo.mishaps, "seconds": round(seconds, 1)}
        screen.show_json({**facts, **vars(found), "states": dict(found.states), "passed": not found.wrong})
        return
    out = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in _rows(demo, found, seconds).items():
        table.add_row(name, str(value))
    out.print(table)
    for wrong in found.wrong[:20]:
        out.print(f"WRONG  {wrong}", markup=False)
    if found.wrong:
        out.print(f"FAIL: {len(found.wrong)} things are wrong. The files are in {demo.store.parent}", style="bold red")
        return
    out.print("PASS: each order is done or net zero, each key took effect once, nothing is open", style="bold green")
    out.print("\nWhat to try next:", markup=False)
    for command, why in worth_trying(found).items():
        out.print(f"  {_program()} {command} --store {shlex.quote(str(demo.store))}  # {why}", markup=False)
    out.print(f"  less {shlex.quote(str(demo.ledger))}  # what really happened outside", markup=False)


def _rows(demo: Performance, found: Audit, seconds: float) -> dict[str, int | str]:
    ends = {f"orders {state.replace('_', ' ')}": count for state, count in sorted(found.states.items(), reverse=True)}
    return {
        **ends,
        "workers killed with -9": demo.killed,
        "calls taken over from a dead worker": found.recoveries,
        "answers lost by the world": demo.mishaps.get("answer lost", 0),
        "requests lost on the way there": demo.mishaps.get("request lost", 0),
        "calls made again, with the same key": found.retries,
        "answered again, and not done again": demo.mishaps.get("answered from store", 0),
        "doubts that a check settled": found.checks,
        "doubts that were cancelled by key": found.cancelled,
        "effects in the outside ledger": found.effects,
        "of which undos": found.undos,
        "dead letters, ended by the operator": found.letters,
        "turns in the journal": found.turns,
        "seconds": f"{seconds:.0f}",
        "seed": demo.seed,
    }


def worth_trying(found: Audit) -> dict[str, str]:
    """Commands to try on the files that are left, and what there is to see."""
    stories = {f"show {order}": why for why, order in sorted(found.examples.items(), reverse=True)}
    return {"ps --limit 10": "the newest orders", **stories, "dlq list --all": "what a person had to do"}


def _program() -> str:
    """How the command line is called from here."""
    beside = Path(sys.executable).with_name("amends")
    if shutil.which("amends") or not beside.exists():
        return "amends"
    return shlex.quote(os.path.relpath(beside) if beside.is_relative_to(Path.cwd()) else str(beside))
