"""What a run does at this moment, told on stderr while somebody waits for its end."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from amends.errors import StoreError
from amends.ops import figures
from amends.ops.kin import kin
from amends.ops.screen import aside, bottom
from amends.ops.story.tree import Growth, Node, rows
from amends.ops.words import count, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from amends.engine.engine import Engine
    from amends.ops.story import Line, Story

EVERY, EVERY_PIPED = 0.5, 30.0
"""Seconds between looks at the run: on a terminal its lines are written anew, else another line is written."""

SHARE = 0.05
"""A look takes no more than this part of the time: of a run with a long journal, looks are rarer."""

MOST_LINES = 10
"""Things under way that are shown at once."""


async def watch(engine: Engine, run_id: str) -> None:
    """Tell what a run does, until cancelled."""
    said, took = "", 0.0
    try:
        while True:
            await asyncio.sleep(max(EVERY if bottom.live else EVERY_PIPED, took / SHARE))
            before = time.monotonic()
            try:
                story = (await kin(engine, run_id)).story
            except StoreError:  # whoever drives the run says so; this only looks
                continue
            took = time.monotonic() - before
            lines = list(under_way(run_id, story, time.time() - story.start))
            if bottom.live:
                bottom.show(lines)
            elif lines != [said]:
                said = "; ".join(line.strip() for line in lines)
                aside(said)
    finally:
        bottom.clear()


def under_way(run_id: str, story: Story, now: float) -> Iterator[str]:
    """What is under way at `now`, in seconds from the start of the story."""
    steps = [line for line in story.steps.values() if line.kind in ("step", "run")]
    state = {"compensating": "rolling back"}.get(story.state, "waiting for its losers" if story.returned else "running")
    figure = f"{count(sum(line.ok is True for line in steps))} of {count(len(steps))} steps done" if steps else ""
    undone = sum(line.undo.startswith("undone") for line in steps)
    parts = [f"run {run_id}", f"{state} for {span(now)}", figure, f"{count(undone)} undone" if undone else ""]
    yield ", ".join(part for part in parts if part)
    busy = _busy(Growth({}, whole=True).tree(run_id, story), now)
    lines = [f"  {each.stem}{_now(each.node, now)}" for each in rows(busy)]
    yield from lines[:MOST_LINES]
    if len(lines) > MOST_LINES:
        yield f"  … {len(lines) - MOST_LINES} more"


def _busy(nodes: Sequence[Node], now: float) -> list[Node]:
    """The tree of what does something."""
    kept = [Node(node.tale, node.line, _busy(node.under, now)) for node in nodes]
    return [node for node in kept if node.under or _now(node, now)]


def _now(node: Node, now: float) -> str:
    """What a line does at this moment; nothing, if it does nothing."""
    line, story = node.line, node.tale.story
    if line is None or line.kind == "chunk":
        return ""
    at = f"{line.pos} {line.what}"
    if line.fan is not None:
        return f"{at}: {figures.far(line.fan, now)}" if line.fan.until is None or line.fan.at_work else ""
    if line.rule is not None:
        stands = figures.stands(story.under(line), len(line.rule.parts))
        return f"{at}: {stands}" if line.rule.decided is None else f"{at}: {line.outcome}" if node.under else ""
    if line.pos in story.waiting:
        until = "" if line.until is None else f" for {span(max(0.0, line.until - story.start - now))} more"
        return f"{at}: {line.outcome}{until}"
    if not line.at_work:
        return f"{at}: waiting for a person" if line.stuck or line.letter else ""
    return f"{at}: {_call(line, story, now)}"


def _call(line: Line, story: Story, now: float) -> str:
    if line.run:
        return f"run {line.run} {line.undo or line.outcome}"
    last = line.tries[-1]
    what = "undo attempt" if last.what == "undo" else last.what
    if line.busy:
        return f"{what} {last.number} for {span(now - last.at)}"
    return f"another {what} in {span(max(0.0, (line.until or 0.0) - story.start - now))}, after {last.error}"
