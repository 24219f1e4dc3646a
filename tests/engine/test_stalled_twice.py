"""A run whose code does not fit its journal, asked to go on again and again until it does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from amends import Engine, Retry, saga, step
from amends.model.records import Retried
from amends.model.turn import decode_turn
from amends.stores.memory import MemoryStore, Shelf
from amends.stores.port import Change, Run
from tests.engine import family
from tests.engine.patience import until


@pytest.fixture(autouse=True)
def _fresh() -> None:
    family.fresh()


async def other(**_: Any) -> str:
    return await family.book("other")


tries: list[str] = []
loose = asyncio.Event()


@step
async def tie() -> str:
    return "tied"


@tie.undo(retry=Retry(attempts=1))
async def untie(tied: str) -> None:
    tries.append(tied)
    if len(tries) == 1:
        raise ValueError("too tight")
    await loose.wait()


@saga
async def ties() -> None:
    await tie()
    raise ValueError("after all")


def test_what_is_asked_of_a_parked_run_waits_until_it_goes_on_and_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> Any:
        tries.clear()
        globals()["loose"] = asyncio.Event()
        store = MemoryStore()
        rows, letters = store.shelf.runs, store.shelf.letters
        async with Engine(store, sagas=[ties], poll=0.005) as engine:
            assert (await (await engine.start(ties(), id="x")).outcome()).letters == ("x#1",)
            with monkeypatch.context() as patch:
                patch.setattr(ties, "function", other)
                await until(lambda: rows["x"].owner is None)
                await engine.dlq.retry("x#1", by="ann")
                await until(lambda: ("x", 2) in letters and rows["x"].owner is None)
            epoch = rows["x"].epoch
            await engine.tell("x", "look again")
            await until(lambda: rows["x"].epoch > epoch and rows["x"].owner is None)
            assert tries == ["tied"], "its code fits again, but nobody has said so yet"
            await engine.dlq.retry("x#2", by="ann")
            await until(lambda: len(tries) > 1)
            loose.set()
            await until(lambda: rows["x"].state == "compensated")
            return tries

    assert asyncio.run(asyncio.wait_for(main(), 5)) == ["tied", "tied"]


def test_a_call_in_flight_goes_on_after_a_second_try_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amends.engine.engine.GRACE", 0.0)

    async def main() -> Any:
        shelf = Shelf()
        async with family.engine(MemoryStore(shelf)) as engine:
            await engine.start(family.meets(2), id="x")
            while not family.meeting:
                await asyncio.sleep(0)
            engine._crew.pausing = True
        with monkeypatch.context() as patch:
            patch.setattr(family.meets, "function", other)
            async with family.engine(MemoryStore(shelf)) as engine:
                assert (await engine.get("x").outcome()).letters == ("x#1",)
                await engine.dlq.retry("x#1", by="ann")
                while (await engine.get("x").outcome()).letters != ("x#2",):
                    await asyncio.sleep(0.002)
                assert shelf.mail == [], "what was asked is in the journal, and is not asked again"
        async with family.engine(MemoryStore(shelf)) as engine:
            await engine.dlq.retry("x#2", by="ann")
            while (await engine.get("x").outcome()).state == "needs_attention":
                await asyncio.sleep(0.002)
            return await engine.get("x").outcome()

    assert asyncio.run(asyncio.wait_for(main(), 10)).value == 2


def waits_for_a_person(run: Run) -> bool:
    """And nobody drives it, nor will before a person acts."""
    return (run.state, run.owner, run.next_at) == ("needs_attention", None, None)


def test_a_worker_that_dies_between_a_person_s_word_and_what_follows_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> Any:
        shelf = Shelf()
        async with family.engine(MemoryStore(shelf)) as engine:
            await engine.start(family.patient_tour(), id="x")
            await until(lambda: "a1" in family.log and shelf.runs["x//1"].owner is None)
            with monkeypatch.context() as patch:
                patch.setattr(family.waiting_trip, "function", other)
                await engine.tell("x//1", "!")
                await until(lambda: all(map(waits_for_a_person, shelf.runs.values())))
        store = family.Cut(shelf, commits=1)
        dying = family.engine(store)
        await dying.__aenter__()
        await dying.dlq.retry("x//1#1", by="ann")
        await store.over.wait()
        assert isinstance(decode_turn(shelf.turns["x//1"][-1].body)[-1], Retried), "and not that it goes on"
        await family.kill(dying, store)
        return await family.go_on(shelf)

    assert asyncio.run(asyncio.wait_for(main(), 5)).value == "a1!"


class Last(MemoryStore):
    """Its engine begins to close while it writes what a person asked for."""

    engine: Any = None

    def commit(self, change: Change) -> asyncio.Future[None]:
        """See `Store.commit`."""
        self.engine._crew.pausing |= bool(change.mail)
        return super().commit(change)


def test_an_engine_that_closes_between_a_person_s_word_and_what_follows_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("amends.engine.engine.GRACE", 0.0)

    async def main() -> None:
        shelf = Shelf()
        async with family.engine(MemoryStore(shelf)) as engine:
            await engine.start(family.meets(2), id="x")
            await until(lambda: bool(family.meeting))
            engine._crew.pausing = True
        with monkeypatch.context() as patch:
            patch.setattr(family.meets, "function", other)
            async with family.engine(MemoryStore(shelf)) as engine:
                assert (await engine.get("x").outcome()).letters == ("x#1",)
        store = Last(shelf)
        async with family.engine(store) as store.engine:
            await store.engine.dlq.retry("x#1", by="ann")
            await until(lambda: not shelf.mail)
        assert isinstance(decode_turn(shelf.turns["x"][-1].body)[-1], Retried), "and not that it goes on"
        async with family.engine(MemoryStore(shelf)):
            await until(lambda: shelf.runs["x"].state == "completed")

    asyncio.run(asyncio.wait_for(main(), 5))
