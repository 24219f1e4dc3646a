"""`amends ps`, `show`, `why`, `tell` and `cancel`: what operators see of runs, and say to them."""

from __future__ import annotations

import asyncio
import shlex
import socket
import time
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from amends.engine.papers import read_outcome
from amends.errors import RunClosed
from amends.model.chunk import NAME as CHUNK
from amends.model.records import CLOSED, OPEN, Fact, State
from amends.model.turn import decode_fact
from amends.ops import screen, tables
from amends.ops.drawing import Drawing
from amends.ops.kin import kin, nests_of, root_of, row_of
from amends.ops.plain import plain_nest, plain_row, plain_story
from amends.ops.screen import common, looking, posting
from amends.ops.story import Story
from amends.ops.why import Look, explain
from amends.stores.lease import has_ended

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amends.stores.port import Run

by_whom = click.option("--by", help="Who acts. [default: the user of the operating system]")
MOST_LETTERS = 20
"""Letters of nested runs that `why` reads out; `amends dlq list` has them all."""

_run = click.argument("run_id", metavar="RUN")


@click.command()
@click.option("--state", "states", multiple=True, type=click.Choice([*OPEN, *CLOSED]), help="Only runs in this state.")
@click.option("--saga", "sagas", multiple=True, help="Only runs of this saga.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1), help="How many, newest first.")
@click.option("--tree", is_flag=True, help="Show nested runs under those that they are nested in.")
@click.option("--all", "flat", is_flag=True, help="List nested runs, too, each for itself.")
@click.option("--of", "parent", metavar="RUN", help="Only runs nested in this one.")
@common
async def ps(
    states: tuple[State, ...],
    sagas: tuple[str, ...],
    limit: int,
    tree: bool,
    flat: bool,
    parent: str | None,
    store: str,
    as_json: bool,
) -> None:
    """List runs; those nested in others only when asked for."""
    if tree and flat:
        raise click.UsageError("--tree puts nested runs under others, and --all each for itself: give one of them.")
    async with looking(store) as engine:
        rows = await engine.list(
            states=states, sagas=sagas, limit=limit + 1, parent=parent, roots=not flat and parent is None
        )
        nests = await nests_of(engine, rows[:limit], tree=tree)
    if as_json:
        screen.show_json([plain_nest(nest) for nest in nests])
    elif rows:
        tables.runs(screen.Page(), nests, time.time())
    else:
        screen.aside("no such runs" if states or sagas or parent else "no runs")
    if len(rows) > limit:
        screen.aside(f"there are more than these {limit}; --limit shows more")


@click.command()
@_run
@click.option("-v", "--verbose", is_flag=True, help="Show keys, results, every attempt, and values in full.")
@click.option("--nested", is_flag=True, help="Tell what nested runs did, too.")
@click.option("--all", "whole", is_flag=True, help="Show every line, where many are alike.")
@common
async def show(run_id: str, verbose: bool, nested: bool, whole: bool, store: str, as_json: bool) -> None:
    """Tell the story of a run: each step, with its undo beside it.

    Branches stand under their join, a fan-out is told in figures, and a nested run by its id.
    """
    async with looking(store) as engine:
        row, found = await row_of(engine, run_id), await kin(engine, run_id, nested=nested)
    if as_json:
        told = plain_story(run_id, found.story, found.nested, time.time(), whole=whole)
        screen.show_json({**plain_row(row), **told, **({"turns": found.turns} if verbose else {})})
    else:
        Drawing(screen.Page(), row, found.story, nested=found.nested, now=time.time(), verbose=verbose, whole=whole).draw()
    if found.untold:
        screen.aside(f"{found.untold} more nested runs are not told; `amends show` tells each by its id")


@click.command()
@_run
@common
async def why(run_id: str, store: str, as_json: bool) -> None:
    """Say what a run waits for, why, and what a person can do."""
    async with looking(store) as engine:
        row = await row_of(engine, run_id)
        letters = await engine.dlq.list(run_id=run_id)
        damaged = any(letter.kind == "damaged" for letter in letters)
        told = Story() if damaged else (await kin(engine, run_id)).story
        nested = [name for line in told.steps.values() for name in line.stuck]
        letters += [letter for name in nested[:MOST_LETTERS] if not (letter := await engine.dlq.show(name)).acted]
        mail: list[Fact] = [decode_fact(each.body) for each in await engine._store.mail(run_id)]
        root = await root_of(engine, row)
    found = explain(
        Look(row, told, letters, mail, gone(row.owner), time.time(), root, more=max(0, len(nested) - MOST_LETTERS))
    )
    if as_json:
        ids = [letter.id for letter in letters]
        screen.show_json({"id": run_id, "state": row.state, "why": found.text, "commands": found.commands, "letters": ids})
        return
    page = screen.Page()
    page.wrap(Text(found.text))
    for command in found.commands:
        page.whole(Text(f"  {command}", style="bold"))


@click.command()
@_run
@click.argument("name")
@click.argument("message", metavar="JSON")
@by_whom
@common
async def tell(run_id: str, name: str, message: str, by: str | None, store: str, as_json: bool) -> None:
    """Send a run a message.

    NAME is the class that its saga receives, and JSON its value: amends tell order-17 Approval '{"ok": true}'
    """
    async with posting(store) as engine:
        await engine.tell_json(run_id, name, message.encode(), by=by)
        row = await row_of(engine, run_id)
    posted(row, {"id": run_id, "told": name}, f"message {name} to {run_id}", as_json)


@click.command()
@_run
@click.option("--reason", required=True, help="Why, for the next person who reads the story.")
@by_whom
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
def cancel(run_id: str, reason: str, by: str | None, yes: bool, store: str, as_json: bool) -> None:
    """Stop a run and roll it back.

    A run that is nested in another goes back alone, and the saga of the other is told that it did.
    """

    async def look() -> tuple[Run, str]:
        async with looking(store) as engine:
            found = await row_of(engine, run_id)
            return found, await root_of(engine, found)

    async def act() -> Run:
        async with posting(store) as engine:
            await engine.cancel(run_id, by=by, reason=reason)
            return await row_of(engine, run_id)

    row, root = asyncio.run(look())
    _stoppable(row, root)
    for said in _what_it_means(row, root):
        screen.aside(said)
    if not yes:
        screen.sure(f"Stop run {run_id} of saga {row.saga} and undo what it did?")
    posted(asyncio.run(act()), {"id": run_id, "cancelled": True, "root": root}, f"the cancel of {run_id}", as_json)


def _stoppable(row: Run, root: str) -> None:
    """Raises `RunClosed`, with the cure, for a run that a cancel would change nothing about."""
    if row.state in CLOSED:
        raise RunClosed(f"run {row.id!r} has ended: it is {row.state}. What it did can no longer be cancelled.")
    if row.state == "held":
        raise RunClosed(
            f"run {row.id!r} has its value and does nothing more. What it did is undone when the run is rolled back that "
            f"it is nested in: amends cancel {shlex.quote(root)}"
        )
    if read_outcome(row.outcome).returned:
        raise RunClosed(
            f"run {row.id!r} has its value, so there is nothing to stop: what its losers do comes to its end by itself. "
            f"See `amends why {shlex.quote(row.id)}`."
        )


def _what_it_means(row: Run, root: str) -> Iterator[str]:
    """What the cancel of a run means beyond the run itself."""
    if row.state == "compensating" or read_outcome(row.outcome).cause is not None:
        yield f"run {row.id} rolls back already: a cancel is recorded, and changes nothing"
    elif row.parent is not None:
        if row.saga.endswith(CHUNK):
            yield f"it is a part of a fan-out of run {row.parent}, which fails as a whole then"
        else:
            yield f"it is nested in run {row.parent}, whose saga is told that it was rolled back, and may go another way"
        yield f"to stop all of it: amends cancel {shlex.quote(root)} --reason TEXT"


def posted(row: Run, data: dict[str, Any], what: str, as_json: bool) -> None:
    """Say that something was written down for a run, and who carries it out."""
    driven = row.owner is not None and not gone(row.owner)
    if as_json:
        screen.show_json({**data, "driven": driven})
    elif driven or row.state in CLOSED:
        screen.aside(f"recorded: {what}; the run's worker carries it out")
    else:
        screen.aside(
            f"recorded: {what}; nobody drives the run at this moment, and a worker with saga "
            f"{row.saga.removesuffix(CHUNK)!r} takes it up "
            "(amends worker MODULE)"
        )


def gone(owner: str | None) -> bool:
    """Whether a worker of this machine has died; False when that cannot be told from here."""
    host, _, rest = (owner or "").partition(":")
    pid = rest.partition(":")[0]
    return host == socket.gethostname() and pid.isdecimal() and has_ended(int(pid))
