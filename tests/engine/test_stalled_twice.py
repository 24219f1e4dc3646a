"""A run whose code does not fit its journal, asked to go on again and again until it does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from amends.stores.memory import MemoryStore, Shelf
from tests.engine import family


@pytest.fixture(autouse=True)
def _fresh() -> None:
    family.fresh()


async def other(number: int) -> str:
    return await family.book(str(number))


def test_a_call_in_flight_goes_on_after_a_second_try_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> Any:
        shelf = Shelf()
        async with family.engine(MemoryStore(shelf)) as engine:
            await engine.start(family.meets(2), id="x")
            while not family.meeting:
                await asyncio.sleep(0)
            engine._crew.pausing = True
        monkeypatch.setattr("amends.engine.engine.GRACE", 0.0)
        with monkeypatch.context() as patch:
            patch.setattr(family.meets, "function", other)
            async with family.engine(MemoryStore(shelf)) as engine:
                assert (await engine.get("x").outcome()).letters == ("x#1",)
                await engine.dlq.retry("x#1", by="ann")
                while (await engine.get("x").outcome()).letters != ("x#2",):
                    await asyncio.sleep(0.002)
        async with family.engine(MemoryStore(shelf)) as engine:
            await engine.dlq.retry("x#2", by="ann")
            while (await engine.get("x").outcome()).state == "needs_attention":
                await asyncio.sleep(0.002)
            return await engine.get("x").outcome()

    assert asyncio.run(asyncio.wait_for(main(), 10)).value == 2
