"""Where the command line writes: data to stdout, the rest to stderr, JSON on request, and an exit code for each error."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec
from rich.console import Console

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
TIMED_OUT = 14
STATE_CODES = {"completed": 0, "compensated": 10, "partly_compensated": 10, "needs_attention": 11, "abandoned": 12}

Command = Callable[..., Any]


def out() -> Console:
    """Where data goes. Piped, it is as wide as it needs to be, so that nothing is cut."""
    return Console(soft_wrap=not sys.stdout.isatty(), highlight=False, width=None if sys.stdout.isatty() else 4000)


def aside(text: str) -> None:
    """Say something that is not data."""
    click.echo(text, err=True)


def show_json(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def common(command: Command) -> Command:
    """What every command has: the store, JSON, and errors as messages with exit codes."""

    @click.option("--store", envvar="AMENDS_STORE", default="amends.db", show_default=True, help="The store's file.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
    @wraps(command)
    def run(**options: Any) -> Any:
        try:
            outcome = command(**options)
            if asyncio.iscoroutine(outcome):
                asyncio.run(outcome)
        except AmendsError as error:
            fail(error)
        except KeyboardInterrupt:
            aside("interrupted; durable work goes on where it was when a worker takes it up.")
            sys.exit(130)

    return run


def fail(error: AmendsError) -> NoReturn:
    """Say what went wrong, and end with its exit code."""
    aside(f"amends: {error}")
    sys.exit(next((code for kind, code in CODES if isinstance(error, kind)), 12))


def reading(store: str) -> Engine:
    """An engine that drives nothing, on a store that must be there."""
    if not Path(store).exists():
        aside(f"amends: there is no store {os.fspath(store)!r}. Name it with --store PATH or AMENDS_STORE.")
        sys.exit(5)
    return Engine(store)
