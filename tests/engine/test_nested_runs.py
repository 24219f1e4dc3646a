"""Nested runs: one unit of their owner, whatever breaks and whenever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from amends.errors import DefinitionError, NeedsAttention
from amends.stores.memory import MemoryStore, Shelf
from amends.stores.port import RunQuery
from tests.engine import family
from tests.engine.family import cut_off, go_on, to_the_end


@pytest.fixture(autouse=True)
def _fresh() -> None:
    family.fresh()


def net() -> list[str]:
    return sorted(name for name, times in family.done.items() for _ in range(times))


ALL = ["a1", "a2", "after", "b1", "b2", "b3", "before"]


def test_a_tour_completes_with_all_that_is_nested_in_it() -> None:
    outcome, states = asyncio.run(to_the_end(family.tour()))
    assert outcome.value == ["before", "a1a2", "b1b2b3", "after"] and net() == ALL
    assert set(states) == {"x", "x//3", "x//4", "x//4//1"} and set(states.values()) == {"completed"}


def test_nested_runs_are_undone_in_their_order_after_later_steps_and_before_earlier_ones() -> None:
    family.broken.add("after")
    outcome, states = asyncio.run(to_the_end(family.tour()))
    undone = [line for line in family.log if line.startswith("undo")]
    assert outcome.state == "compensated" and net() == [] and set(states.values()) == {"compensated"}
    assert undone[-1] == "undo before" and sorted(undone) == sorted(f"undo {name}" for name in ALL if name != "after")
    assert undone.index("undo a2") < undone.index("undo a1")
    assert undone.index("undo b3") < undone.index("undo b2") < undone.index("undo b1")


@pytest.mark.parametrize("fails", [None, "after", "b3", "a2"])
def test_a_crash_after_any_commit_changes_nothing(fails: str | None) -> None:
    async def main() -> int:
        for commits in range(1, 200):
            family.fresh()
            if fails:
                family.broken.add(fails)
            shelf = Shelf()
            if not await cut_off(shelf, commits, family.tour()):
                return commits
            outcome = await go_on(shelf)
            assert outcome.state == ("compensated" if fails else "completed"), (commits, outcome)
            assert net() == ([] if fails else ALL), commits
            assert all(len(keys) <= 1 for keys in family.keys.values())
        return 0

    assert asyncio.run(main()) > 12


def test_a_loser_is_taken_back_after_any_crash() -> None:
    async def main() -> None:
        for commits in range(1, 100):
            family.fresh()
            shelf = Shelf()
            if not await cut_off(shelf, commits, family.fastest()):
                break
            outcome = await go_on(shelf)
            winner = outcome.value[0]
            assert outcome.state == "completed" and net() == [f"{winner}1", f"{winner}2"], commits

    asyncio.run(main())


def test_a_nested_run_that_failed_by_itself_can_be_caught() -> None:
    family.broken.add("x2")
    outcome, _ = asyncio.run(to_the_end(family.tour_with_a_detour()))
    assert outcome.value == ["ValueError: x2", "y1y2"] and net() == ["y1", "y2"]


def test_a_nested_run_that_needs_a_person_holds_up_its_owner_and_says_so() -> None:
    async def main() -> None:
        family.broken.update({"after", "undo a1"})
        async with family.engine(MemoryStore()) as engine, asyncio.timeout(20):
            with pytest.raises(NeedsAttention) as caught:
                await engine.run(family.tour(), id="x")
            assert caught.value.letters == ("x//3#1",) and net() == ["a1"], "what does not depend on it is undone"
            family.broken.clear()
            await engine.dlq.retry("x//3#1", by="ann")
            while (outcome := await engine.get("x").outcome()).state == "needs_attention":
                await asyncio.sleep(0)
            assert outcome.state == "compensated" and net() == []

    asyncio.run(main())


@pytest.mark.parametrize("max_runs", [1, 2])
def test_few_slots_are_enough_for_runs_in_runs(max_runs: int) -> None:
    outcome, _ = asyncio.run(to_the_end(family.tour(), max_runs=max_runs))
    assert outcome.state == "completed" and net() == ALL


def test_a_message_and_a_cancel_reach_a_nested_run() -> None:
    async def main(cancel: bool) -> Any:
        family.fresh()
        async with family.engine(MemoryStore()) as engine, asyncio.timeout(20):
            handle = await engine.start(family.patient_tour(), id="x")
            while not family.log:
                await asyncio.sleep(0)
            if cancel:
                await engine.cancel("x", reason="enough", by="ann")
            else:
                await engine.tell("x//1", "!")
            return await handle.outcome()

    assert asyncio.run(main(cancel=False)).value == "a1!"
    assert asyncio.run(main(cancel=True)).state == "compensated" and net() == []


def test_a_saga_that_nobody_drives_is_refused_before_anything_is_called() -> None:
    async def main() -> Any:
        async with family._Engine(MemoryStore(), sagas=[family.tour_with_a_detour]) as engine:
            return await (await engine.start(family.tour_with_a_detour(), id="x")).outcome()

    outcome = asyncio.run(main())
    assert outcome.cause.type.endswith("DefinitionError") and "Engine(..., sagas=[tour_with_a_detour, trip])" in str(
        outcome.cause
    )


def test_ids_of_nested_runs_are_not_for_users() -> None:
    async def main() -> None:
        async with family.engine(MemoryStore()) as engine:
            with pytest.raises(DefinitionError, match="stands in the ids of nested runs only"):
                await engine.start(family.trip("a"), id="x//1")

    asyncio.run(main())


def test_a_detached_run_outlives_the_run_that_started_it_and_is_a_root_of_its_own() -> None:
    async def main() -> None:
        family.broken.add("after")
        store = MemoryStore()
        async with family.engine(store) as engine, asyncio.timeout(20):
            outcome = await (await engine.start(family.sends_off(), id="x")).outcome()
            assert outcome.state == "partly_compensated" and [kept.step for kept in outcome.kept] == ["waiting_trip"]
            roots = {row.id: row.state for row in await store.runs(RunQuery(roots=True))}
            assert roots == {"x": "partly_compensated", "x//2": "running"}
            await engine.tell("x//2", "!")
            assert (await engine.get("x//2").outcome()).value == "a1!" and net() == ["a1"]

    asyncio.run(main())


def test_a_detached_run_is_started_once_whatever_breaks() -> None:
    async def main() -> int:
        for commits in range(1, 50):
            family.fresh()
            shelf = Shelf()
            cut = await cut_off(shelf, commits, family.sends_off())
            async with family.engine(MemoryStore(shelf)) as engine, asyncio.timeout(20):
                assert await engine.get("x").result() == "x//2"
                await engine.tell("x//2", "!")
                assert (await engine.get("x//2").outcome()).state == "completed"
                assert net() == ["a1", "after", "before"] and len(await engine.list()) == 2, commits
            if not cut:
                return commits
        return 0

    assert asyncio.run(main()) > 2


def test_a_run_that_starts_another_and_ends_at_once_has_started_it() -> None:
    outcome, states = asyncio.run(to_the_end(family.launches_and_fails()))
    assert outcome.state == "partly_compensated" and states["x"] == "partly_compensated" and "x//1" in states


def test_an_engine_starts_no_detached_call() -> None:
    async def main() -> None:
        async with family.engine(MemoryStore()) as engine:
            with pytest.raises(DefinitionError, match="starts every run on its own"):
                await engine.start(family.trip.using(detached=True)("a"), id="x")

    asyncio.run(main())
