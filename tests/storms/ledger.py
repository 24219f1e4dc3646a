"""The outside world of a storm: a page for each run, and one line in it, in one write, for each call that arrived.

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
        append(self._folder / now.run_id, line)

    def page(self, run: str) -> list[Line]:
        """What arrived for a run, in the order of its arrival."""
        try:
            text = (self._folder / run).read_text()
        except FileNotFoundError:
            return []
        return [_line(*line.split()) for line in text.splitlines()]

    def runs(self) -> set[str]:
        """The runs that the world has heard of."""
        return set(os.listdir(self._folder))


def append(path: Path, text: str) -> None:
    """Add to a file, in one write."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def standing(lines: Iterable[Line]) -> dict[str, Line]:
    """By key, the effects that stand in the world after these lines."""
    there: dict[str, Line] = {}
    over: set[str] = set()
    for line in lines:
        if line.op == "do" and line.key not in over:
            there.setdefault(line.key, line)
        elif line.op == "undo" or (line.op == "ask" and line.key not in there):
            there.pop(line.key, None)
            over.add(line.key)
    return there


def _line(run: str, op: Op, step: str, pos: str, key: str, own: str, pid: str, at: str) -> Line:
    return Line(run, op, step, int(pos), key, own, int(pid), float(at))
