"""Both stores keep every promise of the port."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from amends.errors import EngineClosed
from amends.stores.memory import MemoryStore
from amends.stores.port import Store
from amends.stores.sqlite import SQLiteStore
from amends.testing.conformance import Check, Pair, checks


def in_memory(_: Path) -> tuple[Pair, Callable[[Store], Awaitable[None]]]:
    first = MemoryStore()

    async def die(store: Store) -> None:
        assert isinstance(store, MemoryStore)
        store.silence()

    return (first, MemoryStore(first.shelf)), die


def in_sqlite(folder: Path) -> tuple[Pair, Callable[[Store], Awaitable[None]]]:
    async def die(store: Store) -> None:
        assert isinstance(store, SQLiteStore) and store._writer is not None
        store._writer._beat = lambda _: None  # it lives, but its counter stands still, as in a process that was stopped

    return (SQLiteStore(folder / "a.db"), SQLiteStore(folder / "a.db")), die


Make = Callable[[Path], tuple[Pair, Callable[[Store], Awaitable[None]]]]


@pytest.mark.parametrize("make", [in_memory, in_sqlite])
@pytest.mark.parametrize("check", checks(), ids=lambda check: check.__name__)
def test_promise(
    check: Check, make: Callable[[Path], tuple[Pair, Callable[[Store], Awaitable[None]]]], tmp_path: Path
) -> None:
    async def main() -> None:
        pair, die = make(tmp_path)
        try:
            await check(pair, die)
        finally:
            for store in pair:
                try:
                    await store.close()
                except EngineClosed:
                    pass

    asyncio.run(asyncio.wait_for(main(), 20))
