"""Nested runs when the store, other workers and the lack of room get in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from amends import Engine, saga
from amends.engine import runner, trouble
from amends.errors import StoreError
from amends.model.records import ChildStuck, RollbackBegan
from amends.model.turn import decode_turn
from amends.stores.memory import MemoryStore, Shelf
from amends.stores.port import Change
from tests.engine import family
from tests.engine.patience import until
from tests.engine.ties import ties


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    family.fresh()
    monkeypatch.setattr(trouble, "LEAST", 0.01)


def net() -> list[str]:
    return sorted(name for name, times in family.done.items() for _ in range(times))


def letters_told(shelf: Shelf, run_id: str) -> list[tuple[str, ...]]:
    """What a run heard of the letters of runs nested in it, each time."""
    turns = [decode_turn(turn.body) for turn in shelf.turns[run_id]]
    return [record.letters for turn in turns for record in turn if isinstance(record, ChildStuck)]


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(main(), 10))


class Unheard(MemoryStore):
    """Writes the turn that starts nested runs, and says that it failed to."""

    said = 0

    def commit(self, change: Change) -> asyncio.Future[None]:
        """See `Store.commit`."""
        done = super().commit(change)
        if change.starts and not self.said:
            self.said += 1
            done = asyncio.get_running_loop().create_future()
            done.set_exception(StoreError("nobody knows whether it was written"))
        return done


def test_nested_runs_that_were_written_unheard_are_driven() -> None:
    async def main() -> None:
        store = Unheard()
        async with family.engine(store) as engine:
            assert await engine.run(family.tour(), id="x") == ["before", "a1a2", "b1b2b3", "after"]
            assert store.said

    run(main)


class Late(MemoryStore):
    """Writes the turn that starts nested runs, and says so only later."""

    may: asyncio.Event
    held = False

    def commit(self, change: Change) -> asyncio.Future[None]:
        """See `Store.commit`."""
        done = super().commit(change)
        if not change.starts or self.held:
            return done
        self.held = True

        async def later() -> None:
            await self.may.wait()
            await done

        return asyncio.ensure_future(later())


def test_nested_runs_of_a_run_that_was_let_go_meanwhile_are_driven() -> None:
    """The owner's driver stumbles while the turn that starts nested runs is being written."""

    async def main() -> None:
        store = Late()
        store.may = asyncio.Event()
        async with family.engine(store) as engine:
            handle = await engine.start(family.tour(), id="x")
            await until(lambda: store.held)
            crew: Any = engine._crew
            crew.runners["x"]._stumble(StoreError("its mail cannot be read"))
            store.may.set()
            assert await handle.result() == ["before", "a1a2", "b1b2b3", "after"]

    run(main)


class Counting(MemoryStore):
    """Counts how often a run is claimed, and how many runs are driven at once."""

    claimed = 0
    most = 0

    async def claim(self, sagas: Any, *, now: float, limit: int) -> Any:
        """See `Store.claim`."""
        rows = await super().claim(sagas, now=now, limit=limit)
        self.claimed += len(rows)
        return rows

    def commit(self, change: Change) -> asyncio.Future[None]:
        """See `Store.commit`."""
        done = super().commit(change)
        self.most = max(self.most, sum(row.owner is not None for row in self.shelf.runs.values()))
        return done


def test_no_more_nested_runs_are_driven_than_there_is_room_for() -> None:
    async def main() -> None:
        store = Counting()
        async with family.engine(store, max_runs=7) as engine:
            handles = [await engine.start(family.tour(), id=f"x{number}") for number in range(6)]
            for handle in handles:
                assert (await handle.outcome()).state == "completed"
        assert store.most <= 7

    run(main)


def test_runs_that_only_wait_for_nested_ones_make_room_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PARK_AFTER", 1000.0)

    async def main() -> None:
        async with family.engine(MemoryStore(), max_runs=4) as engine:
            handles = [await engine.start(family.sends_to_meet(4), id=f"x{number}") for number in range(4)]
            for handle in handles:
                assert await handle.result() == 4

    run(main)


