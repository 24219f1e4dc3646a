"""`amends dlq`: what operators can do about dead letters."""

from __future__ import annotations

import time
from typing import Any

import click
import msgspec

from amends.ops import screen, tables
from amends.ops.screen import common, reading
from amends.ops.words import instant
from amends.stores.port import Letter

_by = click.option("--by", help="Who acts. [default: the user of the operating system]")
_letter = click.argument("letter_id", metavar="LETTER")


@click.group()
def dlq() -> None:
    """Dead letters: what needs a person."""


@dlq.command("list")
@click.option("--all", "everything", is_flag=True, help="Those acted upon, too.")
@click.option("--limit", default=100, show_default=True)
@common
async def list_letters(everything: bool, limit: int, store: str, as_json: bool) -> None:
    """List the letters that wait, grouped by error."""
    async with reading(store) as engine:
        found = await engine.dlq.list(open=None if everything else True, limit=limit)
    if as_json:
        screen.show_json([_plain(letter) for letter in found])
    elif found:
        screen.out().print(tables.letters(found, time.time()))
    else:
        screen.aside("no dead letters")


@dlq.command()
@_letter
@common
async def show(letter_id: str, store: str, as_json: bool) -> None:
    """Show a letter with all that is known: input, result, key, error, attempts, and what can be done."""
    async with reading(store) as engine:
        letter = await engine.dlq.show(letter_id)
    if as_json:
        screen.show_json(_plain(letter))
        return
    paper = msgspec.json.decode(letter.body)
    error = paper["error"]
    lines = {
        "letter": letter.id,
        "kind": letter.kind.replace("_", " "),
        "saga": letter.saga,
        "step": letter.step,
        "opened": instant(letter.opened_at),
        "error": letter.error,
        "attempts": paper.get("attempts"),
        "key": paper.get("key"),
        "arguments": msgspec.json.encode(paper["args"]).decode() if "args" in paper else "",
        "result": msgspec.json.encode(paper["result"]).decode() if "result" in paper else "",
        "waits": paper["waits"],
        "acted": f"{letter.acted} by {letter.by}: {letter.note}" if letter.acted else "",
        "can be": ", ".join(paper["acts"]),
    }
    for name, value in lines.items():
        if value:
            click.echo(f"{name:>10}  {value}")
    if error.get("traceback"):
        click.echo("\n" + error["traceback"].rstrip())


@dlq.command()
@_letter
@click.option("--note", default="", help="For the story.")
@_by
@common
async def retry(letter_id: str, note: str, by: str | None, store: str, as_json: bool) -> None:
    """Try the undo or the check again; take up a parked run again."""
    async with reading(store) as engine:
        await engine.dlq.retry(letter_id, by=by, note=note)
    _recorded(letter_id, "retried", as_json)


@dlq.command()
@_letter
@click.option("--note", required=True, help="What was done by hand.")
@_by
@common
async def resolve(letter_id: str, note: str, by: str | None, store: str, as_json: bool) -> None:
    """Say that a person has done by hand what the letter asks for."""
    async with reading(store) as engine:
        await engine.dlq.resolve(letter_id, note=note, by=by)
    _recorded(letter_id, "resolved", as_json)


@dlq.command()
@_letter
@click.option("--note", required=True, help="Why the effect may stay.")
@_by
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
async def abandon(letter_id: str, note: str, by: str | None, yes: bool, store: str, as_json: bool) -> None:
    """Leave the effect in the world; the run will end abandoned, and list it."""
    if not yes:
        click.confirm(f"Leave the effect of {letter_id} in the world for good?", abort=True, err=True)
    async with reading(store) as engine:
        await engine.dlq.abandon(letter_id, note=note, by=by)
    _recorded(letter_id, "abandoned", as_json)


@dlq.command()
@_letter
@click.argument("answered", metavar="ANSWER", type=click.Choice(["happened", "did-not-happen"]))
@click.option("--result", help="What the step returned, as JSON.")
@click.option("--note", default="", help="How it was found out.")
@_by
@common
async def answer(
    letter_id: str, answered: str, result: str | None, note: str, by: str | None, store: str, as_json: bool
) -> None:
    """Say whether a step in doubt took effect: `happened` or `did-not-happen`. What happened is then undone."""
    given = None if result is None else result.encode()
    async with reading(store) as engine:
        await engine.dlq.answer(letter_id, happened=answered == "happened", result=given, note=note, by=by)
    _recorded(letter_id, "answered", as_json)


def _recorded(letter_id: str, acted: str, as_json: bool) -> None:
    if as_json:
        screen.show_json({"letter": letter_id, "acted": acted})
    else:
        screen.aside(f"{letter_id}: {acted}. It is recorded; the worker of its saga carries it out.")


def _plain(letter: Letter) -> dict[str, Any]:
    fields = {name: getattr(letter, name) for name in letter.__struct_fields__ if name != "body"}
    return {"id": letter.id, **fields, **msgspec.json.decode(letter.body)}
