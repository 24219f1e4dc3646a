"""A story as a person sees it: a tree of lines, each undo beside what it undoes."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import msgspec
from rich.text import Text

from amends.model.chunk import NAME as CHUNK
from amends.model.records import CLOSED
from amends.ops import diff, figures
from amends.ops.story.causes import culprits, headline
from amends.ops.story.tree import Growth, rows
from amends.ops.tables import state
from amends.ops.words import instant, plain, plus, printable, short, span, times, when

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from amends.ops.screen import Page
    from amends.ops.story import Line, Story, Try
    from amends.ops.story.tree import Row, Tale
    from amends.stores.port import Run

MOST_ARGS = 160
"""Characters of a value that are shown without -v."""

FEW_LETTERS = 5
"""Letters of one nested run that are named, unless all is to be shown."""

FEW_TRIES = 6
"""Of more tries than this, only the first and the last are shown without -v."""

MANY = 20
"""Of more branches than this, the figures are said, too."""

WIDEST = 28
"""A column is no wider than this; what is longer pushes the rest of its line aside."""


class Drawing:
    """Draws one story on a page.

    Args:
        page: what it is drawn on.
        row: the run.
        story: what happened in it.
        nested: the stories of runs nested in it that are to be told, too, by their ids.
        now: the instant at which it is looked at.
        verbose: show keys, results, every attempt, and values in full.
        whole: show every line, however many there are.
    """

    def __init__(
        self,
        page: Page,
        row: Run,
        story: Story,
        *,
        nested: Mapping[str, Story],
        now: float,
        verbose: bool = False,
        whole: bool = False,
    ) -> None:
        self._page = page
        self._row = row
        self._story = story
        self._now = now - story.start
        self._verbose = verbose
        self._whole = whole
        self._rows = list(rows(Growth(nested, whole).tree(row.id, story)))
        nodes = [(row, row.node.line) for row in self._rows if row.node.line is not None]
        steps = [(row, line) for row, line in nodes if line.pos is not None]
        self._at = max([len(plus(line.at)) for _, line in nodes], default=2)
        self._pos = max([len(str(line.pos)) for _, line in steps], default=1)
        self._what = min(WIDEST, max([4, *(len(row.stem) + len(line.what) for row, line in steps)]))
        self._outcome = min(WIDEST, max([7, *(len(_became(row.node.tale.story, line)) for row, line in steps)]))

    def draw(self) -> None:
        """Draw all of it."""
        page, row = self._page, self._row
        page.whole(Text.assemble(Text(row.id, style="bold"), "  ", state(row.state)))
        ended = f", took {span(row.closed_at - row.created_at)}" if row.closed_at else ""
        page.wrap(Text(f"saga {row.saga}, started {instant(row.created_at)}{ended}"))
        if row.parent is not None:
            held = "; it has its value, and can be taken back until that run closes" if row.state == "held" else ""
            page.wrap(Text(f"nested in run {row.parent}{held}"))
        if row.saga.endswith(CHUNK) and not self._verbose:
            page.wrap(Text("a chunk of a fan-out: its items are the input of its steps", "dim"))
        else:
            self._value("input", row.input.decode(), "")
        if not self._rows:
            page.wrap(Text("nothing has happened yet"))
            return
        head = f"{'at':>{self._at}}  {'':{self._pos}} {'step':{self._what}}  {'outcome':{self._outcome}}  undo"
        page.wrap(Text(head.rstrip(), style="dim"))
        for each in self._rows:
            self._draw(each)
        self._left()

    def _draw(self, row: Row) -> None:
        line = row.node.line
        lead = f"{'':{self._at}}  {'':{self._pos}} "
        if line is None:
            self._page.hang(lead + row.stem, Text(f"… {row.node.hidden} more ({row.node.alike}); --all shows them", "dim"))
            return
        lead = f"{plus(line.at):>{self._at}}  {line.pos or '':>{self._pos}} "
        if line.pos is None:
            body = self._event(row.node.tale, line)
        else:
            name, said = f"{line.what:{max(0, self._what - len(row.stem))}}", _became(row.node.tale.story, line)
            outcome = Text(f"{said:{self._outcome}}", _hue(said, line))
            body = Text.assemble(name, "  ", outcome, "  ", (line.undo, _hue(line.undo)))
        body.rstrip()
        self._page.hang(lead + row.stem, body, " " * len(lead) + row.below)
        self._details(row.node.tale, line, " " * len(lead) + row.below + ("│ " if row.node.under else "  "))

    def _event(self, tale: Tale, line: Line) -> Text:
        """A line about something that happened to the run."""
        detail = diff.lines(line.detail)
        detail = f": {detail if self._verbose else short(detail, 4 * MOST_ARGS)}" if detail else ""
        if line.kind == "message":
            return Text(f"message {line.what} {plain(line.detail)}, {line.outcome}")
        if line.kind == "rollback":
            if len(culprits(tale.story)) > 1:
                detail = f": {headline(tale.story)}"
            elif tale.story.why == "owner" and tale.run != self._row.id:
                detail = detail.partition(" takes it back: ")[0] + " takes it back"  # why is told there
            return Text.assemble(("<< ", "yellow"), (line.what, "yellow"), detail)
        if line.kind == "letter":
            hue = "bold red" if line.letter in tale.story.letters else ""  # one that was acted upon needs nobody
            detail = detail.replace("\n", "\n  ")
            return Text.assemble((f"!! letter {tale.run}#{line.letter} ", hue), f"({line.what}){detail}")
        if line.kind == "end":
            return Text.assemble(state(line.what), detail)
        return Text(f"{plain(line.what)}{detail}" + (f" ({line.outcome})" if line.outcome else ""))

    def _details(self, tale: Tale, line: Line, lead: str) -> None:
        if line.args not in ("", "{}"):
            self._value("", line.args, lead)
        if line.run:
            self._said(lead, f"run {line.run}")
        for letter in line.stuck if self._whole else line.stuck[:FEW_LETTERS]:
            self._page.hang(lead, Text(f"!! letter {letter}", "bold red"), lead)
        if not self._whole and len(line.stuck) > FEW_LETTERS:
            self._page.hang(lead, Text(f"!! {len(line.stuck) - FEW_LETTERS} more letters", "bold red"), lead)
        if line.fan is not None:
            for said in figures.of(line.fan, self._now):
                self._said(lead, said)
        if line.rule is not None and line.rule.decided is not None and len(line.rule.parts) > MANY and line.fan is None:
            self._said(lead, figures.stands(tale.story.under(line), len(line.rule.parts)))
        if self._verbose and line.rule is not None and line.fan is None:
            self._said(lead, f"losers: {line.rule.losers}")
        if self._verbose and line.key:
            self._said(lead, f"key {line.key}")
        for said in self._tries(line):
            self._said(lead, said)
        if line.pos is not None and line.detail:
            self._said(lead, plain(line.detail))
        if line.run and line.error is not None:
            self._said(lead, f"because of {plain(str(line.error))}")
        if line.kind == "rollback" and len(found := culprits(tale.story)) > 1:
            for each in found[:FEW_TRIES]:
                self._said(lead, f"{each.pos} {each.what}: {plain(str(each.error or each.outcome))}")
        if self._verbose and line.result:
            self._value("=>", line.result, lead)

    def _said(self, lead: str, text: str) -> None:
        self._page.hang(lead, Text(text, style="dim"), lead)

    def _value(self, name: str, value: str, lead: str) -> None:
        spaced = printable(msgspec.json.format(value, indent=0))
        self._said(lead, f"{name} {spaced if self._verbose else short(spaced, MOST_ARGS)}".lstrip())

    def _tries(self, line: Line) -> Iterator[str]:
        """What went wrong on the way, or took more than one try; the same error in a row is said once."""
        groups = [list(group) for _, group in groupby(line.tries, key=lambda each: (each.what, each.said, each.error))]
        hidden = 0 if self._verbose else max(0, len(groups) - FEW_TRIES)
        for number, group in enumerate(groups):
            if hidden and number == FEW_TRIES // 2:
                yield f"... {hidden} more, see -v"
            if hidden and FEW_TRIES // 2 <= number < FEW_TRIES // 2 + hidden:
                continue
            if group[0].said == "interrupted" and line.stopped and not self._verbose:
                continue
            if group[0].error or (group[0].what == "check" and group[0].said):
                yield _try(group)

    def _left(self) -> None:
        """What stays, what nobody asked for, and what is still open."""
        page, told = self._page, self._story
        if told.waits_for_losers and told.open:
            still = ", ".join(f"{line.pos} {line.what}" for line in told.open[:FEW_TRIES])
            page.wrap(Text(f"it closes when its losers are at an end; still open: {still}"))
        if told.due is not None:
            page.wrap(
                Text(f"it is rolled back if it has not ended by its deadline, {when(told.due, told.start + self._now)}")
            )
        for kept in told.kept:
            page.wrap(Text(f"left in the world: {kept.pos} {kept.step} ({plain(kept.why)})"))
        if told.unread:
            names = [line.what for line in told.unread]
            yet = "never" if told.state in CLOSED else "not yet"
            said = ", ".join(f"{name} ({times(names.count(name))})" for name in dict.fromkeys(names))
            page.wrap(Text(f"told, and {yet} asked for: {said}"))


def _became(story: Story, line: Line) -> str:
    """What became of a line; of a join that is not decided, what has come so far."""
    if line.rule is not None and line.rule.decided is None and line.fan is None:
        return figures.stands(story.under(line), len(line.rule.parts))
    return f"{line.outcome}, {line.fate}" if line.fate else line.outcome


def _hue(said: str, line: Line | None = None) -> str:
    if "needs a person" in said:
        return "bold red"
    if line is not None and line.fate == "won":
        return "green"
    return "yellow" if said.startswith("in doubt") else ""


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