def test_mail_to_a_run_that_is_parked_for_its_code_waits_without_a_stir(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PARK_AFTER", 0.0)

    async def other() -> list[str]:
        return [await family.book("other")]

    async def main() -> None:
        store = Counting()
        async with family.engine(store) as engine:
            handle = await engine.start(family.patient_tour(), id="x")
            await until(lambda: "a1" in family.log and store.shelf.runs["x"].owner is None)
            with monkeypatch.context() as patch:
                patch.setattr(family.patient_tour, "function", other)
                await engine.tell("x", "who reads this?")
                assert (await handle.outcome()).state == "needs_attention"
            await engine.tell("x//1", "!")  # the nested run has its value: its owner gets mail, and must not take it in yet
            await until(lambda: store.shelf.runs["x//1"].state == "held" and store.shelf.runs["x"].owner is None)
            before = store.claimed
            for _ in range(10):
                await asyncio.sleep(0.01)
            assert store.claimed - before <= 1
            await engine.dlq.retry("x#1", by="ann")
            await until(lambda: store.shelf.runs["x"].state == "completed")
            assert await handle.result() == "a1!"

    run(main)


class Reading(MemoryStore):
    """Takes note of whose journals are read."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(shelf)
        self.read: list[str] = []

    async def journal(self, run_id: str) -> Any:
        """See `Store.journal`."""
        self.read.append(run_id)
        return await super().journal(run_id)


def test_a_held_run_of_a_dead_worker_is_put_down_as_it_is() -> None:
    async def main() -> None:
        shelf = Shelf()
        store = family.Cut(shelf, 1000)
        opened = family.engine(store)
        await opened.__aenter__()
        await opened.start(family.tour_and_wait(), id="x")
        await until(lambda: shelf.runs.get("x//1") is not None and shelf.runs["x//1"].state == "held")
        await until(lambda: "before" in family.log and shelf.runs["x//1"].owner is None)
        shelf.runs["x//1"] = msgspec.structs.replace(shelf.runs["x//1"], owner=shelf.runs["x"].owner or opened._crew.worker)
        await family.kill(opened, store)
        after = Reading(shelf)
        async with family.engine(after) as other:
            await until(lambda: shelf.runs["x//1"].owner is None)
            await other.tell("x", "!")
            assert await other.get("x").result() == "a1a2!" and shelf.runs["x//1"].state == "completed"
            assert "x//1" not in after.read

    run(main)


def test_a_held_run_whose_code_has_changed_is_no_trouble_until_it_is_asked_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def other(name: str) -> str:
        return await family.book("other")

    async def main(goes_back: bool) -> None:
        family.fresh()
        store = MemoryStore()
        async with family.engine(store) as engine:
            handle = await engine.start(family.tour_and_wait(), id="x")
            await until(lambda: "before" in family.log and store.shelf.runs["x//1"].owner is None)
            with monkeypatch.context() as patch:
                patch.setattr(family.trip, "function", other)
                epoch = store.shelf.runs["x//1"].epoch
                await engine.tell("x//1", "who reads this?")
                await until(lambda: store.shelf.runs["x//1"].epoch > epoch and store.shelf.runs["x//1"].owner is None)
                assert await engine.get("x//1").status() == "held" and not await engine.dlq.list()
                assert store.shelf.runs["x//1"].next_at is None, "it is not looked at again and again"
                if goes_back:
                    await engine.cancel("x", by="ann")
                    assert (await handle.outcome()).letters == ("x//1#1",)
                else:
                    await engine.tell("x", "!")
                    assert await handle.result() == "a1a2!"
            if goes_back:
                await engine.dlq.retry("x//1#1", by="ann")
                await until(lambda: store.shelf.runs["x"].state == "compensated")
                assert letters_told(store.shelf, "x")[-1] == (), "its owner hears that it goes on"

    run(lambda: main(goes_back=False))
    run(lambda: main(goes_back=True))


def test_a_letter_that_is_settled_while_another_waits_is_not_shown_as_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner needs a person before and after, and stays in memory for what else it waits for."""
    monkeypatch.setattr(runner, "PARK_AFTER", 1000.0)

    async def main() -> None:
        store = MemoryStore()
        family.broken.update({"a3", "undo a1", "undo a2"})
        async with family.engine(store) as engine:
            handle = await engine.start(family.deep_in_time("a"), id="x")
            assert (await handle.outcome()).letters == ("x//2//1#1", "x//2//1#2")
            await engine.dlq.resolve("x//2//1#1", note="by hand", by="ann")
            await until(lambda: len(store.shelf.turns["x"]) == 3)
            assert (await handle.outcome()).letters == ("x//2//1#2",)

    run(main)


def test_a_value_can_be_had_at_once_from_who_takes_the_run_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its body has returned before, and nothing comes to pass while its loser waits."""
    monkeypatch.setattr(runner, "PARK_AFTER", 1000.0)

    async def main() -> None:
        shelf = Shelf()
        async with family.engine(MemoryStore(shelf)) as engine:
            assert await engine.run(family.loser_waits_on(), id="x") == "a1a2"
        async with family.engine(MemoryStore(shelf)) as engine:
            await until(lambda: "x" in engine._crew.runners)
            assert await engine.get("x").result() == "a1a2" and shelf.runs["x"].state == "running"

    run(main)


@saga(deadline=4)
async def ties_in_time() -> None:
    await ties()


def test_a_deadline_comes_though_the_engine_closed_while_a_person_was_waited_for() -> None:
    """It was so near that the run had stayed in memory."""

    async def main() -> None:
        shelf = Shelf()
        row = shelf.runs.get
        async with Engine(MemoryStore(shelf), sagas=[ties, ties_in_time], poll=0.005) as engine:
            assert (await (await engine.start(ties_in_time(), id="x")).outcome()).letters == ("x//1#1",)
            assert (there := row("x")) is not None and there.owner
        later = {"poll": 0.005, "wall": lambda: time.time() + 5.0}
        async with Engine(MemoryStore(shelf), sagas=[ties, ties_in_time], **later):
            turns = shelf.turns["x"]
            await until(lambda: any(isinstance(each, RollbackBegan) for turn in turns for each in decode_turn(turn.body)))

    run(main)
