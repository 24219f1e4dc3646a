"""Journals of runs with branches, written by hand, and what a person sees of them."""

from __future__ import annotations

from io import StringIO
from typing import Any

import msgspec
from rich.console import Console

from amends.model import records as r
from amends.ops.drawing import Drawing
from amends.ops.screen import Page
from amends.ops.story import Story, tell
from amends.stores.port import Run

NO = r.Failure("shop.Declined", "no money")
STOPPED = r.Failure("amends.engine.flight.Interrupted", "its branch lost a join, or the run rolls back")

Turns = list[list[r.Record]]


def raw(value: Any) -> r.Raw:
    """A value as it is kept."""
    return r.Raw(msgspec.json.encode(value))


def want(pos: int, step: str) -> r.StepWanted:
    """A step without arguments is called."""
    return r.StepWanted(pos, step, f"key-{pos}", raw({}))


def done(at: float, pos: int, attempt: int = 1) -> r.StepDone:
    """A step is done."""
    return r.StepDone(at, pos, attempt, raw(f"r{pos}"))


def failed(at: float, pos: int, error: r.Failure = NO) -> r.StepBroke:
    """A step has failed for good."""
    return r.StepBroke(at, pos, 1, error, "failed", False)


def stopped(at: float, pos: int) -> r.StepBroke:
    """A step was interrupted."""
    return r.StepBroke(at, pos, 1, STOPPED, "in_doubt", True)


def join(pos: int, verb: str, branches: int, need: int, until: float | None = None) -> r.JoinWanted:
    """A join is awaited, whose branches have the positions after its own."""
    return r.JoinWanted(pos, verb, tuple(range(pos + 1, pos + 1 + branches)), need, "undo", until)


def child(pos: int, saga: str, run: str = "o-1") -> r.ChildWanted:
    """A nested run is started."""
    return r.ChildWanted(pos, saga, f"{run}//{pos}", raw({}), True)


def blank(width: int | None = None) -> tuple[Page, StringIO]:
    """A page, and what is on it; without `width` it is piped."""
    page, text = Page(), StringIO()
    page._console = Console(file=text, width=width or 10_000, no_color=True, highlight=False)
    page._width = width or 10_000
    return page, text


def drawn(turns: Turns, *, width: int | None = None, nested: dict[str, Story] | None = None, **more: Any) -> str:
    """A run as a person sees it, ten seconds after its start; without `width` it is piped."""
    options = {name: more.pop(name) for name in ("verbose", "whole") if name in more}
    story = more.pop("story", None) or tell(turns)
    row = Run(**{"id": "o-1", "saga": "order", "input": b"{}", "seed": b"", "created_at": 100.0} | more)
    page, text = blank(width)
    Drawing(page, row, story, nested=nested or {}, now=110.0, **options).draw()
    said = text.getvalue()
    assert not any(line != line.rstrip() for line in said.splitlines())
    return said.partition("input {}\n")[2]
