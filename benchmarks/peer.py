"""What is asked of one measured piece, and what an engine must be able to do to be measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

Figures: TypeAlias = dict[str, Any]
"""What a piece prints: numbers by name."""


@dataclass(frozen=True)
class Order:
    """One measured piece.

    Args:
        module: where its code is. One with `opened(order)` is an engine, and does one of the common works; one with
            `measure(order)` measures by itself.
        folder: an empty folder of its own.
        work: which of the common works.
        variant: which of an engine's ways of being durable; "" is the way it ships.
        at_once: how many runs are under way together.
        seconds: for so long new runs begin.
        steps: how many steps, runs or items, where the work is of a fixed size.
        size: bytes of what a step returns.
        address: of the engine's server, where it has one.
        server: the number of that server's first process.
    """

    module: str
    folder: str
    work: str = ""
    variant: str = ""
    at_once: int = 1
    seconds: float = 1.0
    steps: int = 0
    size: int = 0
    address: str = ""
    server: int | None = None

    @property
    def place(self) -> Path:
        return Path(self.folder)


class Peer(Protocol):
    """An engine that is open. Each method starts a run, waits for its end, and returns."""

    async def many(self, run: str, steps: int) -> None:
        """A run of so many steps, one after the other, each durable before the next as far as the variant has it so."""

    async def undone(self, run: str) -> None:
        """A run of ten steps of which the last fails for good; the nine before it are undone in reverse."""
