"""Runs that are paused, parked, taken over and taken up: what was known is known again, and is acted upon once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest

from amends import Compensated, Engine, race, receive, saga, sleep, step
from amends.engine import engine as engine_module
from amends.engine import trouble
from amends.errors import StoreError
from amends.model import records as r
from amends.model.effect import MOST_CRASHES
from amends.model.records import Record
from amends.model.saga import Saga
from amends.model.turn import encode_fact
from amends.stores.memory import MemoryStore, Shelf
from amends.stores.port import Change, Mail, Run, Turn
from tests.engine.patience import until
from tests.engine.ties import ties

marks: list[str] = []
gate = here = asyncio.Event()


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    marks.clear()
    monkeypatch.setattr(engine_module, "GRACE", 0.5)
    monkeypatch.setattr(trouble, "LEAST", 0.01)


@step(no_undo="it only waits")
async def hold(what: str) -> str:
    marks.append(what)
    here.set()
    await gate.wait()
    return what


@step(no_undo="it only waits")
async def lean() -> str:
    marks.append("lean")
    here.set()
    try:
        await gate.wait()
    finally:
        marks.append("let go" if not gate.is_set() else "done")
    return "lean"


@saga
async def leans() -> str:
    return await lean()


@saga
async def two() -> str:
    return await hold("one") + await hold("two")


@saga
async def hears(before: bool) -> list[str]:
    if before:
        await hold("one")
    return [await receive(str)]


@saga
async def either() -> str:
    await race(hold("one"), receive(str))
    return await hold("two")


@saga
async def naps(first: float, second: float) -> str:
    await sleep(first)
    await sleep(second)
    return "woke"


@saga(deadline=60)
async def naps_in_time(first: float, second: float) -> str:
    await sleep(first)
    await sleep(second)
    return "woke"


SAGAS: list[Saga[..., Any]] = [leans, two, hears, either, naps, naps_in_time, ties]


def engine_on(store: MemoryStore, **options: Any) -> Engine:
    return Engine(store, sagas=SAGAS, **{"poll": 0.01, **options})


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    async def bounded() -> Any:
        global gate, here
        gate, here = asyncio.Event(), asyncio.Event()
        return await asyncio.wait_for(main(), 5)

    return asyncio.run(bounded())


async def journaled(engine: Engine, kind: type[Record]) -> list[Any]:
    return [record for turn in await engine.history("x") for record in turn if isinstance(record, kind)]


def test_a_worker_whose_turn_was_refused_acts_upon_nothing_of_it(caplog: pytest.LogCaptureFixture) -> None:
    """Nor is it any trouble that others are to be told of, or that anything is to wait for."""

    async def main() -> None:
        store = MemoryStore()
        async with engine_on(store, poll=60) as zombie, engine_on(MemoryStore(store.shelf)) as other:
            await zombie.start(two(), id="x")
            await here.wait()
            store.silence()
            await until(lambda: len(marks) == 2)
            gate.set()
            assert await other.get("x").result() == "onetwo"
            for _ in range(20):
                await asyncio.sleep(0)
            assert marks == ["one", "one", "two"]
            assert zombie._crew.trouble.since is None

    run(main)
    assert [said.levelname for said in caplog.records] == ["WARNING"] and "driven by another worker" in caplog.text


def test_a_worker_that_gets_back_a_run_that_it_lost_unawares_lets_go_of_its_earlier_call() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with engine_on(store) as engine:
            await engine.start(leans(), id="x")
            await here.wait()
            store.silence()
            async with engine_on(MemoryStore(store.shelf)) as other:
                await until(lambda: marks == ["lean", "lean"])
                other._crew.pausing = True
                store.shelf.alive.add(engine._crew.worker)
                await asyncio.sleep(0)
            await until(lambda: marks.count("lean") == 3)
            await until(lambda: marks.count("let go") == 2)
            gate.set()
            assert await engine.get("x").result() == "lean"
            assert marks.count("done") == 1

    run(main)


def test_what_changes_nothing_yet_is_known_after_a_recovery() -> None:
    """A message that came before it was asked for: it is in the journal, and not in the box any more."""

    async def main() -> None:
        shelf = Shelf()
        async with engine_on(MemoryStore(shelf)) as engine:
            await engine.start(hears(True), id="x")
            await here.wait()
            await engine.tell("x", "early", by="ann")
            await until(lambda: not shelf.mail)
        gate.set()
        async with engine_on(MemoryStore(shelf)) as engine:
            assert await engine.get("x").result() == ["early"]

    run(main)


def test_mail_is_in_the_journal_or_in_the_box_and_never_in_both() -> None:
    async def main() -> None:
        shelf = Shelf()
        async with engine_on(MemoryStore(shelf)) as engine:
            await engine.start(hears(True), id="x")
            await here.wait()
            await engine.tell("x", "hello", by="ann")
            while not await journaled(engine, r.Told):
                assert shelf.mail
                await asyncio.sleep(0)
            assert not shelf.mail

    run(main)


class Slow(MemoryStore):
    """Writes nothing until it may."""

    may: asyncio.Event

    def commit(self, change: Change) -> asyncio.Future[None]:
        async def later() -> None:
            await self.may.wait()
            await MemoryStore.commit(self, change)

        self.asked = change
        return asyncio.ensure_future(later())


def test_mail_that_is_fetched_again_before_it_is_written_is_taken_in_once() -> None:
    async def main() -> None:
        store = Slow()
        store.may = asyncio.Event()
        async with engine_on(store) as engine:
            await engine.start(hears(True), id="x")
            await here.wait()
            await engine.tell("x", "one", by="ann")
            await until(lambda: hasattr(store, "asked"))
            await engine.tell("x", "two", by="ann")
            for _ in range(20):
                await asyncio.sleep(0)
            store.may.set()
            await until(lambda: not store.shelf.mail)
            assert [bytes(told.body) for told in await journaled(engine, r.Told)] == [b'"one"', b'"two"']

    run(main)


class Told(MemoryStore):
    """Somebody else tells the run something at the very moment at which it is given up."""

    def commit(self, change: Change) -> asyncio.Future[None]:
        if change.release and not self.shelf.posted:
            self.shelf.posted = 1
            self.shelf.mail.append(Mail(1, change.run_id, encode_fact(r.Told(1.0, "str", r.Raw(b'"hello"'), "ann"))))
        return super().commit(change)


def test_mail_that_comes_while_a_run_is_parked_wakes_it() -> None:
    async def main() -> None:
        async with engine_on(Told()) as engine:
            assert await engine.run(hears(False), id="x") == ["hello"]

    run(main)


def test_what_comes_while_work_is_looked_for_is_found_in_another_round() -> None:
    """Not only by the next poll, which is long in coming."""

    class Slow(MemoryStore):
        async def claim(self, sagas: Sequence[str], *, now: float, limit: int) -> list[Run]:
            rows = await super().claim(sagas, now=now, limit=limit)
            if (parked := self.shelf.runs.get("x")) is not None and parked.owner is None and not self.shelf.posted:
                await engine.tell("x", "hello", by="ann")
            return rows

    async def main() -> None:
        nonlocal engine
        engine = Engine(Slow(), sagas=[hears], poll=3600)
        async with engine:
            assert await engine.run(hears(False), id="x") == ["hello"]

    engine: Any = None
    run(main)


def test_a_store_that_fails_is_asked_again_by_the_next_poll_and_not_at_once() -> None:
    class Failing(MemoryStore):
        asked = 0

        async def claim(self, sagas: Sequence[str], *, now: float, limit: int) -> list[Run]:
            self.asked += 1
            await asyncio.sleep(0)
            raise StoreError("the disk is full")

    async def main() -> None:
        store = Failing()
        async with engine_on(store, poll=3600):
            for _ in range(100):
                await asyncio.sleep(0)
            assert store.asked == 1

    run(main)


def test_mail_that_waits_is_taken_in_when_the_run_is_taken_up() -> None:
    async def main() -> None:
        shelf = Shelf()
        async with engine_on(MemoryStore(shelf), drive=False) as client:
            await client.start(hears(False), id="x")
            await client.tell("x", "hello", by="ann")
            async with engine_on(MemoryStore(shelf)):
                assert await client.get("x").result() == ["hello"]

    run(main)


def test_a_call_that_mail_begins_is_made_once_though_a_recovery_is_told_with_the_mail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_module, "GRACE", 0.0)

    async def main() -> None:
        shelf = Shelf()
        async with engine_on(MemoryStore(shelf)) as engine:
            await engine.start(either(), id="x")
            await until(lambda: marks == ["one"])
        async with engine_on(MemoryStore(shelf), drive=False) as client:
            await client.tell("x", "hello", by="ann")
        async with engine_on(MemoryStore(shelf)) as engine:
            await until(lambda: "two" in marks)
            gate.set()
            assert await engine.get("x").result() == "two"
            assert marks.count("two") == 1

    run(main)


def test_a_parked_run_says_when_it_wants_to_be_woken() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with engine_on(store) as engine:
            await engine.start(naps(60, 0), id="x")
            await until(lambda: store.shelf.runs["x"].owner is None)
            (row,) = await engine.list()
            assert row.next_at == pytest.approx(row.created_at + 60)

    run(main)


def test_a_timer_goes_off_in_its_own_time() -> None:
    """The deadline is not reached when the first nap is over."""

    async def main() -> None:
        async with engine_on(MemoryStore()) as engine:
            assert await engine.run(naps_in_time(0.01, 0.01), id="x") == "woke"

    run(main)


def test_a_nap_goes_on_while_nobody_drives_the_run() -> None:
    async def main() -> None:
        shelf = Shelf()
        async with engine_on(MemoryStore(shelf)) as engine:
            await engine.start(naps(0.05, 0), id="x")
        async with engine_on(MemoryStore(shelf)) as engine:
            assert await engine.get("x").result() == "woke"

    run(main)


def test_an_engine_that_closes_writes_what_came_and_calls_nothing_more() -> None:
    async def main() -> None:
        shelf = Shelf()
        async with engine_on(MemoryStore(shelf)) as engine:
            await engine.start(two(), id="x")
            await here.wait()
            asyncio.get_running_loop().call_later(0.02, gate.set)
        assert marks == ["one"]
        async with engine_on(MemoryStore(shelf), drive=False) as engine:
            assert [wanted.pos for wanted in await journaled(engine, r.StepWanted)] == [1, 2]

    run(main)


def test_no_more_runs_are_claimed_than_there_is_room_for() -> None:
    async def main() -> None:
        shelf = Shelf()
        async with engine_on(MemoryStore(shelf), drive=False) as client:
            for number in range(5):
                await client.start(two(), id=f"x{number}")
            async with engine_on(MemoryStore(shelf), max_runs=2):
                await until(lambda: len(marks) == 2)
                await asyncio.sleep(0.05)
                assert sum(row.owner is not None for row in await client.list()) == 2

    run(main)


def test_all_that_waits_is_taken_up_without_another_poll_however_much_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amends.engine.recovery.BATCH", 2)
    gate.set()

    async def main() -> None:
        shelf = Shelf()
        async with engine_on(MemoryStore(shelf), drive=False) as client:
            for number in range(5):
                await client.start(naps(0, 0), id=f"x{number}")
            async with engine_on(MemoryStore(shelf), poll=3600):
                await until(lambda: {row.state for row in shelf.runs.values()} == {"completed"})

    run(main)


def test_a_run_that_is_parked_for_its_code_has_one_letter_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def other(before: bool) -> list[str]:
        return [await hold("other")]

    async def main() -> None:
        store = MemoryStore()
        async with engine_on(store) as engine:
            await engine.start(hears(False), id="x")
            await until(lambda: store.shelf.runs["x"].owner is None)
            with monkeypatch.context() as patch:
                patch.setattr(hears, "function", other)
                for epoch in (2, 3):
                    await engine.tell("x", "hello", by="ann")
                    await until(partial(_parked, store, epoch))
            assert [letter.id for letter in await engine.dlq.list()] == ["x#1"]
            assert len(await journaled(engine, r.Stalled)) == 1 and marks == []

    run(main)


class Reluctant(MemoryStore):
    """Shows no journal until it may."""

    may: asyncio.Event

    async def journal(self, run_id: str) -> list[Turn]:
        await self.may.wait()
        return await super().journal(run_id)


def test_a_run_that_is_claimed_again_while_it_is_taken_up_is_driven_by_the_later_claim() -> None:
    async def main() -> None:
        shelf = Shelf()
        async with engine_on(MemoryStore(shelf), drive=False) as client:
            await client.start(naps(0, 0), id="x")
            store = Reluctant(shelf)
            store.may = asyncio.Event()
            async with engine_on(store):
                await until(lambda: shelf.runs["x"].epoch == 1)
                store.silence()
                await until(lambda: shelf.runs["x"].epoch == 2)
                shelf.alive.add(str(shelf.runs["x"].owner))
                store.may.set()
                assert await client.get("x").result() == "woke"
                assert shelf.runs["x"].epoch == 2

    run(main)


def test_workers_that_leave_in_order_are_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "GRACE", 0.0)

    async def main() -> None:
        shelf = Shelf()
        for opened in range(MOST_CRASHES + 2):
            async with engine_on(MemoryStore(shelf)) as engine:
                await engine.start(two(), id="x")
                await until(lambda now=opened: len(marks) > now)
        gate.set()
        async with engine_on(MemoryStore(shelf)) as engine:
            assert await engine.get("x").result() == "onetwo"
            assert {each.orderly for each in await journaled(engine, r.Recovered)} == {True}

    run(main)


def test_a_worker_that_died_is_told_from_one_that_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "GRACE", 0.0)

    async def main() -> None:
        shelf = Shelf()
        async with AsyncExitStack() as dead:
            for died in range(MOST_CRASHES):
                store = MemoryStore(shelf)
                engine = await dead.enter_async_context(engine_on(store))
                await engine.start(two(), id="x")
                await until(lambda now=died: len(marks) > now)
                engine._watching.cancel()  # type: ignore[union-attr]  # it takes nothing back
                store.silence()
            engine = await dead.enter_async_context(engine_on(MemoryStore(shelf)))
            with pytest.raises(Compensated):
                await engine.get("x").result()
            assert [each.orderly for each in await journaled(engine, r.Recovered)] == [False] * MOST_CRASHES

    run(main)


def test_a_call_that_is_cancelled_from_outside_has_killed_nobody() -> None:
    async def main() -> None:
        async with engine_on(MemoryStore()) as engine:
            before = asyncio.all_tasks()
            await engine.start(two(), id="x")
            for swept in range(MOST_CRASHES + 2):
                await until(lambda now=swept: len(marks) > now)
                for task in asyncio.all_tasks() - before:
                    if "_fly" in repr(task):
                        task.cancel()
            gate.set()
            assert await engine.get("x").result() == "onetwo"
            assert {each.orderly for each in await journaled(engine, r.Recovered)} == {True}

    run(main)


class Lossy(MemoryStore):
    """Whatever says that a step is done cannot be written."""

    def commit(self, change: Change) -> asyncio.Future[None]:
        if change.turn is not None and b"StepDone" in change.turn.body:
            failed = asyncio.get_running_loop().create_future()
            failed.set_exception(StoreError("there is no room for it"))
            return failed
        return super().commit(change)


def test_a_call_whose_answer_can_never_be_written_is_not_made_for_ever() -> None:
    async def main() -> None:
        gate.set()
        async with engine_on(Lossy()) as engine:
            await engine.start(two(), id="x")
            with pytest.raises(Compensated):
                await engine.get("x").result()
            assert marks == ["one"] * MOST_CRASHES

    run(main)


class Unheard(MemoryStore):
    """Writes that a person is needed, and says that it failed to."""

    said = False

    def commit(self, change: Change) -> asyncio.Future[None]:
        done = super().commit(change)
        if change.state == "needs_attention" and not self.said:
            self.said = True
            done = asyncio.get_running_loop().create_future()
            done.set_exception(StoreError("nobody knows whether it was written"))
        return done


def test_a_run_whose_write_had_an_unknown_fate_is_taken_up_as_it_is() -> None:
    async def main() -> None:
        store = Unheard()
        async with engine_on(store) as engine:
            await engine.start(ties(), id="x")
            await until(lambda: store.shelf.runs["x"].owner is None)
            assert (await engine.list())[0].state == "needs_attention"
            assert (await engine.get("x").outcome()).letters == ("x#1",)

    run(main)


def _parked(store: MemoryStore, epoch: int) -> bool:
    run = store.shelf.runs["x"]
    return (run.epoch, run.owner) == (epoch, None)
