"""The command line: `amends`."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
import time
from typing import Any

import click
import msgspec

import amends
from amends.engine.engine import Engine
from amends.ops import cli_dlq, screen, tables
from amends.ops.load import load_saga, sagas_of
from amends.ops.screen import common, reading
from amends.ops.story import tell as tell_story
from amends.ops.why import explain
from amends.stores.port import Run

STATES = ["running", "compensating", "needs_attention", "completed", "compensated", "partly_compensated", "abandoned"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(amends.__version__, prog_name="amends")
def main() -> None:
    """Durable sagas: look at runs, talk to them, and act on dead letters.

    Exit codes: 0 completed, 2 usage, 3 not found, 4 conflict, 5 store, 10 compensated, 11 needs attention, 12 failed,
    14 timed out waiting.
    """


main.add_command(cli_dlq.dlq)


@main.command()
@click.argument("saga")
@click.option("--input", "given", default="{}", help="The arguments, as a JSON object by name or an array by position.")
@click.option("--id", "run_id", help="The run's id: the same id with the same input is the same run. [default: a new one]")
@click.option("--timeout", type=float, help="Seconds to wait for the end; the run itself goes on.")
@common
async def run(saga: str, given: str, run_id: str | None, timeout: float | None, store: str, as_json: bool) -> None:
    """Run MODULE:SAGA here, and wait for its end."""
    target = load_saga(saga)
    run_id = run_id or f"{target.name}-{secrets.token_hex(4)}"
    try:
        call = target.call_json(given.encode())
    except msgspec.DecodeError as error:
        raise click.BadParameter(f"--input is not JSON: {error}") from error
    async with Engine(store, sagas=[target]) as engine:
        handle = await engine.start(call, id=run_id)
        if sys.stderr.isatty():
            screen.aside(f"run {run_id} …")
        try:
            async with asyncio.timeout(timeout):
                outcome = await handle.outcome()
        except TimeoutError:
            screen.aside(f"amends: run {run_id} has not ended after {timeout:g} s; see `amends why {run_id}`.")
            sys.exit(screen.TIMED_OUT)
        row = await _row(engine, run_id)
    if as_json:
        screen.show_json({"id": run_id, "state": outcome.state, **msgspec.json.decode(row.outcome or b"{}")})
    elif outcome.state == "completed":
        click.echo(msgspec.json.encode(msgspec.json.decode(row.outcome or b"{}").get("result")))
    else:
        because = f" because of {outcome.cause}" if outcome.cause else ""
        screen.aside(f"run {run_id} is {outcome.state.replace('_', ' ')}{because}. `amends show {run_id}` tells its story.")
    sys.exit(screen.STATE_CODES[outcome.state])


@main.command()
@click.argument("modules", nargs=-1, required=True)
@common
async def worker(modules: tuple[str, ...], store: str, as_json: bool) -> None:
    """Drive the runs of all sagas in MODULES until interrupted, which is a pause and loses nothing."""
    sagas = [saga for module in modules for saga in sagas_of(module)]
    if not sagas:
        raise click.BadParameter(f"there are no sagas in {', '.join(modules)}. Decorate an `async def` with @saga.")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Engine(store, sagas=dict.fromkeys(sagas)):
        names = sorted({saga.name for saga in sagas})
        if as_json:
            screen.show_json({"store": store, "sagas": names})
        screen.aside(f"working on {', '.join(names)} in {store}; Ctrl-C pauses")
        await stop.wait()
    screen.aside("paused; another worker, or this one started again, goes on where it was")


@main.command()
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only runs in this state.")
@click.option("--saga", "sagas", multiple=True, help="Only runs of this saga.")
@click.option("--limit", default=50, show_default=True, help="How many, newest first.")
@common
async def ps(states: tuple[str, ...], sagas: tuple[str, ...], limit: int, store: str, as_json: bool) -> None:
    """List runs."""
    async with reading(store) as engine:
        rows = await engine.list(states=states, sagas=sagas, limit=limit)  # type: ignore[arg-type]
    if as_json:
        screen.show_json([_plain(row) for row in rows])
    elif rows:
        screen.out().print(tables.runs(rows, time.time()))
    else:
        screen.aside("no runs")


@main.command()
@click.argument("run_id", metavar="RUN")
@click.option("-v", "--verbose", is_flag=True, help="Show idempotency keys too.")
@common
async def show(run_id: str, verbose: bool, store: str, as_json: bool) -> None:
    """Tell the story of a run."""
    async with reading(store) as engine:
        row, history = await _row(engine, run_id), await engine.history(run_id)
    if as_json:
        screen.show_json({**_plain(row), "turns": history})
        return
    told = tell_story(history)
    console = screen.out()
    console.print(tables.state(row.state), f" {row.id}", f"saga {row.saga}", row.input.decode(), soft_wrap=True, markup=False)
    console.print(tables.story(told, keys=verbose))
    if told.unread:
        console.print(f"never asked for: {', '.join(told.unread)}", markup=False)
    if row.state == "completed":
        console.print(f"result {msgspec.json.encode(told.result).decode()}", markup=False)


@main.command()
@click.argument("run_id", metavar="RUN")
@common
async def why(run_id: str, store: str, as_json: bool) -> None:
    """Say what a run waits for, why, and what a person can do."""
    async with reading(store) as engine:
        row = await _row(engine, run_id)
        letters = await engine.dlq.list(run_id=run_id)
        told = tell_story(await engine.history(run_id)) if not any(x.kind == "damaged" for x in letters) else tell_story([])
    text = explain(row, told, letters, time.time())
    if as_json:
        screen.show_json({"id": run_id, "state": row.state, "why": text, "letters": [letter.id for letter in letters]})
    else:
        screen.out().print(text, markup=False)


@main.command()
@click.argument("run_id", metavar="RUN")
@click.argument("name")
@click.argument("message", metavar="JSON")
@click.option("--by", help="Who sends it. [default: the user of the operating system]")
@common
async def tell(run_id: str, name: str, message: str, by: str | None, store: str, as_json: bool) -> None:
    """Send a run a message: NAME is the class that its saga receives."""
    async with reading(store) as engine:
        await engine.tell_json(run_id, name, message.encode(), by=by)
    _done({"id": run_id, "told": name}, f"told {run_id}: {name}; its worker takes it up", as_json)


@main.command()
@click.argument("run_id", metavar="RUN")
@click.option("--reason", default="", help="Why, for the story.")
@click.option("--by", help="Who asks. [default: the user of the operating system]")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
async def cancel(run_id: str, reason: str, by: str | None, yes: bool, store: str, as_json: bool) -> None:
    """Stop a run and roll it back."""
    if not yes:
        click.confirm(f"Stop run {run_id} and undo what it did?", abort=True, err=True)
    async with reading(store) as engine:
        await engine.cancel(run_id, by=by, reason=reason)
    _done({"id": run_id, "cancelled": True}, f"asked {run_id} to stop; its worker rolls it back", as_json)


@main.command()
@click.option("--orders", default=300, show_default=True, help="How many orders.")
@click.option("--kills", default=20, show_default=True, help="How many workers are killed on the way.")
@click.option("--seed", type=int, help="Repeats the same mishaps. [default: new ones]")
@click.option("--keep", type=click.Path(), help="Where to leave the files. [default: ./amends-demo]")
@click.option("--json", "as_json", is_flag=True, help="Print the audit as one JSON document.")
def demo(orders: int, kills: int, seed: int | None, keep: str | None, as_json: bool) -> None:
    """Run orders while workers are killed with -9, and audit the outside world."""
    from amends.ops.demo.main import run_demo

    sys.exit(run_demo(orders=orders, kills=kills, seed=seed, keep=keep, as_json=as_json))


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell: `source <(amends completion bash)`."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "amends", "_AMENDS_COMPLETE").source())


def _done(data: dict[str, Any], said: str, as_json: bool) -> None:
    if as_json:
        screen.show_json(data)
    else:
        screen.aside(said)


async def _row(engine: Engine, run_id: str) -> Run:
    await engine.get(run_id).status()
    row = await engine._store.run(run_id)
    assert row is not None
    return row


def _plain(row: Run) -> dict[str, Any]:
    return {
        "id": row.id,
        "saga": row.saga,
        "state": row.state,
        "input": msgspec.json.decode(row.input),
        "created_at": row.created_at,
        "closed_at": row.closed_at,
        "owner": row.owner,
        "epoch": row.epoch,
        "next_at": row.next_at,
        **msgspec.json.decode(row.outcome or b"{}"),
    }
