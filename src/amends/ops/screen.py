"""Where the command line writes: data to stdout, the rest to stderr, JSON on request, and an exit code for each error."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from amends.engine.engine import Engine
from amends.errors import (
    AmendsError,
    Compensated,
    DefinitionError,
    IdempotencyConflict,
    LetterSettled,
    NeedsAttention,
    NotStorable,
    RunClosed,
    StoreError,
    UnknownRun,
)
from amends.ops.words import printable
from amends.stores.port import view_at

CODES: tuple[tuple[type[AmendsError], int], ...] = (
    (UnknownRun, 3),
    (IdempotencyConflict, 4),
    (LetterSettled, 4),
    (RunClosed, 4),
    (StoreError, 5),
    (Compensated, 10),
    (NeedsAttention, 11),
    (DefinitionError, 2),
    (NotStorable, 2),
)
NO_STORE = 5
TIMED_OUT = 14
INTERRUPTED = 130
STATE_CODES = {"completed": 0, "compensated": 10, "partly_compensated": 10, "needs_attention": 11, "abandoned": 12}

HANG = " " * 8

PAUSING = "pausing: calls in flight get a moment to end"

Command = Callable[..., Any]


class Page:
    """What a person reads on stdout: wrapped to the terminal; piped, each line as long as it is."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._width = self._console.width if self._console.is_terminal else sys.maxsize

    def whole(self, text: Text) -> None:
        """One line that is never broken, for what people copy: the terminal may fold it, we do not."""
        self._console.print(text, soft_wrap=True)

    def wrap(self, text: Text) -> None:
        """Text wrapped at spaces."""
        self.hang("", text)

    def hang(self, lead: str, text: Text, below: str | None = None) -> None:
        """Text behind a lead, wrapped so that every line starts where the first one does. Words are never broken.

        `below` stands in front of the lines after the first, if it is not to be blank.
        """
        for line in (part for whole in text.split("\n") for part in _broken(whole, max(20, self._width - len(lead)))):
            line.rstrip()
            self.whole(Text.assemble(lead, line))
            lead = (below or "").ljust(len(lead))

    def columns(self, names: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
        """Rows in columns; a first cell that is too long for its column has a line of its own."""
        texts = [[Text(name, style="dim") for name in names], *rows]
        widths = [max(row[at].cell_len for row in texts) for at in range(len(names))]
        rest = sum(widths[1:]) + 2 * len(widths[1:])
        widths[0] = min(widths[0], max(len(names[0]), self._width - rest))
        for row in texts:
            line = Text()
            for at, (cell, width) in enumerate(zip(row, widths, strict=True)):
                if at == 0 and cell.cell_len > width:
                    self.whole(cell)
                    cell = Text("")
                line.append_text(cell).append(" " * (width - cell.cell_len + 2))
            line.rstrip()
            self.whole(line)


def _broken(text: Text, room: int) -> list[Text]:
    """Text in lines of at most `room`, broken at spaces only: ids, keys and paths stay whole."""
    if text.cell_len <= room:
        return [text]
    breaks: list[int] = []
    used = at = 0
    for word in text.plain.split(" "):
        width = cell_len(word)
        if used and used + 1 + width > room:
            breaks.append(at)
            used = width
        else:
            used += width + (1 if at else 0)
        at += len(word) + 1
    return list(text.divide(breaks))


class Bottom:
    """The last lines on a terminal's stderr: written anew as things go on, and gone as soon as something else is said."""

    def __init__(self) -> None:
        self._rows = 0

    @property
    def live(self) -> bool:
        """Whether there is a terminal to write on."""
        return sys.stderr.isatty()

    def show(self, lines: Sequence[str]) -> None:
        """Write these lines in place of those before, as many as there is room for."""
        self.clear()
        width, height = shutil.get_terminal_size()
        broken = [part for line in lines for part in _hung(printable(line), width - 1)][: height - 1]
        self._rows = sum(max(1, -(-cell_len(part) // width)) for part in broken)
        click.echo("\n".join(broken), err=True)

    def clear(self) -> None:
        """Take the lines away."""
        if self._rows:
            click.echo(f"\x1b[{self._rows}F\x1b[J", nl=False, err=True, color=True)
            self._rows = 0


bottom = Bottom()


def _hung(line: str, width: int) -> list[str]:
    """A line broken at spaces, what follows the first of them further in."""
    first, *rest = _broken(Text(line), width)
    more = _broken(Text(" ").join(rest), width - len(HANG)) if rest else []
    return [first.plain.rstrip(), *(HANG + part.plain.strip() for part in more)]


def aside(text: str) -> None:
    """Say something that is not data."""
    bottom.clear()
    click.echo(printable(text), err=True)


def show_json(value: Any) -> None:
    """One JSON document on stdout, in UTF-8 whatever the terminal can show."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def common(command: Command) -> Command:
    """What every command has: the store, JSON, and errors as messages with exit codes."""

    @click.option("--store", envvar="AMENDS_STORE", default="amends.db", show_default=True, help="The store's file.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
    @wraps(command)
    def run(**options: Any) -> Any:
        with _Errors(logging.getLogger("amends")):
            try:
                outcome = command(**options)
                if asyncio.iscoroutine(outcome):
                    asyncio.run(outcome)
            except AmendsError as error:
                fail(error)
            except (KeyboardInterrupt, asyncio.CancelledError):
                aside("interrupted; durable work goes on where it was when a worker takes it up.")
                sys.exit(INTERRUPTED)

    return run


class _Errors(logging.Handler):
    """Errors that are logged while a command runs are said on stderr; warnings are for the command itself to tell."""

    def __init__(self, log: logging.Logger) -> None:
        super().__init__(logging.ERROR)
        self.setFormatter(logging.Formatter("amends: %(message)s"))
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Say one error."""
        aside(self.format(record))

    def __enter__(self) -> None:
        self._log.addHandler(self)

    def __exit__(self, *_: object) -> None:
        self._log.removeHandler(self)


def fail(error: AmendsError) -> NoReturn:
    """Say what went wrong, and end with its exit code."""
    aside(f"amends: {error}")
    sys.exit(next((code for kind, code in CODES if isinstance(error, kind)), 12))


def looking(store: str) -> Engine:
    """An engine that only looks, at a store that must be there, and need not be writable."""
    return Engine(view_at(_there(store)))


def posting(store: str) -> Engine:
    """An engine that drives nothing, and writes what people have to say to a store that must be there."""
    return Engine(_there(store))


def _there(store: str) -> str:
    if not Path(store).exists():
        aside(
            f"amends: there is no store {os.fspath(store)!r}. Name the file with --store PATH or AMENDS_STORE; "
            "`amends run` and `amends worker` make a new one."
        )
        sys.exit(NO_STORE)
    return store


def sure(question: str) -> None:
    """Ask before something that cannot be taken back; anything but yes ends the command."""
    click.echo(f"{printable(question)} [y/N]: ", nl=False, err=True)
    answer = sys.stdin.readline()
    if answer.strip().lower() not in ("y", "yes"):
        aside("amends: nothing was done." + ("" if answer else " Nobody is there to be asked: say --yes."))
        sys.exit(1)
