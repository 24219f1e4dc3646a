"""Journal before act: whatever is called, its intent was durable before; a store that is slow to say so shows it."""

from __future__ import annotations

import asyncio

import pytest

from amends import Compensated, Engine
from amends.model import records as r
from amends.model.turn import decode_turn
from amends.stores.memory import MemoryStore
from amends.stores.port import Change, Run, Turn
from tests.engine import sagas


class SlowStore(MemoryStore):
    """Says that a turn is durable only after the event loop has had many chances to run ahead of it."""

    async def create(self, run: Run, first: Turn | None) -> Run:
        await self._pass_time()
        return await super().create(run, first)

    def commit(self, change: Change) -> asyncio.Future[None]:
        async def later() -> None:
            await self._pass_time()
            await MemoryStore.commit(self, change)

        return asyncio.ensure_future(later())

    async def _pass_time(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    def intents(self) -> set[tuple[type[r.Record], int]]:
        """What the journal holds of things that are wanted, by kind and position."""
        turns = [turn for run in self.shelf.turns.values() for turn in run]
        found = [record for turn in turns for record in decode_turn(turn.body)]
        kinds = (r.StepWanted, r.RetryWanted, r.CheckWanted, r.UndoWanted, r.RollbackBegan)
        return {(type(record), getattr(record, "pos", 0)) for record in found if isinstance(record, kinds)}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> SlowStore:
    made = SlowStore()
    monkeypatch.setattr(sagas, "durable", made.intents)
    sagas.seen.clear()
    return made


def test_steps_undos_and_the_turn_back_are_durable_before_they_are_acted_upon(store: SlowStore) -> None:
    async def main() -> None:
        async with Engine(store, sagas=[sagas.looks_back]) as engine:
            with pytest.raises(Compensated):
                await engine.run(sagas.looks_back(), id="x")

    asyncio.run(asyncio.wait_for(main(), 20))
    called = [name for name, _ in sagas.seen]
    assert called == ["witness", "doubtful", "doubtful", "find_doubtful", "undo_witness"]
    wanted = [
        {(r.StepWanted, 1)},
        {(r.StepWanted, 2)},
        {(r.RetryWanted, 2)},
        {(r.CheckWanted, 2)},
        {(r.RollbackBegan, 0), (r.UndoWanted, 1)},
    ]
    for (name, durable), intent in zip(sagas.seen, wanted, strict=True):
        assert intent <= durable, f"{name} was called before its intent was durable"
