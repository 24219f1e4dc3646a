"""What the store gave to a worker that never heard of it is found again: its answer to a create or a claim was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from amends import Engine
from amends.errors import StoreError
from amends.stores.memory import MemoryStore, Shelf
from amends.stores.port import Run, Turn
from tests.engine import family
from tests.engine.patience import until
from tests.model import shop

LOST = "written, and nobody heard of it"


class Forgetful(MemoryStore):
    """Does what it is asked to, and says once that it failed."""

    def __init__(self, shelf: Shelf, what: str) -> None:
        super().__init__(shelf)
        self._what = what

    def _forget(self, what: str) -> None:
        if what == self._what:
            self._what = ""
            raise StoreError(LOST)

    async def create(self, run: Run, first: Turn | None) -> Run:
        there = await super().create(run, first)
        self._forget("create")
        return there

    async def claim(self, sagas: Sequence[str], *, now: float, limit: int) -> list[Run]:
        rows = await super().claim(sagas, now=now, limit=limit)
        if rows:
            self._forget("claim")
        return rows


def test_a_run_whose_start_was_written_unheard_comes_to_its_end() -> None:
    async def main() -> None:
        async with Engine(Forgetful(Shelf(), "create"), sagas=[shop.order], poll=0.01) as engine:
            with pytest.raises(StoreError, match=LOST):
                await engine.start(shop.order("a", "ok"), id="o")
            assert await engine.run(shop.order("a", "ok"), id="o") == "hold-a-1/ch-ok"
            assert [row.state for row in await engine.list()] == ["completed"]

    asyncio.run(asyncio.wait_for(main(), 10))


def test_a_run_that_begins_with_a_nested_one_does_so_too() -> None:
    """Its first turn starts another run, so it is created without a turn."""

    async def main() -> None:
        family.fresh()
        async with family.engine(Forgetful(Shelf(), "create")) as engine:
            with pytest.raises(StoreError, match=LOST):
                await engine.start(family.deep("a"), id="o")
            assert await engine.run(family.deep("a"), id="o") == "a1a2a3"

    asyncio.run(asyncio.wait_for(main(), 10))


class Slow(MemoryStore):
    """Writes a new run, and says so when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_say_so = asyncio.Event()

    async def create(self, run: Run, first: Turn | None) -> Run:
        there = await super().create(run, first)
        await self.may_say_so.wait()
        return there


def test_a_run_that_is_being_started_is_not_looked_for() -> None:
    """Its start is on its way back while strays are looked for: it would be driven twice at once."""

    async def main() -> None:
        store = Slow()
        async with Engine(store, sagas=[shop.order], poll=3600) as engine:
            started = asyncio.create_task(engine.run(shop.order("a", "ok"), id="o"))
            await until(lambda: "o" in store.shelf.runs)
            engine._crew.doubt()
            await until(lambda: not engine._crew.unsure)
            for _ in range(50):
                await asyncio.sleep(0)
            assert shop.log == [], "nobody has taken it up meanwhile"
            store.may_say_so.set()
            assert await started == "hold-a-1/ch-ok"
            assert len(shop.log) == 2

    asyncio.run(asyncio.wait_for(main(), 10))


def test_runs_that_were_claimed_unheard_are_driven() -> None:
    shelf = Shelf()

    async def main() -> None:
        async with Engine(MemoryStore(shelf), sagas=[shop.order], drive=False) as client:
            await client.start(shop.order("a", "ok"), id="o")
            async with Engine(Forgetful(shelf, "claim"), sagas=[shop.order], poll=0.01):
                assert await client.get("o").result() == "hold-a-1/ch-ok"

    asyncio.run(asyncio.wait_for(main(), 10))


def test_a_run_that_was_lost_and_claimed_again_both_unheard_is_driven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amends.engine.engine.GRACE", 0.0)

    async def main() -> None:
        family.fresh()
        store = Forgetful(Shelf(), "claim")
        async with family.engine(store) as engine:
            await engine.start(family.meets(3), id="x")
            await until(lambda: len(family.meeting) == 1)
            store.silence()
            async with family.engine(MemoryStore(store.shelf)) as other:
                await until(lambda: len(family.meeting) == 2)
                other._crew.pausing = True
                store.shelf.alive.add(engine._crew.worker)
            assert await engine.get("x").result() == 3

    asyncio.run(asyncio.wait_for(main(), 5))
