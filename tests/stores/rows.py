"""Rows and turns to write, and a store to write them to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from amends.stores.port import Change, Run, Turn, chain, seal
from amends.stores.sqlite import SQLiteStore


def row(name: str, *, owner: str | None = "me") -> Run:
    return Run(name, "saga", b"{}", b"seed", 1.0, owner=owner, epoch=1, next_at=None if owner else 1.0)


def first(run: Run, body: bytes = b"[]") -> Turn:
    return Turn(1, body, chain(seal(run), body))


def second(run: Run, body: bytes = b"[2]") -> Turn:
    return Turn(2, body, chain(first(run).sum, body))


def change(run: Run, **fields: Any) -> Change:
    epoch, touched = fields.pop("epoch", 1), fields.pop("touched", False)
    return Change(run.id, epoch, second(run, **fields), "running", touched=touched)


def with_store(
    path: Path, work: Callable[[SQLiteStore], Awaitable[Any]], *, worker: str = "me", lease: float = 15, **options: Any
) -> Any:
    async def main() -> Any:
        store = SQLiteStore(path, **options)
        await store.open(worker, lease=lease)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(asyncio.wait_for(main(), 30))
