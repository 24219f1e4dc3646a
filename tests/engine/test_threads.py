"""`def` steps run in threads: one that waits for a thread was not called, and one that runs cannot be cancelled."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from amends import Compensated, Engine, Retry, all_of, current, saga, step
from amends.engine import flight
from amends.engine.flight import Flight
from amends.engine.threads import Threads
from amends.model.saga import Saga
from amends.stores.memory import MemoryStore
from tests.engine.patience import until

ONCE = Retry(attempts=1)


class Desk:
    """What the steps of these tests have done, and what they wait for."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.begun = threading.Event()
        self.may_go = threading.Event()


desk = Desk()


@pytest.fixture(autouse=True)
def fresh() -> None:
    desk.__init__()  # type: ignore[misc]


@step(retry=ONCE)
def book(what: str) -> str:
    desk.begun.set()
    assert desk.may_go.wait(20)
    desk.log.append(f"book {what}")
    return what


@book.undo
async def unbook(what: str | None) -> None:
    desk.log.append(f"unbook {what} {current().forward.args['what']}")


@step(retry=ONCE, timeout=0.2)
def charge(what: str) -> float:
    desk.log.append(f"charge {what}")
    return current().deadline or 0.0


@charge.undo
def refund(what: float | None) -> None:
    desk.log.append(f"refund {what}")


@step(no_undo="it only ends")
def stops() -> None:
    next(iter(()))


@step(no_undo="it only breaks")
async def breaks() -> None:
    raise ValueError("broken")


