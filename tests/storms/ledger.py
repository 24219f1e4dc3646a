"""The outside world of a storm: one line, in one write, for each call that arrived. A run and all that is nested in it
share a page, so that the order of what they did is known.

The world honours keys, and its pages are all there is of it: what stands in the world is what its lines add up to, in
their order. The same key again changes nothing; a key that was undone, or was asked about before it was heard of, can
take no effect any more.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from amends import current
from amends.model.child import APART

Op: TypeAlias = Literal["do", "undo", "ask", "read"]


@dataclass(frozen=True)
class Line:
    """One call that arrived. `key` is the forward key, `own` that of the call itself: of an undo it is another."""

    run: str
    op: Op
    step: str
    pos: int
    key: str
    own: str
    pid: int
    at: float


class Ledger:
    """The pages, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, op: Op, pos: int) -> None:
        """Add a line about the call that is running."""
        now = current()
        line = f"{now.run_id} {op} {now.step} {pos} {now.forward.key} {now.key} {os.getpid()} {time.monotonic():.6f}\n"
        append(self._folder / root_of(now.run_id), line)

    def page(self, root: str) -> list[Line]:
        """What arrived for a run and for those nested in it, in the order of its arrival."""
        try:
            text = (self._folder / root).read_text()
        except FileNotFoundError:
            return []
        return [_line(*line.split()) for line in text.splitlines()]

    def roots(self) -> set[str]:
        """The runs that the world has heard of, for themselves or for what is nested in them."""
        return set(os.listdir(self._folder))


def root_of(run: str) -> str:
    """The run that a run is nested in, at whatever depth; itself, if it is nested in none."""
    return run.partition(APART)[0]


def append(path: Path, text: str) -> None:
    """Add to a file, in one write."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def standing(lines: Iterable[Line]) -> dict[str, Line]:
    """By key, the effects that stand in the world after these lines."""
    return replayed(lines)[0]


def replayed(lines: Iterable[Line]) -> tuple[dict[str, Line], list[Line]]:
    """What stands in the world after these lines, by key; and those that took effect or were the first to undo a key."""
    there: dict[str, Line] = {}
    undone: set[str] = set()
    over: set[str] = set()
    told: list[Line] = []
    for line in lines:
        if line.op == "do" and line.key not in over and line.key not in there:
            there[line.key] = line
            told.append(line)
        elif line.op == "undo" and line.key not in undone:
            there.pop(line.key, None)
            undone.add(line.key)
            over.add(line.key)
            told.append(line)
        elif line.op == "ask" and line.key not in there:
            over.add(line.key)
    return there, told


def _line(run: str, op: Op, step: str, pos: str, key: str, own: str, pid: str, at: str) -> Line:
    return Line(run, op, step, int(pos), key, own, int(pid), float(at))
