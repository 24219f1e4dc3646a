"""Runs, letters and stories as tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from amends.model.records import CLOSED
from amends.ops.words import STYLES, instant, span

if TYPE_CHECKING:
    from amends.ops.story import Line, Story
    from amends.stores.port import Letter, Run


def state(name: str) -> Text:
    """A state's name in its colour."""
    return Text(name.replace("_", " "), style=STYLES.get(name, ""))


def runs(rows: list[Run], now: float) -> Table:
    """The rows of runs; ids are never cut."""
    table = Table(box=None, pad_edge=False)
    table.add_column("run", overflow="fold", no_wrap=False)
    for name in ("saga", "state", "started", "took"):
        table.add_column(name, overflow="fold")
    for row in rows:
        took = span((row.closed_at or now) - row.created_at) + ("" if row.closed_at else "…")
        table.add_row(escape(row.id), escape(row.saga), state(row.state), instant(row.created_at), took)
    return table


def letters(rows: list[Letter], now: float) -> Table:
    """Dead letters, grouped by kind and error."""
    table = Table(box=None, pad_edge=False)
    for name in ("letter", "step", "kind", "age", "error"):
        table.add_column(name, overflow="fold")
    for row in sorted(rows, key=lambda letter: (letter.kind, letter.error, letter.opened_at)):
        kind = row.kind.replace("_", " ") if row.acted is None else f"{row.acted} by {row.by}"
        table.add_row(escape(row.id), escape(row.step), kind, span(now - row.opened_at), escape(row.error))
    return table


def story(told: Story, *, keys: bool) -> Table:
    """A run's steps in order, each with its undo beside it."""
    table = Table(box=None, pad_edge=False)
    table.add_column("at", justify="right", no_wrap=True)
    for name in ("", "what", "outcome", "undo"):
        table.add_column(name, overflow="fold")
    for line in told.lines:
        pos = "" if line.pos is None else str(line.pos)
        table.add_row(f"+{span(line.at)}", pos, _what(line, keys), _outcome(line, told), escape(_undo(line)))
    return table


def _what(line: Line, keys: bool) -> str:
    args = f" {line.args}" if line.args not in ("", "{}") else ""
    key = f"\nkey {line.key}" if keys and line.key else ""
    return escape(f"{line.what}{args}{key}")


def _outcome(line: Line, told: Story) -> str:
    said = line.outcome
    if line.outcome == "running" and told.state in CLOSED:
        said = "interrupted"
    if line.attempts > 1:
        said += f", {line.attempts} attempts"
    if line.error and line.outcome != "done":
        said += f": {line.error}" if said else line.error
    return escape(said)


def _undo(line: Line) -> str:
    tries = f", {line.undo_attempts} attempts" if line.undo_attempts > 1 else ""
    error = f": {line.error}" if line.undo == "undo failed" else ""
    return f"{line.undo}{tries}{error}" if line.undo else ""
