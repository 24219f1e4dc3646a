"""The command line: `amends`."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec

import amends
from amends.engine.engine import Engine
from amends.errors import StoreError
from amends.ops import cli_dlq, cli_explore, cli_runs, screen
from amends.ops.kin import kin, row_of
from amends.ops.load import call_of, load_saga, sagas_of
from amends.ops.progress import Progress
from amends.ops.screen import common
from amends.ops.story import because
from amends.ops.streams import Commands
from amends.ops.watching import watch
from amends.ops.words import plain, state_words

if TYPE_CHECKING:
    from amends.engine.handle import Outcome


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(amends.__version__, prog_name="amends")
def main() -> None:
    """Durable sagas: look at runs, talk to them, and act on dead letters.

    Exit codes: 0 completed, 2 usage, 3 not found, 4 conflict, 5 store, 6 output not written, 10 compensated,
    11 needs attention, 12 failed, 14 timed out waiting, 20 nothing was proven, 22 an exploration found a defect,
    130 interrupted.
    """


for command in (cli_runs.ps, cli_runs.show, cli_runs.why, cli_runs.tell, cli_runs.cancel, cli_dlq.dlq, cli_explore.explore):
    main.add_command(command)


@main.command()
@click.argument("saga", metavar="MODULE:SAGA")
@click.option("--input", "given", default="{}", help="The arguments, as a JSON object by name or an array by position.")
@click.option("--id", "run_id", help="The run's id: the same id with the same input is the same run. [default: a new one]")
@click.option("--timeout", type=click.FloatRange(min=0), help="Seconds to wait for the end; the run itself is paused then.")
@common
async def run(saga: str, given: str, run_id: str | None, timeout: float | None, store: str, as_json: bool) -> None:
    """Run MODULE:SAGA here, and wait for its end.

    The saga's value goes to stdout, as JSON. SIGINT and SIGTERM are a pause, which loses nothing.
    """
    target = load_saga(saga)
    call = call_of(target, given)
    _pause_on_sigterm()
    if run_id is None:
        run_id = f"{target.name}-{secrets.token_hex(4)}"
        screen.aside(f"run {run_id}")
    async with Engine(store, sagas=sagas_of(saga.partition(":")[0])) as engine:  # those nested in it are there too
        handle = await engine.start(call, id=run_id)
        watching = asyncio.create_task(watch(engine, run_id))
        try:
            async with asyncio.timeout(timeout):
                outcome = await handle.outcome()
        except TimeoutError:
            outcome = None
        except asyncio.CancelledError:
            screen.aside(screen.PAUSING)
            raise
        finally:
            watching.cancel()
            await asyncio.wait([watching])
        row = await row_of(engine, run_id)
        why = await _reason(engine, outcome) if outcome is not None else ""
    if outcome is None:
        screen.aside(f"amends: run {run_id} has not ended after {timeout:g} s. `amends why {run_id}` says what it waits for.")
    elif outcome.state != "completed":
        screen.aside(_ending(outcome, why))
    if as_json:
        screen.show_json({"id": run_id, "state": row.state, **msgspec.json.decode(row.outcome or b"{}")})
    elif outcome is not None and outcome.state == "completed":
        click.echo(msgspec.json.encode(msgspec.json.decode(row.outcome or b"{}").get("result")))
    sys.exit(screen.TIMED_OUT if outcome is None else screen.STATE_CODES[outcome.state])


def _pause_on_sigterm() -> None:
    """Take SIGTERM for Ctrl-C, even where that is ignored, as behind a script's back; a second one ends the process."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def pause() -> None:
        loop.remove_signal_handler(signal.SIGTERM)
        task.cancel()

    loop.add_signal_handler(signal.SIGTERM, pause)


async def _reason(engine: Engine, outcome: Outcome[Any]) -> str:
    """Why a run turned back: of a join, which of its branches failed."""
    if outcome.cause is None:
        return ""
    try:
        return plain(because((await kin(engine, outcome.run_id)).story))
    except StoreError:  # a damaged journal is what its letter is about
        return str(outcome.cause)


def _ending(outcome: Outcome[Any], why: str) -> str:
    """How a run that did not complete stands, in a sentence."""
    how = {
        "compensated": "was rolled back",
        "partly_compensated": f"was rolled back, except for {', '.join(kept.step for kept in outcome.kept)}",
        "needs_attention": f"needs a person ({', '.join(outcome.letters)})",
    }.get(outcome.state, f"is {state_words(outcome.state)}")
    reason = f", because: {why}" if why else ""
    look = "why" if outcome.state == "needs_attention" else "show"
    return f"run {outcome.run_id} {how}{reason}\nsee `amends {look} {outcome.run_id}`"


@main.command()
@click.argument("modules", metavar="MODULE...", nargs=-1, required=True)
@common
async def worker(modules: tuple[str, ...], store: str, as_json: bool) -> None:
    """Drive the runs of all sagas in each MODULE.

    Until SIGINT or SIGTERM, which is a pause and loses nothing.
    """
    sagas = dict.fromkeys(saga for module in modules for saga in sagas_of(module))
    if not sagas:
        raise click.BadParameter(f"there are no sagas in {', '.join(modules)}. Decorate an `async def` with @saga.")
    names = sorted(saga.name for saga in sagas)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Engine(store, sagas=sagas):
        if as_json:
            screen.show_json({"store": store, "sagas": names})
        screen.aside(f"driving runs in {store} (Ctrl-C pauses), of: {', '.join(names)}")
        with Progress() as progress:
            await progress.watch(stop)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)  # who asks twice does not want to wait for calls in flight
        screen.aside(screen.PAUSING)
    screen.aside(f"paused ({progress.said()}); another worker, or this one started again, goes on where it was")


@main.command()
@click.option("--orders", default=300, show_default=True, help="How many orders.")
@click.option("--kills", default=20, show_default=True, help="How many workers are killed on the way.")
@click.option("--seed", type=int, help="Repeats the same mishaps. [default: new ones]")
@click.option("--keep", type=click.Path(), help="Where to leave the files. [default: ./amends-demo]")
@click.option("--json", "as_json", is_flag=True, help="Print the audit as one JSON document.")
def demo(orders: int, kills: int, seed: int | None, keep: str | None, as_json: bool) -> None:
    """Kill workers with -9, and audit what became of the work.

    Runs orders against a small outside world of its own, and ends with PASS, or with 1 and what is wrong.
    """
    from amends.ops.demo.main import run_demo

    sys.exit(run_demo(orders=orders, kills=kills, seed=seed, keep=keep, as_json=as_json))


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a shell's completion script.

    In bash: source <(amends completion bash)
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "amends", "_AMENDS_COMPLETE").source())
