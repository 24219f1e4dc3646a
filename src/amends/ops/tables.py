"""Runs, letters and stories as lines for a terminal: what fits is in columns, and no id is ever broken."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import msgspec
from rich.text import Text

from amends.model.records import CLOSED
from amends.ops.words import STYLES, instant, plain, plus, printable, short, span, state_words, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amends.ops.screen import Page
    from amends.ops.story import Line, Story, Try
    from amends.stores.port import Letter, Run

MOST_ARGS = 160
"""Characters of a value that are shown without -v."""

FEW_TRIES = 6
"""Of more tries than this, only the first and the last are shown without -v."""


def state(name: str) -> Text:
    """A state's name in its colour."""
    return Text(state_words(name), style=STYLES.get(name, ""))


def runs(page: Page, rows: list[Run], now: float) -> None:
    """The rows of runs."""
    cells: list[list[Text]] = []
    for row in rows:
        took = span(row.closed_at - row.created_at) if row.closed_at else f"for {span(now - row.created_at)}"
        cells.append([Text(row.id), Text(row.saga), state(row.state), Text(instant(row.created_at)), Text(took)])
    page.columns(("run", "saga", "state", "started", "took"), cells)


def letters(page: Page, rows: list[Letter], now: float) -> None:
    """Dead letters; those of one kind with one error stand together."""
    for (kind, error), group in groupby(sorted(rows, key=_alike), key=_alike):
        found = list(group)
        page.wrap(Text.assemble((state_words(kind), "bold"), f", {len(found)}: {plain(error)}"))
        cells: list[list[Text]] = []
        for row in found:
            acted = f"{row.acted} by {plain(row.by or '')}" if row.acted else f"open for {span(now - row.opened_at)}"
            cells.append([Text(row.id), Text(row.saga), Text(row.step or "the whole run"), Text(acted)])
        page.columns(("letter", "saga", "step", ""), cells)
        page.wrap(Text(""))


def _alike(letter: Letter) -> tuple[str, str]:
    return letter.kind, letter.error


def story(page: Page, row: Run, told: Story, *, verbose: bool) -> None:
    """A run's story, each undo beside the step that it undoes."""
    page.whole(Text.assemble(Text(row.id, style="bold"), "  ", state(row.state)))
    ended = f", took {span(row.closed_at - row.created_at)}" if row.closed_at else ""
    page.wrap(Text(f"saga {row.saga}, started {instant(row.created_at)}{ended}"))
    _value(page, "input", row.input.decode(), 0, verbose)
    if not told.lines:
        page.wrap(Text("nothing has happened yet"))
        return
    at = max(len(plus(line.at)) for line in told.lines)
    steps = [line for line in told.lines if line.pos is not None]
    pos = max((len(str(line.pos)) for line in steps), default=1)
    what = min(28, max((len(line.what) for line in steps), default=4))
    outcome = min(28, max((len(line.outcome) for line in steps), default=4))
    page.wrap(Text(f"{'at':>{at}}  {'':{pos}} {'step':{what}}  {'outcome':{outcome}}  undo", style="dim"))
    for line in told.lines:
        lead = f"{plus(line.at):>{at}}  {line.pos or '':>{pos}} "
        if line.pos is not None:
            said = Text(f"{line.outcome:{outcome}}", _hue(line.outcome))
            body = Text.assemble(f"{line.what:{what}}  ", said, "  ", Text(line.undo, _hue(line.undo)))
        else:
            body = _event(row, line)
        body.rstrip()
        page.hang(lead, body)
        _details(page, line, len(lead) + 2, verbose)
    _left(page, told)


def _hue(said: str) -> str:
    if "needs a person" in said:
        return "bold red"
    return "yellow" if said.startswith("in doubt") else ""


def _event(row: Run, line: Line) -> Text:
    """A line about something that happened to the run."""
    detail = f": {plain(line.detail)}" if line.detail else ""
    if line.kind == "message":
        return Text(f"message {line.what} {plain(line.detail)}, {line.outcome}")
    if line.kind == "rollback":
        return Text.assemble(("<< ", "yellow"), (line.what, "yellow"), f"{detail}")
    if line.kind == "letter":
        return Text.assemble((f"!! letter {row.id}#{line.letter} ", "bold red"), f"({line.what}){detail}")
    if line.kind == "end":
        return Text.assemble(state(line.what), detail)
    return Text(f"{plain(line.what)}{detail}" + (f" ({line.outcome})" if line.outcome else ""))


def _details(page: Page, line: Line, indent: int, verbose: bool) -> None:
    if line.args not in ("", "{}"):
        _value(page, "", line.args, indent, verbose)
    if verbose and line.key:
        page.whole(Text(f"{'':{indent}}key {line.key}", style="dim"))
    for said in _tries(line, verbose):
        page.hang(" " * indent, Text(said, style="dim"))
    if line.pos is not None and line.detail:
        page.hang(" " * indent, Text(plain(line.detail), style="dim"))
    if verbose and line.result:
        _value(page, "=>", line.result, indent, verbose)


def _value(page: Page, name: str, value: str, indent: int, verbose: bool) -> None:
    spaced = printable(msgspec.json.format(value, indent=0))
    text = spaced if verbose else short(spaced, MOST_ARGS)
    page.hang(" " * indent, Text(f"{name} {text}".lstrip(), style="dim"))


def _tries(line: Line, verbose: bool) -> Iterator[str]:
    """What went wrong on the way, or took more than one try; the same error in a row is said once."""
    groups = [list(group) for _, group in groupby(line.tries, key=lambda each: (each.what, each.said, each.error))]
    hidden = 0 if verbose else max(0, len(groups) - FEW_TRIES)
    for number, group in enumerate(groups):
        if hidden and number == FEW_TRIES // 2:
            yield f"... {hidden} more, see -v"
        if hidden and FEW_TRIES // 2 <= number < FEW_TRIES // 2 + hidden:
            continue
        if group[0].error or (group[0].what == "check" and group[0].said):
            yield _try(group)


def _try(group: list[Try]) -> str:
    first, last = group[0], group[-1]
    what = "undo attempt" if first.what == "undo" else first.what
    name = f"{what} {first.number}" if first is last else f"{len(group)} {what}s"
    ended = [each.ended for each in (first, last) if each.ended is not None]
    at = f"at {plus(ended[0])}" if first is last else f"from {plus(ended[0])} to {plus(ended[-1])}"
    pause = sum(each.pause for each in group)
    waited = (
        f", then a pause of {span(pause)}" if pause and first is last else f", with pauses of {span(pause)}" if pause else ""
    )
    if not first.error:
        return f"{name} found {at}: {first.said}"
    return f"{name} {first.said} {at}{waited}: {plain(first.error)}"


def _left(page: Page, told: Story) -> None:
    """What stays, and what nobody asked for."""
    for kept in told.kept:
        page.wrap(Text(f"left in the world: {kept.pos} {kept.step} ({plain(kept.why)})"))
    if told.unread:
        names = [line.what for line in told.unread]
        yet = "never" if told.state in CLOSED else "not yet"
        said = ", ".join(f"{name} ({times(names.count(name))})" for name in dict.fromkeys(names))
        page.wrap(Text(f"told, and {yet} asked for: {said}"))
