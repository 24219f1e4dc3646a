"""Runs, letters and stories as plain data, for `--json`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec

from amends.ops.story.tree import Growth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from amends.ops.kin import Nest
    from amends.ops.story import Fan, Line, Story, Try
    from amends.ops.story.tree import Node
    from amends.stores.port import Run


def plain_row(row: Run) -> dict[str, Any]:
    """A run's row as plain data."""
    return {
        "id": row.id,
        "saga": row.saga,
        "state": row.state,
        "input": msgspec.Raw(row.input),
        "created_at": row.created_at,
        "closed_at": row.closed_at,
        "parent": row.parent,
        "owner": row.owner,
        "epoch": row.epoch,
        "next_at": row.next_at,
        **msgspec.json.decode(row.outcome or b"{}"),
    }


def plain_nest(nest: Nest) -> dict[str, Any]:
    """A run's row, with those nested in it."""
    row = plain_row(nest.row)
    if nest.under or nest.more:
        row |= {"nested": [plain_nest(each) for each in nest.under], "more": nest.more}
    return row


def plain_story(run: str, story: Story, nested: Mapping[str, Story], now: float, *, whole: bool) -> dict[str, Any]:
    """A story: its tree, and what is open; instants are seconds since the epoch."""
    return {
        "returned": story.returned,
        **({} if story.due is None else {"deadline": story.due}),
        "open": [line.pos for line in story.open],
        "story": [_node(node, story.start, now) for node in Growth(nested, whole).tree(run, story)],
    }


def _node(node: Node, start: float, now: float) -> dict[str, Any]:
    """A line, without what it has nothing to say of."""
    line = node.line
    if line is None:
        return {"hidden": node.hidden, "alike": node.alike}
    found = {
        "pos": line.pos,
        "kind": line.kind,
        "what": line.what,
        "at": start + line.at,
        "outcome": line.outcome,
        "ok": line.ok,
        "fate": line.fate,
        "undo": line.undo,
        "run": line.run,
        "letters": line.stuck or ((f"{node.tale.run}#{line.letter}",) if line.letter else ()),
        "key": line.key,
        "args": msgspec.Raw(line.args.encode()) if line.args else None,
        "result": msgspec.Raw(line.result.encode()) if line.result else None,
        "error": line.error,
        "detail": line.detail,
        "until": line.until,
        "join": _join(line),
        "fan": None if line.fan is None else _fan(line.fan, now - start),
        "tries": [_try(each, start) for each in line.tries],
        "under": [_node(each, start, now) for each in node.under],
    }
    return {name: value for name, value in found.items() if value not in (None, "", (), [])}


def _join(line: Line) -> dict[str, Any] | None:
    rule = line.rule
    if rule is None:
        return None
    return {"verb": rule.verb, "need": rule.need, "of": len(rule.parts), "losers": rule.losers, "met": rule.met}


def _fan(fan: Fan, now: float) -> dict[str, Any]:
    return {
        "of": fan.of,
        "done": fan.done,
        "undone": fan.undone,
        "failed": fan.failed,
        "at_work": fan.busy,
        "not_started": fan.not_started,
        "rate": fan.rate(now),
        "seconds_to_go": fan.remaining(now),
        "failures": {
            name: {"count": kind.count, "item": msgspec.Raw(kind.item.encode()), "message": kind.said}
            for name, kind in fan.kinds.items()
        },
        "runs": [chunk.run for chunk in fan.at_work.values()],
    }


def _try(each: Try, start: float) -> dict[str, Any]:
    found = dataclasses.asdict(each)
    return found | {"at": start + each.at, "ended": None if each.ended is None else start + each.ended}
