"""Runs, letters and stories as lines for a terminal: what fits is in columns, and no id is ever broken."""

from __future__ import annotations

import shlex
from itertools import groupby
from typing import TYPE_CHECKING

from rich.text import Text

from amends.ops import diff
from amends.ops.words import STYLES, instant, plain, span, state_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from amends.ops.kin import Nest
    from amends.ops.screen import Page
    from amends.stores.port import Letter


def state(name: str) -> Text:
    """A state's name in its colour."""
    return Text(state_words(name), style=STYLES.get(name, ""))


def runs(page: Page, nests: Sequence[Nest], now: float) -> None:
    """The rows of runs, nested ones under those that they are nested in."""
    page.columns(("run", "saga", "state", "started", "took"), [cells for nest in nests for cells in _nest(nest, now, "", "")])


def _nest(nest: Nest, now: float, stem: str, below: str) -> Iterator[list[Text]]:
    row = nest.row
    took = span(row.closed_at - row.created_at) if row.closed_at else f"for {span(now - row.created_at)}"
    yield [Text(stem + row.id), Text(row.saga), state(row.state), Text(instant(row.created_at)), Text(took)]
    for index, each in enumerate(nest.under):
        last = index == len(nest.under) - 1 and not nest.more
        yield from _nest(each, now, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))
    if nest.more:
        yield [Text(f"{below}└─ … more: amends ps --of {shlex.quote(row.id)}", style="dim"), *(Text("") for _ in range(4))]


def letters(page: Page, rows: Sequence[Letter], roots: Mapping[str, str], now: float) -> None:
    """Dead letters; those of one kind with one error stand together. `roots` says what their runs are nested in."""
    for (kind, _), group in groupby(sorted(rows, key=diff.alike), key=diff.alike):
        found = list(group)
        first = "" if len({row.error for row in found}) == 1 else ", the first of them"
        page.wrap(Text.assemble((state_words(kind), "bold"), f", {len(found)}{first}: {diff.lines(found[0].error)}"))
        cells: list[list[Text]] = []
        for row in found:
            acted = f"{row.acted} by {plain(row.by or '')}" if row.acted else f"open for {span(now - row.opened_at)}"
            nested = roots[row.run_id] if roots[row.run_id] != row.run_id else ""
            cells.append([Text(row.id), Text(row.saga), Text(row.step or "the whole run"), Text(nested), Text(acted)])
        names = ["letter", "saga", "step", "nested in", ""]
        if not any(cell[3].plain for cell in cells):  # a column that says nothing takes room from those that do
            names, cells = [*names[:3], ""], [[*cell[:3], cell[4]] for cell in cells]
        page.columns(names, cells)
        page.wrap(Text(""))