def announced(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def announce(*args: Any, **named: Any) -> Any:
        desk.log.append("announced")
        return function(*args, **named)

    return announce


@step(no_undo="it only greets")
@announced
async def greet(name: str) -> str:
    await asyncio.sleep(0)
    return f"hello {name}"


@saga
async def books(what: str) -> str:
    return await book(what)


@saga
async def charges(what: str) -> float:
    return await charge(what)


@saga
async def greets() -> str:
    value: str = await greet("ann")
    return value


@saga
async def ends() -> None:
    await stops()


@saga
async def at_once() -> None:
    await all_of(breaks(), charge("a"))


def with_engine(work: Callable[[Engine], Awaitable[Any]], **options: Any) -> Any:
    sagas: list[Saga[..., Any]] = [books, charges, greets, ends, at_once]

    async def main() -> Any:
        async with Engine(MemoryStore(), sagas=sagas, poll=0.01, **options) as engine:
            try:
                return await work(engine)
            finally:
                desk.may_go.set()

    return asyncio.run(asyncio.wait_for(main(), 20))


async def call_of(engine: Engine, run_id: str) -> Flight:
    """The one call of a run that is under way."""
    runner: Any = None
    await until(lambda: bool(engine._crew.runners.get(run_id) and engine._crew.runners[run_id]._flights))  # type: ignore[attr-defined]
    runner = engine._crew.runners[run_id]
    (found,) = runner._flights.values()
    assert isinstance(found, Flight)
    return found


def test_a_call_that_waits_for_a_thread_was_never_made_when_its_run_is_cancelled() -> None:
    async def work(engine: Engine) -> None:
        first = await engine.start(books("x"), id="first")
        await until(desk.begun.is_set)
        second = await engine.start(charges("y"), id="second")
        await call_of(engine, "second")
        await engine.cancel("second")
        with pytest.raises(Compensated):
            await second.result()
        desk.may_go.set()
        await first.result()

    with_engine(work, threads=1)
    assert desk.log == ["book x"]  # neither called, nor undone as if it might have been


def test_a_loser_that_waits_for_a_thread_is_not_called_any_more() -> None:
    async def work(engine: Engine) -> None:
        first = await engine.start(books("x"), id="first")
        await until(desk.begun.is_set)
        with pytest.raises(Compensated, match="broken"):
            await engine.run(at_once(), id="second")
        desk.may_go.set()
        await first.result()

    with_engine(work, threads=1)
    assert desk.log == ["book x"]


def test_functions_that_are_called_at_the_same_time_do_not_wait_for_each_other() -> None:
    """Also when a thread is left over from before."""

    async def work(engine: Engine) -> None:
        await engine.run(charges("x"), id="before")
        first = await engine.start(books("y"), id="first")
        await until(desk.begun.is_set)
        assert await engine.run(charges("z"), id="second")
        desk.may_go.set()
        await first.result()

    with_engine(work)
    assert desk.log == ["charge x", "charge z", "book y"]


def test_a_thread_that_is_left_over_is_used_again() -> None:
    async def main() -> None:
        threads = Threads()
        names = [await threads.run(lambda: threading.current_thread().name) for _ in range(5)]
        threads.close()
        assert len(set(names)) == 1

    asyncio.run(asyncio.wait_for(main(), 5))


def test_the_time_limit_begins_when_the_function_does() -> None:
    async def work(engine: Engine) -> None:
        await engine.start(books("x"), id="first")
        await until(desk.begun.is_set)
        second = await engine.start(charges("y"), id="second")
        waiting = await call_of(engine, "second")
        assert waiting._alarm is None and not waiting._called
        desk.may_go.set()
        assert await second.result() > 0

    with_engine(work, threads=1)
    assert desk.log == ["book x", "charge y"]


def test_what_waits_for_a_thread_is_not_called_after_the_engine_has_closed() -> None:
    async def main() -> None:
        async with Engine(MemoryStore(), sagas=[books, charges], threads=1) as engine:
            await engine.start(books("x"), id="first")
            await until(desk.begun.is_set)
            await engine.start(charges("y"), id="second")
            await call_of(engine, "second")
        desk.may_go.set()
        await until(lambda: desk.log == ["book x"])
        await until(lambda: not any(each.name.startswith("amends-step") for each in threading.enumerate()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("amends.engine.engine.GRACE", 0.01)
        asyncio.run(main())
    assert desk.log == ["book x"]


def test_a_function_is_undone_after_it_came_back() -> None:
    """It cannot be cancelled: undone in the midst of it, it would take effect afterwards, and stay."""

    async def work(engine: Engine) -> None:
        run = await engine.start(books("x"), id="r")
        await until(desk.begun.is_set)
        call = await call_of(engine, "r")
        await engine.cancel("r")
        await until(lambda: call._why is not None)
        desk.may_go.set()
        with pytest.raises(Compensated):
            await run.result()

    with_engine(work)
    assert desk.log == ["book x", "unbook x x"]


def test_a_function_that_does_not_come_back_within_the_grace_is_in_doubt(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(flight, "STOP_GRACE", 0.01)

    async def work(engine: Engine) -> None:
        run = await engine.start(books("x"), id="r")
        await until(desk.begun.is_set)
        await engine.cancel("r")
        with pytest.raises(Compensated):
            await run.result()
        assert desk.log == ["unbook None x"]
        assert engine._crew.seats._free == 31
        assert "step book has not come back" in caplog.text and "its thread is not free" in caplog.text
        desk.may_go.set()
        await until(lambda: engine._crew.seats._free == 32)

    with_engine(work)


def test_what_a_decorator_hides_is_awaited() -> None:
    async def work(engine: Engine) -> None:
        assert await engine.run(greets(), id="r") == "hello ann"

    with_engine(work)
    assert desk.log == ["announced"]


def test_a_function_that_runs_out_of_things_has_failed() -> None:
    """As in an `async def`, where Python makes a RuntimeError of it: it is no sign that the answer was lost."""

    async def work(engine: Engine) -> None:
        with pytest.raises(Compensated, match="StopIteration"):
            await engine.run(ends(), id="r")

    with_engine(work)


@step(retry=ONCE)
async def pays() -> str:
    desk.log.append("pays")
    if len(desk.log) == 1:
        await asyncio.sleep(20)
    return "paid"


@pays.undo
async def pays_back(paid: str | None) -> None:
    desk.log.append(f"pays back {paid}")


@step(retry=ONCE)
async def gives_up() -> str:
    raise asyncio.CancelledError


@gives_up.undo
async def makes_up(given: str | None) -> None:
    desk.log.append(f"makes up for {given}")


@saga
async def paid() -> str:
    return await pays()


@saga
async def given_up() -> str:
    return await gives_up()


def test_a_call_that_is_cancelled_from_outside_is_made_again_and_spends_no_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when `asyncio.run` ends: it cancels all tasks at once, and the process is as good as gone."""
    monkeypatch.setattr("amends.engine.trouble.LEAST", 0.0)

    async def main() -> str:
        async with Engine(MemoryStore(), sagas=[paid]) as engine:
            run = await engine.start(paid(), id="r")
            await until(lambda: desk.log == ["pays"])
            task = (await call_of(engine, "r"))._task
            assert task is not None
            task.cancel()
            return await run.result()

    assert asyncio.run(asyncio.wait_for(main(), 20)) == "paid"
    assert desk.log == ["pays", "pays"]


def test_a_call_that_cancels_itself_is_in_doubt() -> None:
    async def main() -> None:
        async with Engine(MemoryStore(), sagas=[given_up]) as engine:
            with pytest.raises(Compensated):
                await engine.run(given_up(), id="r")

    asyncio.run(asyncio.wait_for(main(), 20))
    assert desk.log == ["makes up for None"]
