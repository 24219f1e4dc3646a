"""Joins and nested runs, cut off after any commit, twice over; with a store that fails at any commit; on two workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from amends.engine import trouble
from amends.errors import StoreError
from amends.model import records as r
from amends.model.turn import decode_turn
from amends.stores.memory import MemoryStore, Shelf
from amends.stores.port import Change
from tests.engine import family
from tests.engine.family import cut_off, go_on


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    family.fresh()
    monkeypatch.setattr(trouble, "LEAST", 0.005)


def net() -> list[str]:
    return sorted(name for name, times in family.done.items() for _ in range(times))


ALL = ["a1", "a2", "after", "b1", "b2", "b3", "before"]


def toured(outcome: Any) -> None:
    assert outcome.state == "completed" and net() == ALL


def rolled_back(outcome: Any) -> None:
    assert outcome.state == "compensated" and net() == []


def one_of_two(outcome: Any) -> None:
    assert outcome.state == "completed" and net() == [outcome.value]


def one_trip(outcome: Any) -> None:
    winner = outcome.value[0]
    assert outcome.state == "completed" and net() == [f"{winner}1", f"{winner}2"]


def both_kept(outcome: Any) -> None:
    assert outcome.state == "completed" and net() == ["a1", "a2", "b1", "b2", "b3"]


def whole_trips_only(outcome: Any) -> None:
    """What was cancelled is there as a whole, or not at all."""
    assert outcome.state == "completed" and net() in (["a1", "a2"], ["b1", "b2", "b3"], ["a1", "a2", "b1", "b2", "b3"])


def a_way_through(outcome: Any) -> None:
    assert outcome.state == "completed"
    assert {"before", "after", "a1", "a2"} <= set(net())
    ways = [{"b1", "b2", "b3"}, {"c1", "c2"}, {"d"}]
    assert sum(way <= set(net()) for way in ways) == 1 and all(times == 1 for times in family.done.values() if times)


Check = Callable[[Any], None]
WORK: dict[str, tuple[Callable[[], Any], str, Check]] = {
    "a tour": (family.tour, "", toured),
    "a tour that fails after all": (family.tour, "after", rolled_back),
    "a tour of which one part fails while the other is at work": (family.tour, "b3", rolled_back),
    "two bookings": (family.two_bookings, "", one_of_two),
    "two trips": (family.fastest, "", one_trip),
    "losers that are kept": (lambda: family.losers_go_on("keep"), "", both_kept),
    "losers that are cancelled": (lambda: family.losers_go_on("cancel"), "", whole_trips_only),
}


def taken_back_once(shelf: Shelf) -> None:
    """Each run began to roll back at most once, and ended at most once; each effect was there once at a time."""
    for turns in shelf.turns.values():
        kinds = [type(record) for turn in turns for record in decode_turn(turn.body)]
        assert kinds.count(r.RollbackBegan) <= 1 and kinds.count(r.Ended) <= 1
    assert all(len(keys) <= 1 for keys in family.keys.values())
    assert not [mail for mail in shelf.mail if shelf.runs[mail.run_id].owner is not None]


@pytest.mark.parametrize("name", WORK)
def test_a_crash_after_any_commit_and_another_soon_after_change_nothing(name: str) -> None:
    call, broken, check = WORK[name]

    async def main() -> None:
        cut = True
        commits = 0
        while cut:
            commits += 1
            for again in (1, 2, 4):
                family.fresh()
                family.broken.update({broken} - {""})
                shelf = Shelf()
                cut = await cut_off(shelf, commits, call())
                if cut:
                    await cut_off(shelf, again, call())
                check(await go_on(shelf))
                taken_back_once(shelf)
        assert commits > 1

    asyncio.run(main())


class Failing(MemoryStore):
    """Fails at one commit: before it is written, or after."""

    def __init__(self, shelf: Shelf, number: int, *, written: bool) -> None:
        super().__init__(shelf)
        self.left = number
        self._written = written

    def commit(self, change: Change) -> asyncio.Future[None]:
        """See `Store.commit`."""
        self.left -= 1
        if self.left:
            return super().commit(change)
        if self._written:
            super().commit(change)
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(StoreError("the disk is on its way out"))
        return failed


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("name", WORK)
def test_a_store_that_fails_at_any_commit_changes_nothing(name: str, written: bool) -> None:
    call, broken, check = WORK[name]

    async def main() -> None:
        store = Failing(Shelf(), 0, written=written)
        number = 0
        while store.left <= 0:
            number += 1
            family.fresh()
            family.broken.update({broken} - {""})
            store = Failing(Shelf(), number, written=written)
            async with family.engine(store) as engine, asyncio.timeout(20):
                check(await (await engine.start(call(), id="x")).outcome())
            taken_back_once(store.shelf)
        assert number > 1

    asyncio.run(main())


@pytest.mark.parametrize("name", WORK)
def test_owners_and_nested_runs_on_different_workers(name: str) -> None:
    call, broken, check = WORK[name]

    async def main() -> None:
        for commits in (1, 2, 3, 5, 8, 13, 100):
            family.fresh()
            family.broken.update({broken} - {""})
            shelf = Shelf()
            first, second = MemoryStore(shelf), family.Cut(shelf, commits)
            async with family.engine(first, max_runs=1) as engine, asyncio.timeout(20):
                other = family.engine(second, max_runs=2)
                await other.__aenter__()
                handle = await engine.start(call(), id="x")
                ending = asyncio.ensure_future(handle.outcome())
                over = asyncio.ensure_future(second.over.wait())
                await asyncio.wait([ending, over], return_when=asyncio.FIRST_COMPLETED)
                await family.kill(other, second)
                over.cancel()
                check(await ending)
            taken_back_once(shelf)

    asyncio.run(main())


def test_a_way_through_a_maze_of_joins_and_nested_runs() -> None:
    async def main() -> None:
        for commits in range(1, 40, 3):
            family.fresh()
            shelf = Shelf()
            await cut_off(shelf, commits, family.maze())
            a_way_through(await go_on(shelf))
            taken_back_once(shelf)

    asyncio.run(main())


def test_a_cancel_in_a_maze_brings_everything_to_rest_once() -> None:
    async def main() -> None:
        for commits in range(1, 24):
            family.fresh()
            shelf = Shelf()
            if not await cut_off(shelf, commits, family.maze()):
                break
            async with family.engine(MemoryStore(shelf)) as engine, asyncio.timeout(20):
                for by in ("ann", "bob"):
                    if (await engine.get("x").status()) == "running":
                        await engine.cancel("x", by=by)
                outcome = await engine.get("x").outcome()
                if outcome.state == "compensated":
                    assert net() == [], commits
                else:
                    a_way_through(outcome)
                for run in await engine.list(limit=100):
                    assert run.state in ("compensated", "completed"), run
            taken_back_once(shelf)

    asyncio.run(main())
