"""Waits for what another part of the engine, or another process, does in its own time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(what: Callable[[], bool]) -> None:
    """Look again and again until it is so; who calls it has a time limit of its own."""
    while not what():
        await asyncio.sleep(0.002)
