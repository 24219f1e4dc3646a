"""Hard cases of joins and nested runs, one by one, on the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from amends import Compensated, Engine, any_of, saga
from amends.engine import runner
from amends.model import records as r
from amends.model.child import MOST_DEPTH
from amends.model.turn import decode_turn, encode_fact
from amends.stores.memory import MemoryStore, Shelf
from amends.stores.port import Change, Run
from tests.engine import family
from tests.engine.family import book, broken, done, trip
from tests.engine.patience import until


@pytest.fixture(autouse=True)
def _fresh() -> None:
    family.fresh()


def net() -> list[str]:
    return sorted(name for name, times in done.items() for _ in range(times))


@saga
async def slow_trip(name: str) -> str:
    await book(f"{name}1")
    return await family.book_late(f"{name}2")


@saga
async def quick_or_slow() -> str:
    return await any_of(book("a"), family.book_late("b"))


@saga
async def quick_or_slow_trip() -> str:
    return await any_of(trip("a"), slow_trip("b"))


@saga
async def one_after_the_other() -> list[str]:
    found: list[str] = []
    for name in ("a", "b"):
        try:
            found.append(await family.waiting_trip(name))
        except Compensated as error:
            found.append(str(error.cause))
    return found


@saga
async def either() -> str:
    return await any_of(family.waiting_trip("a"), family.waiting_trip("b"))


@saga
async def descends(levels: int) -> int:
    await book(str(levels))
    return 1 if levels == 0 else 1 + await descends(levels - 1)


@saga
async def package(name: str) -> str:
    await book(f"{name}1")
    return await book(f"{name}2")


@package.undo
async def send_back(name: str) -> None:
    family.log.append(f"send back {name}")


@saga
async def two_packages() -> None:
    await package("a")
    await package("b")
    raise ValueError("after all")


SAGAS = [*family.SAGAS, slow_trip, quick_or_slow, quick_or_slow_trip, one_after_the_other, either, descends]
SAGAS += [package, two_packages]


def engine(store: MemoryStore, **options: Any) -> Engine:
    return Engine(store, sagas=SAGAS, namespace="test", **{"poll": 0.005, **options})


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(main(), 20))


async def ended(engine: Engine, run_id: str = "x") -> Any:
    """The outcome of a run that needed a person a moment ago."""
    while (outcome := await engine.get(run_id).outcome()).state == "needs_attention":
        await asyncio.sleep(0.001)
    return outcome


@pytest.mark.parametrize("call", [quick_or_slow, quick_or_slow_trip])
def test_a_loser_that_takes_effect_after_the_value_was_read_and_then_a_crash(call: Any) -> None:
    """It ignores its cancellation, takes effect, and its worker dies before it can say so."""

    async def main() -> None:
        shelf = Shelf()
        store = family.Cut(shelf, 1000)
        opened = engine(store)
        await opened.__aenter__()
        handle: Any = await opened.start(call(), id="x")
        await until(lambda: bool(family.waiting))
        assert (await handle.result()).startswith("a")
        await until(lambda: bool(family.asked_to_stop))
        store.left = 0
        family.may_go_on.set()
        await until(lambda: store.over.is_set())
        assert [name for name in net() if name.startswith("b")], "the loser is in the world now"
        await family.kill(opened, store)
        async with engine(MemoryStore(shelf)) as other:
            assert (await other.get("x").result()).startswith("a")
            outcome = await other.get("x").outcome()
            assert outcome.state == "completed" and not [name for name in net() if name.startswith("b")]

    run(main)


def test_a_dead_letter_in_a_nested_loser_keeps_the_root_open_though_its_value_is_there() -> None:
    async def main() -> None:
        broken.add("undo b1")
        async with engine(MemoryStore()) as opened:
            handle = await opened.start(quick_or_slow_trip(), id="x")
            await until(lambda: bool(family.waiting))
            family.may_go_on.set()
            assert await handle.result() == "a1a2"
            outcome = await handle.outcome()
            assert (outcome.state, outcome.letters) == ("needs_attention", ("x//3#1",)) and await handle.result() == "a1a2"
            assert [letter.id for letter in await opened.dlq.list()] == ["x//3#1"]
            broken.clear()
            await opened.dlq.retry("x//3#1", by="ann")
            assert (await ended(opened)).state == "completed" and net() == ["a1", "a2"]

    run(main)


def test_a_nested_run_that_is_cancelled_by_its_id_has_failed_for_its_owner() -> None:
    async def main() -> None:
        async with engine(MemoryStore()) as opened:
            handle = await opened.start(one_after_the_other(), id="x")
            await until(lambda: "a1" in family.log)
            await opened.cancel("x//1", by="ann", reason="not this one")
            await until(lambda: "b1" in family.log)
            await opened.tell("x//2", "!")
            assert await handle.result() == ["Cancelled: cancelled by ann: not this one", "b1!"] and net() == ["b1"]
            handle = await opened.start(either(), id="y")
            await until(lambda: family.log.count("a1") + family.log.count("b1") == 4)
            await opened.cancel("y//2", by="ann")
            await opened.tell("y//3", "!")
            assert (await handle.outcome()).value == "b1!"

    run(main)


class CancelsAtTheEnd(MemoryStore):
    """Somebody cancels the nested run at the very moment at which its owner closes: just before it, or just after."""

    before = True

    def commit(self, change: Change) -> asyncio.Future[None]:
        """See `Store.commit`."""
        if change.frees and self.before:
            self._cancel()
        written = super().commit(change)
        if change.frees and not self.before:
            assert self.shelf.runs["x//1"].state == "completed"
        return written

    def _cancel(self) -> None:
        body = encode_fact(r.Cancelled(1.0, "ann", "too late"))
        self._deliver(self.shelf.runs["x//1"], body)


@pytest.mark.parametrize("before", [True, False])
def test_a_cancel_of_a_held_run_at_the_moment_at_which_its_owner_closes(before: bool) -> None:
    async def main() -> None:
        store = CancelsAtTheEnd()
        store.before = before
        async with engine(store) as opened:
            handle = await opened.start(family.tour_of_one(), id="x")
            assert (await handle.outcome()).state == "completed"
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert {row.id: (row.state, row.owner) for row in await opened.list()} == {
                "x": ("completed", None),
                "x//1": ("completed", None),
            }
            assert net() == ["a1", "a2"]

    run(main)


def test_a_held_run_is_not_moved_by_a_cancel_or_a_message() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with engine(store) as opened:
            handle = await opened.start(one_after_the_other(), id="x")
            await until(lambda: "a1" in family.log)
            await opened.tell("x//1", "!")
            await until(lambda: "b1" in family.log)
            assert await opened.get("x//1").status() == "held"
            await opened.cancel("x//1", by="ann")
            await opened.tell("x//1", "again")
            await until(lambda: not store.shelf.mail and store.shelf.runs["x//1"].owner is None)
            assert await opened.get("x//1").status() == "held"
            await opened.tell("x//2", "?")
            assert await handle.result() == ["a1!", "b1?"] and net() == ["a1", "b1"]

    run(main)


@pytest.mark.parametrize("fails", [False, True])
def test_runs_nested_as_deep_as_they_may_be_with_one_place(fails: bool) -> None:
    async def main() -> None:
        if fails:
            broken.add("0")
        async with engine(MemoryStore(), max_runs=1) as opened:
            outcome = await (await opened.start(descends(MOST_DEPTH), id="x")).outcome()
            assert outcome.state == ("compensated" if fails else "completed")
            assert net() == ([] if fails else sorted(str(level) for level in range(MOST_DEPTH + 1)))

    run(main)


def test_runs_nested_deeper_than_they_may_be_are_rolled_back() -> None:
    async def main() -> None:
        async with engine(MemoryStore()) as opened:
            outcome = await (await opened.start(descends(MOST_DEPTH + 1), id="x")).outcome()
            assert outcome.state == "compensated" and net() == [] and "nested 16 deep" in str(outcome.cause)

    run(main)


def test_a_letter_of_a_nested_run_that_is_retried_after_its_owner_has_gone_back() -> None:
    """Across restarts: the letter is there before the owner decides, and is acted upon after that."""

    async def main() -> None:
        shelf = Shelf()
        broken.update({"undo a1", "a2"})
        async with engine(MemoryStore(shelf)) as opened:
            handle = await opened.start(family.tour(), id="x")
            assert (await handle.outcome()).letters == ("x//3#1",)
            await opened.cancel("x", by="ann")
        async with engine(MemoryStore(shelf)) as opened:
            await until(lambda: r.RollbackBegan in _kinds(shelf, "x") and shelf.runs["x"].state == "needs_attention")
            assert (await opened.get("x").outcome()).letters == ("x//3#1",)
            assert net() == ["a1"], "what does not depend on it is undone"
        broken.clear()
        async with engine(MemoryStore(shelf)) as opened:
            await opened.dlq.retry("x//3#1", by="ann")
            assert (await ended(opened)).state == "compensated" and net() == []

    run(main)


def test_a_nested_run_that_is_parked_for_its_code_holds_up_the_rollback_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def other(name: str) -> str:
        return await book("other")

    monkeypatch.setattr(runner, "PARK_AFTER", 0.0)

    async def main() -> None:
        store = MemoryStore()
        async with engine(store) as opened:
            await opened.start(family.patient_tour(), id="x")
            await until(lambda: "a1" in family.log and store.shelf.runs["x//1"].owner is None)
            with monkeypatch.context() as patch:
                patch.setattr(family.waiting_trip, "function", other)
                await opened.tell("x//1", "who reads this?")
                assert (await opened.get("x").outcome()).letters == ("x//1#1",)
                await opened.cancel("x", by="ann")
                await until(lambda: _kinds(store.shelf, "x").count(r.ChildStuck) == 2)
                outcome = await opened.get("x").outcome()
                assert (outcome.state, outcome.letters) == ("needs_attention", ("x//1#1",)) and net() == ["a1"]
            await opened.dlq.retry("x//1#1", by="ann")
            assert (await ended(opened)).state == "compensated" and net() == []

    run(main)


class Hesitant(MemoryStore):
    """Claims no nested runs until it may."""

    may = False

    async def claim(self, sagas: Sequence[str], *, now: float, limit: int) -> list[Run]:
        """See `Store.claim`."""
        return await super().claim(sagas if self.may else ["tour_of_one"], now=now, limit=limit)


def test_a_nested_run_that_is_taken_back_before_it_has_begun_calls_nothing() -> None:
    async def main() -> None:
        store = Hesitant()
        async with engine(store, max_runs=1) as opened:
            handle = await opened.start(family.tour_of_one(), id="x")
            await until(lambda: "x//1" in store.shelf.runs)
            await opened.cancel("x", by="ann")
            await until(lambda: bool([mail for mail in store.shelf.mail if mail.run_id == "x//1"]))
            store.may = True
            assert (await handle.outcome()).state == "compensated" and family.log == []

    run(main)


def test_the_undo_of_a_nested_saga_leaves_its_run_as_it_is() -> None:
    async def main() -> None:
        async with engine(MemoryStore()) as opened:
            outcome = await (await opened.start(two_packages(), id="x")).outcome()
            assert outcome.state == "compensated" and family.log[-2:] == ["send back b2", "send back a2"]
            assert net() == ["a1", "a2", "b1", "b2"], "its steps are not undone one by one"
            assert {row.id: row.state for row in await opened.list()} == {
                "x": "compensated",
                "x//1": "completed",
                "x//2": "completed",
            }

    run(main)


def _kinds(shelf: Shelf, run_id: str) -> list[type[r.Record]]:
    return [type(record) for turn in shelf.turns[run_id] for record in decode_turn(turn.body)]
