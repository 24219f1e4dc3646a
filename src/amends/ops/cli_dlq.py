"""`amends dlq`: what operators can do about dead letters."""

from __future__ import annotations

import asyncio
import shlex
import time
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.text import Text

from amends.engine.deadletters import fits
from amends.errors import LetterSettled
from amends.ops import diff, screen, tables
from amends.ops.cli_runs import by_whom, posted
from amends.ops.kin import roots_of, row_of
from amends.ops.screen import common, looking, posting
from amends.ops.why import acts
from amends.ops.words import instant, plain, printable, state_words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from amends.engine.deadletters import DeadLetters
    from amends.stores.port import Letter, Run

_letter = click.argument("letter_id", metavar="LETTER")


@click.group()
def dlq() -> None:
    """Dead letters: what needs a person."""


@dlq.command("list")
@click.option("--all", "everything", is_flag=True, help="Those acted upon, too.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="How many, oldest first.")
@common
async def list_letters(everything: bool, limit: int, store: str, as_json: bool) -> None:
    """List the letters that wait, those with the same error together."""
    async with looking(store) as engine:
        found = await engine.dlq.list(open=None if everything else True, limit=limit + 1)
        shown = found[:limit]
        roots = await roots_of(engine, shown)
    if as_json:
        screen.show_json([_plain(letter, roots) for letter in shown])
    elif shown:
        tables.letters(screen.Page(), shown, roots, time.time())
    else:
        screen.aside("no dead letters")
    if len(found) > limit:
        screen.aside(f"there are more than these {limit}; --limit shows more")


@dlq.command()
@_letter
@common
async def show(letter_id: str, store: str, as_json: bool) -> None:
    """Show a letter with all that is known: input, result, key, error, attempts, and what can be done."""
    async with looking(store) as engine:
        letter = await engine.dlq.show(letter_id)
        roots = await roots_of(engine, [letter])
    if as_json:
        screen.show_json(_plain(letter, roots))
    else:
        _tell(screen.Page(), letter, roots[letter.run_id])


def _tell(page: screen.Page, letter: Letter, root: str) -> None:
    paper = msgspec.json.decode(letter.body)
    lines = {
        "letter": letter.id,
        "run": letter.run_id,
        "nested in": root if root != letter.run_id else "",
        "saga": letter.saga,
        "step": letter.step,
        "kind": state_words(letter.kind),
        "opened": instant(letter.opened_at),
        "error": diff.lines(letter.error),
        "notes": "; ".join(plain(note) for note in paper["error"].get("notes", ())),
        "attempts": str(paper.get("attempts", "")),
        "key": paper.get("key", ""),
        "arguments": plain(msgspec.json.encode(paper["args"]).decode()) if "args" in paper else "",
        "result": plain(msgspec.json.encode(paper["result"]).decode()) if "result" in paper else "",
        "waits": paper["waits"] + (f"; so does run {root}" if root != letter.run_id else ""),
        "acted": plain(f"{letter.acted} by {letter.by}, {instant(letter.acted_at or 0)}") if letter.acted else "",
        "note": plain(letter.note or ""),
    }
    for name, value in lines.items():
        if value:
            page.hang(f"{name:>9}  ", Text(value))
    if paper["error"].get("traceback"):
        page.whole(Text("\n" + printable(paper["error"]["traceback"]).rstrip(), style="dim"))
    if not letter.acted:
        page.whole(Text("\nwhat can be done:" if paper["acts"] else "\nnothing can be done here but restoring the file"))
        for command in acts(letter)[1:]:
            page.whole(Text(f"  {command}", style="bold"))


@dlq.command()
@_letter
@click.option("--note", default="", help="What has changed, for the next person.")
@by_whom
@common
async def retry(letter_id: str, note: str, by: str | None, store: str, as_json: bool) -> None:
    """Try the undo or the check again; take up a parked run again."""
    row = await _act(store, letter_id, lambda letters: letters.retry(letter_id, by=by, note=note))
    _recorded(row, letter_id, "retried", as_json)


@dlq.command()
@_letter
@click.option("--note", required=True, help="What was done by hand.")
@by_whom
@common
async def resolve(letter_id: str, note: str, by: str | None, store: str, as_json: bool) -> None:
    """Say that a person has done by hand what the letter asks for."""
    row = await _act(store, letter_id, lambda letters: letters.resolve(letter_id, note=note, by=by))
    _recorded(row, letter_id, "resolved", as_json)


@dlq.command()
@_letter
@click.option("--note", required=True, help="Why the effect may stay.")
@by_whom
@click.option("--yes", is_flag=True, help="Do not ask.")
@common
def abandon(letter_id: str, note: str, by: str | None, yes: bool, store: str, as_json: bool) -> None:
    """Leave the effect in the world for good; the run will end abandoned, and list it."""

    async def look() -> Letter:
        async with looking(store) as engine:
            return await engine.dlq.show(letter_id)

    letter = asyncio.run(look())
    if letter.acted:
        raise LetterSettled(f"dead letter {letter_id} was {letter.acted} by {letter.by} already.")
    fits(letter, "abandon", "abandoned")
    if not yes:
        screen.sure(f"Leave what step {letter.step!r} of run {letter.run_id} did in the world for good?")
    row = asyncio.run(_act(store, letter_id, lambda letters: letters.abandon(letter_id, note=note, by=by)))
    _recorded(row, letter_id, "abandoned", as_json)


@dlq.command()
@_letter
@click.argument("answered", metavar="happened|did-not-happen", type=click.Choice(["happened", "did-not-happen"]))
@click.option("--result", help="What the step returned, as JSON.")
@click.option("--note", default="", help="How it was found out.")
@by_whom
@common
async def answer(
    letter_id: str, answered: str, result: str | None, note: str, by: str | None, store: str, as_json: bool
) -> None:
    """Say whether a step in doubt took effect. What happened is then undone."""
    given = None if result is None else result.encode()
    happened = answered == "happened"
    if given is not None and not happened:
        raise click.UsageError("--result is what the step returned when it happened; leave it out of `did-not-happen`.")
    row = await _act(
        store, letter_id, lambda letters: letters.answer(letter_id, happened=happened, result=given, note=note, by=by)
    )
    _recorded(row, letter_id, "answered", as_json)


async def _act(store: str, letter_id: str, act: Callable[[DeadLetters], Awaitable[None]]) -> Run:
    """Carry out an act; the row of its run, afterwards."""
    async with posting(store) as engine:
        await act(engine.dlq)
        return await row_of(engine, letter_id.rpartition("#")[0])


def _recorded(row: Run, letter_id: str, acted: str, as_json: bool) -> None:
    posted(row, {"letter": letter_id, "acted": acted}, f"{shlex.quote(letter_id)} {acted}", as_json)


def _plain(letter: Letter, roots: dict[str, str]) -> dict[str, Any]:
    fields = {name: getattr(letter, name) for name in letter.__struct_fields__ if name != "body"}
    return {"id": letter.id, "root": roots[letter.run_id], **fields, **msgspec.json.decode(letter.body)}
