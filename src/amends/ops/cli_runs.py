"""`amends ps`, `show`, `why`, `tell` and `cancel`: what operators see of runs, and say to them."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.text import Text

from amends.errors import RunClosed
from amends.model.records import CLOSED, OPEN, Fact, State
from amends.model.turn import decode_fact
from amends.ops import screen, tables
from amends.ops.screen import common, reading
from amends.ops.story import Story
from amends.ops.story import tell as tell_story
from amends.ops.why import Look, explain

if TYPE_CHECKING:
    from amends.engine.engine import Engine
    from amends.stores.port import Run

by_whom = click.option("--by", help="Who acts. [default: the user of the operating system]")
_run = click.argument("run_id", metavar="RUN")


@click.command()
@click.option("--state", "states", multiple=True, type=click.Choice([*OPEN, *CLOSED]), help="Only runs in this state.")
@click.option("--saga", "sagas", multiple=True, help="Only runs of this saga.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1), help="How many, newest first.")
@common
async def ps(states: tuple[State, ...], sagas: tuple[str, ...], limit: int, store: str, as_json: bool) -> None:
    """List runs."""
    async with reading(store) as engine:
        rows = await engine.list(states=states, sagas=sagas, limit=limit + 1)
    shown = rows[:limit]
    if as_json:
        screen.show_json([plain_row(row) for row in shown])
    elif shown:
        tables.runs(screen.Page(), shown, time.time())
    else:
        screen.aside("no runs" if not states and not sagas else "no such runs")
    if len(rows) > limit:
        screen.aside(f"there are more than these {limit}; --limit shows more")


@click.command()
@_run
@click.option("-v", "--verbose", is_flag=True, help="Show keys, results, every attempt, and values in full.")
@common
async def show(run_id: str, verbose: bool, store: str, as_json: bool) -> None:
    """Tell the story of a run: each step, with its undo beside it."""
    async with reading(store) as engine:
        row, history = await row_of(engine, run_id), await engine.history(run_id)
    if as_json:
        screen.show_json({**plain_row(row), "turns": history})
    else:
        tables.story(screen.Page(), row, tell_story(history), verbose=verbose)


@click.command()
@_run
@common
async def why(run_id: str, store: str, as_json: bool) -> None:
    """Say what a run waits for, why, and what a person can do."""
    async with reading(store) as engine:
        row = await row_of(engine, run_id)
        letters = await engine.dlq.list(run_id=run_id)
        damaged = any(letter.kind == "damaged" for letter in letters)
        told = Story() if damaged else tell_story(await engine.history(run_id))
        mail: list[Fact] = [decode_fact(each.body) for each in await engine._store.mail(run_id)]
    found = explain(Look(row, told, letters, mail, gone(row.owner), time.time()))
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
    async with reading(store) as engine:
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
    """Stop a run and roll it back."""

    async def look() -> Run:
        async with reading(store) as engine:
            return await row_of(engine, run_id)

    async def act() -> Run:
        async with reading(store) as engine:
            await engine.cancel(run_id, by=by, reason=reason)
            return await row_of(engine, run_id)

    row = asyncio.run(look())
    if row.state in CLOSED:
        raise RunClosed(f"run {run_id!r} has ended: it is {row.state}. What it did can no longer be cancelled.")
    if not yes:
        screen.sure(f"Stop run {run_id} of saga {row.saga} and undo what it did?")
    posted(asyncio.run(act()), {"id": run_id, "cancelled": True}, f"the cancel of {run_id}", as_json)


def posted(row: Run, data: dict[str, Any], what: str, as_json: bool) -> None:
    """Say that something was written down for a run, and who carries it out."""
    driven = row.owner is not None and not gone(row.owner)
    if as_json:
        screen.show_json({**data, "driven": driven})
    elif driven or row.state in CLOSED:
        screen.aside(f"recorded: {what}; the run's worker carries it out")
    else:
        screen.aside(
            f"recorded: {what}; nobody drives the run at this moment, and a worker with saga {row.saga!r} takes it up "
            "(amends worker MODULE)"
        )


async def row_of(engine: Engine, run_id: str) -> Run:
    """A run's row; raises `UnknownRun`."""
    await engine.get(run_id).status()
    row = await engine._store.run(run_id)
    assert row is not None
    return row


def gone(owner: str | None) -> bool:
    """Whether a worker of this machine has died; False when that cannot be told from here."""
    host, _, rest = (owner or "").partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def plain_row(row: Run) -> dict[str, Any]:
    """A run's row as plain data."""
    return {
        "id": row.id,
        "saga": row.saga,
        "state": row.state,
        "input": msgspec.Raw(row.input),
        "created_at": row.created_at,
        "closed_at": row.closed_at,
        "owner": row.owner,
        "epoch": row.epoch,
        "next_at": row.next_at,
        **msgspec.json.decode(row.outcome or b"{}"),
    }
