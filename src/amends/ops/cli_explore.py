"""`amends explore`: every world that a saga can meet, with up to n faults, from the command line."""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from amends.errors import AmendsError, RuleBroken, StaleToken, Vacuous
from amends.model.saga import Saga
from amends.ops import screen
from amends.ops.load import call_of, load_value, sagas_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from amends.testing import Exploration, Scenario
    from amends.testing.explorer.tally import Tally

DEFECT = 22
VACUOUS = 20
STRATEGIES = ["exhaustive", "random", "hypothesis"]
OFTEN = 0.1
"""Seconds between two lines of progress."""


@click.command()
@click.argument("name", metavar="MODULE:NAME")
@click.option("--input", "given", help="A saga's arguments, as a JSON object by name or an array by position.")
@click.option("--faults", default=2, show_default=True, type=click.IntRange(min=0), help="The most faults in one world.")
@click.option("--budget", type=click.IntRange(min=1), help="The most worlds. [default: 20,000]")
@click.option(
    "--strategy", default="exhaustive", show_default=True, type=click.Choice(["exhaustive", "random", "hypothesis"])
)
@click.option("--seed", default=0, show_default=True, help="Of the strategies that draw by luck.")
@click.option("--store", type=click.Choice(["memory", "sqlite"]), help="The store that the workers share. [default: memory]")
@click.option("--replay", metavar="TOKEN", help="Play one world only.")
@click.option("--shards", default="1/1", metavar="K/N", help="Play the K-th of N parts, each elsewhere.")
@click.option("--processes", type=click.IntRange(min=1), help="Processes on this machine. [default: one for each core]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def explore(name: str, given: str | None, as_json: bool, store: Any, shards: str, processes: int | None, **plan: Any) -> None:
    """Search every world with up to n faults for one that breaks a rule.

    NAME is a saga, or a Scenario of amends.testing, which also says what stands in for the outside world. A saga is explored
    with the World that its module holds, and may nest the other sagas there. Exits with 0 when no rule was broken, 22 when
    one was, and 20 when nothing was proven: a fault or an end that was asked for never occurred, or the same faults led to
    another world.
    """
    from amends.testing.explore import explore as search

    scenario, shard = _scenario(name, given, store), _shard(shards)
    alone = plan["strategy"] == "hypothesis" or plan["replay"] is not None
    count = processes or (1 if alone else len(os.sched_getaffinity(0)))
    try:
        with _shown() as progress:
            exploration = search(
                scenario,
                shard=shard,
                processes=count,
                progress=progress,
                **{option: value for option, value in plan.items() if value is not None},
            )
    except (RuleBroken, Vacuous) as unproven:
        exploration = unproven.exploration
    except KeyboardInterrupt:
        screen.aside("amends: interrupted; no rule was broken so far.")
        sys.exit(screen.INTERRUPTED)
    except StaleToken as stale:
        raise click.BadParameter(str(stale), param_hint="--replay") from stale
    except AmendsError as error:
        screen.fail(error)
    again = [f" --input {given!r}"] * bool(given) + [f" --store {store}"] * bool(store)
    _show(exploration, f"amends explore {name}{''.join(again)} --replay {{token}}", as_json)
    sys.exit(DEFECT if exploration.found else VACUOUS if exploration.vacuous else 0)


def _show(exploration: Exploration, how: str, as_json: bool) -> None:
    if exploration.vacuous:
        screen.aside(f"amends: nothing was proven. {exploration.vacuous}")
    if as_json:
        screen.show_json(exploration.as_json())
    else:
        columns = shutil.get_terminal_size((100, 24)).columns
        told = replace(exploration, vacuous=None).told(how, max(60, min(100, columns)))  # why it is vacuous was said above
        click.echo(told, err=exploration.vacuous is not None)


def _scenario(name: str, given: str | None, store: Any) -> Scenario:
    from amends.testing import Scenario, World

    found, module = load_value(name)
    if isinstance(found, Saga):
        worlds = [value for value in vars(module).values() if isinstance(value, World)]
        if len(worlds) > 1:
            raise click.BadParameter(f"the module of {name} holds {len(worlds)} Worlds: name a Scenario.")
        scenario = Scenario(
            call_of(found, given or "{}"), worlds[0] if worlds else World(), sagas=tuple(sagas_of(module.__name__))
        )
    elif not isinstance(found, Scenario):
        raise click.BadParameter(f"{name} is {type(found).__name__}; name a saga, or a Scenario of amends.testing.")
    elif given is not None:
        raise click.BadParameter("--input is for a saga; a Scenario holds its call already.")
    else:
        scenario = found
    return replace(scenario, store=store) if store else scenario


def _shard(text: str) -> tuple[int, int]:
    first, _, all_ = text.partition("/")
    if not (first.isdecimal() and all_.isdecimal() and 1 <= int(first) <= int(all_)):
        raise click.BadParameter(f"--shards {text!r}: write K/N, for instance 1/4.")
    return int(first), int(all_)


@contextmanager
def _shown() -> Generator[Any]:
    """Progress on stderr, on a terminal only."""
    if not sys.stderr.isatty():
        yield None
        return
    began = shown = time.monotonic()

    def progress(tally: Tally) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown >= OFTEN:
            shown = now
            click.echo(f"\r\x1b[K{_line(tally, now - began)}", nl=False, err=True)

    try:
        yield progress
    finally:
        click.echo("\r\x1b[K", nl=False, err=True)


def _line(tally: Tally, seconds: float) -> str:
    if not tally.worlds:
        return "playing the worlds that all parts have in common"
    return f"{tally.worlds:,} worlds, now with {max(tally.levels)} faults, {tally.worlds / seconds:,.0f} a second"
