"""Time limits of undos and checks, the number of an attempt, and what is known of a run that several letters hold up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from amends import Compensated, Engine, NeedsAttention, Retry, current, random, saga, step
from amends.engine.flight import STOP_GRACE
from amends.model.call import Companion
from amends.model.records import Cancelled, Failure
from amends.model.saga import Saga
from amends.stores.memory import MemoryStore
from tests.engine.eager import eager
from tests.engine.patience import until

ONCE = Retry(attempts=1)
AGAIN = Retry(attempts=3, first=0.0, jitter=0.0, on=Exception)
log: list[Any] = []


@pytest.fixture(autouse=True)
def fresh() -> None:
    log.clear()


@step(retry=AGAIN, no_undo="it only counts")
async def count() -> int:
    log.append(current().attempt)
    if len(log) < 3:
        raise ConnectionResetError
    return len(log)


@step
async def book(what: str) -> str:
    return what


@book.undo(retry=ONCE, timeout=0.01)
async def unbook(what: str) -> None:
    await asyncio.sleep(STOP_GRACE)


@step(retry=ONCE)
async def lose() -> str:
    raise ConnectionResetError


@lose.check
async def found() -> str | None:
    await asyncio.sleep(STOP_GRACE)
    return "found"


lose.checking = Companion(found, ONCE, 0.01)


@step
async def hang() -> str:
    try:
        log.append("hangs")
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        log.append("is let go of")
        raise
    return "never"


@step(retry=ONCE)
async def pay() -> str:
    raise ConnectionResetError


@pay.undo
async def repay(receipt: str) -> None:
    log.append(receipt)


@saga
async def pays() -> str:
    return await pay()


@step(retry=ONCE)
async def wire() -> str:
    raise ConnectionResetError("the bank hung up")


@wire.undo(retry=AGAIN)
async def unwire(receipt: str | None) -> None:
    log.append(receipt)
    if len(log) == 1:
        raise ValueError("an undo's own error")


@step(no_undo="it only asks")
async def ask() -> None:
    log.append("asks")
    await until(lambda: "may go on" in log)


@step(idempotent=False)
async def send() -> str:
    log.append("sends")
    return "sent"


@send.undo
async def unsend(sent: str) -> None: ...


@step(retry=ONCE, timeout=0.01)
async def ask_the_bank() -> str:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        raise ValueError("it says no") from None
    return "never"


@saga
async def asks_the_bank() -> str:
    return await ask_the_bank()


@saga
async def wires() -> str:
    return await wire()


@saga
async def sends() -> str:
    await ask()
    return await send()


@saga
async def draws() -> float:
    return random()


@saga
async def draws_twice() -> list[float]:
    return [await draws(), await draws()]


@saga
async def counts() -> int:
    return await count()


@saga
async def hangs() -> str:
    return await hang()


@saga
async def books_two() -> None:
    await book("one")
    await book("two")
    raise ValueError("no")


@saga
async def loses() -> str:
    return await lose()


SAGAS: list[Saga[..., Any]] = [counts, hangs, books_two, loses, pays, draws, draws_twice, wires, sends, asks_the_bank]


def with_engine(work: Callable[[Engine], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with Engine(MemoryStore(), sagas=SAGAS, poll=0.01) as engine:
            return await work(engine)

    return asyncio.run(asyncio.wait_for(main(), 10))


def test_a_step_knows_which_attempt_it_is() -> None:
    async def work(engine: Engine) -> None:
        assert await engine.run(counts(), id="c") == 3

    with_engine(work)
    assert log == [1, 2, 3]


def test_an_undo_has_a_time_limit_and_each_letter_is_known_to_who_waits() -> None:
    async def work(engine: Engine) -> None:
        run = await engine.start(books_two(), id="b")
        outcome = await run.outcome()
        await until_all_letters(engine, 2)
        outcome = await run.outcome()
        assert (outcome.state, outcome.letters) == ("needs_attention", ("b#1", "b#2"))
        assert [letter.error for letter in await engine.dlq.list()] == ["TimeoutError: no answer within 0.01 seconds"] * 2
        await engine.dlq.resolve("b#1", note="by hand", by="ann")
        while (outcome := await run.outcome()).letters != ("b#2",):
            assert outcome.state == "needs_attention"
            await asyncio.sleep(0.001)

    with_engine(work)


async def until_all_letters(engine: Engine, number: int) -> None:
    while len(await engine.dlq.list()) < number:
        await asyncio.sleep(0.001)


def test_a_check_has_a_time_limit() -> None:
    async def work(engine: Engine) -> None:
        with pytest.raises(NeedsAttention):
            await engine.run(loses(), id="l")
        (letter,) = await engine.dlq.list()
        assert letter.kind == "in_doubt" and "no answer within 0.01 seconds" in letter.error

    with_engine(work)


def test_what_a_call_says_while_it_is_stopped_is_its_answer() -> None:
    """It was refused, for certain without effect: there is no doubt about it, though its time was over."""

    async def work(engine: Engine) -> None:
        with pytest.raises(Compensated) as caught:
            await engine.run(asks_the_bank(), id="a")
        assert isinstance(caught.value.cause, Failure) and caught.value.cause.message == "it says no"

    with_engine(work)


def test_the_calls_of_a_run_that_is_let_go_of_are_cancelled() -> None:
    async def work(engine: Engine) -> None:
        await engine.start(hangs(), id="h")
        await until(lambda: log == ["hangs"])
        engine._crew.runners["h"].pause()
        await until(lambda: log == ["hangs", "is let go of"])

    with_engine(work)


def test_what_a_person_says_that_a_step_returned_reaches_its_undo() -> None:
    async def work(engine: Engine) -> None:
        run = await engine.start(pays(), id="p")
        assert (await run.outcome()).letters == ("p#1",)
        await engine.dlq.answer("p#1", happened=True, result=b'"receipt-7"', by="ann")
        with pytest.raises(Compensated):
            await run.result()

    with_engine(work)
    assert log == ["receipt-7"]


def test_runs_that_are_nested_in_one_have_each_its_own_luck() -> None:
    async def work(engine: Engine) -> list[float]:
        drawn: list[float] = await engine.run(draws_twice(), id="d")
        return drawn

    one, other = with_engine(work)
    assert one != other


def test_the_luck_of_a_nested_run_is_drawn_from_that_of_its_owner() -> None:
    """So the luck of an engine is all the luck there is in it."""

    async def draw(luck: bytes) -> list[float]:
        async with Engine(MemoryStore(), sagas=SAGAS, luck=lambda size: luck * size) as engine:
            return await engine.run(draws_twice(), id="d")

    one, again, other = (asyncio.run(draw(luck)) for luck in (b"1", b"1", b"2"))
    assert one == again and not set(one) & set(other)


def test_the_cause_is_what_the_step_raised_and_not_its_undo() -> None:
    async def work(engine: Engine) -> None:
        with pytest.raises(Compensated) as caught:
            await engine.run(wires(), id="w")
        assert isinstance(caught.value.__cause__, ConnectionResetError)

    with_engine(work)
    assert log == [None, None]


def test_errors_of_attempts_that_are_over_are_not_held() -> None:
    async def work(engine: Engine) -> None:
        run = await engine.start(counts(), id="c")
        runner: Any = engine._crew.runners["c"]
        await run.result()
        assert log == [1, 2, 3] and not runner.machine.live

    with_engine(work)


def test_a_call_that_may_be_made_only_once_is_made_while_the_engine_closes() -> None:
    """It is in the journal as wanted: the next worker could not know that it was never made."""

    async def main() -> None:
        store = MemoryStore()
        engine = await Engine(store, sagas=SAGAS).__aenter__()
        crew = engine._crew
        await engine.start(sends(), id="s")
        await until(lambda: log == ["asks"])
        closing = asyncio.create_task(engine.__aexit__(None, None, None))
        await until(lambda: crew.pausing)
        log.append("may go on")
        await closing
        async with Engine(MemoryStore(store.shelf), sagas=SAGAS) as following:
            assert await following.get("s").result() == "sent"

    asyncio.run(asyncio.wait_for(main(), 10))
    assert log == ["asks", "may go on", "sends"]


@pytest.mark.parametrize("closes", [True, False])
def test_a_call_that_a_cancel_of_the_same_turn_has_stopped_is_not_made(closes: bool) -> None:
    """Nobody would know what came of it, though everybody knew before that it was not wanted any more."""

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(eager)
        store = MemoryStore()
        engine = await Engine(store, sagas=SAGAS).__aenter__()
        crew: Any = engine._crew
        await engine.start(sends(), id="s")
        await until(lambda: log == ["asks"])
        turn_soon = crew.turn_soon

        def as_a_cancel_comes(runner: Any) -> None:
            crew.turn_soon = turn_soon
            runner._inbox.append((Cancelled(crew.now(), "ann", ""), None))
            turn_soon(runner)

        crew.turn_soon = as_a_cancel_comes
        closing = asyncio.create_task(engine.__aexit__(None, None, None)) if closes else None
        log.append("may go on")
        await until(lambda: store.shelf.runs["s"].state == "compensated")
        await (closing or engine.__aexit__(None, None, None))

    asyncio.run(asyncio.wait_for(main(), 10))
    assert log == ["asks", "may go on"]
