"""What a call is given, and what comes of it: keys over attempts, falsy answers, time limits, namespaces."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from amends import Compensated, Engine, NeedsAttention, Retry, current, saga, step
from amends.engine import flight, trouble
from amends.model import keys
from amends.stores.memory import MemoryStore

AGAIN = Retry(attempts=3, first=0.0, on=Exception)


@dataclass
class Called:
    what: str
    key: str
    forward: str
    args: dict[str, Any]


calls: list[Called] = []


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


def call(what: str) -> None:
    now = current()
    calls.append(Called(what, now.key, now.forward.key, now.forward.args))


@step(retry=AGAIN)
async def pay(cents: int) -> str:
    call("pay")
    if len(calls) < 3:
        raise ConnectionResetError
    return "paid"


@pay.undo(retry=AGAIN)
async def repay(paid: str) -> None:
    call("repay")
    if len(calls) < 6:
        raise ValueError("later")


@saga
async def pays() -> None:
    await pay(5)
    raise ValueError("after all")


@step(retry=Retry(attempts=1))
async def book(room: str) -> str:
    call("book")
    raise TimeoutError


@book.undo
async def unbook(booking: str | None) -> None:
    call(f"unbook {booking}")


@saga
async def books() -> None:
    await book("blue")


@step(retry=Retry(attempts=1), no_undo="it only counts")
async def count(text: str) -> int | str:
    raise TimeoutError


@count.check
async def counted(text: str) -> int | str | None:
    return "" if text == "empty" else 0


@saga
async def counts(text: str) -> int | str:
    return await count(text)


@step(retry=Retry(attempts=1), timeout=0.01)
async def hang() -> str:
    await asyncio.sleep(60)
    return "never"


@hang.undo
async def unhang(hung: str) -> None: ...


@saga
async def hangs() -> str:
    return await hang()


@step(no_undo="only looks")
async def look() -> str:
    return current().key


@saga
async def looks() -> str:
    return await look()


def with_engine(work: Callable[[Engine], Awaitable[Any]], **options: Any) -> Any:
    async def main() -> Any:
        async with Engine(MemoryStore(), sagas=[pays, books, counts, hangs, looks], poll=0.01, **options) as engine:
            return await work(engine)

    return asyncio.run(asyncio.wait_for(main(), 5))


def test_the_key_is_the_same_on_every_attempt_of_a_step_and_on_every_attempt_of_its_undo() -> None:
    async def work(engine: Engine) -> None:
        with pytest.raises(Compensated):
            await engine.run(pays(), id="p")

    with_engine(work)
    assert [each.what for each in calls] == ["pay"] * 3 + ["repay"] * 3
    (key,) = {each.key for each in calls[:3]}
    assert {each.key for each in calls[3:]} == {keys.undo_key(key)} != {key}
    assert {each.forward for each in calls} == {key}


def test_a_tolerant_undo_gets_none_and_what_it_takes_to_cancel_by_key() -> None:
    async def work(engine: Engine) -> None:
        with pytest.raises(Compensated):
            await engine.run(books(), id="b")

    with_engine(work)
    forward, undo = calls
    assert (undo.what, undo.forward, undo.args) == ("unbook None", forward.key, {"room": "blue"})


@pytest.mark.parametrize(("text", "found"), [("zero", 0), ("empty", "")])
def test_a_falsy_answer_of_a_check_is_a_result(text: str, found: int | str) -> None:
    async def work(engine: Engine) -> Any:
        return await engine.run(counts(text), id="c")

    assert with_engine(work) == found


def test_a_call_that_passes_its_time_limit_is_in_doubt() -> None:
    async def work(engine: Engine) -> None:
        with pytest.raises(NeedsAttention):
            await engine.run(hangs(), id="h")
        (letter,) = await engine.dlq.list()
        assert letter.kind == "in_doubt" and "TimeoutError" in letter.error

    with_engine(work)


def test_each_store_has_keys_of_its_own_unless_it_is_given_a_namespace() -> None:
    async def work(engine: Engine) -> str:
        return await engine.run(looks(), id="same")

    assert with_engine(work) != with_engine(work)
    assert with_engine(work, namespace="shop") == with_engine(work, namespace="shop") != with_engine(work, namespace="other")


def test_a_call_of_which_nothing_can_be_told_is_made_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong with what a call brought back, its run does not wait for ever."""
    monkeypatch.setattr(trouble, "LEAST", 0.0)
    broken = flight.failure_of

    def fails_once(error: BaseException) -> Any:
        monkeypatch.setattr(flight, "failure_of", broken)
        raise RuntimeError("it cannot be told")

    monkeypatch.setattr(flight, "failure_of", fails_once)

    async def work(engine: Engine) -> None:
        with pytest.raises(Compensated):
            await engine.run(books(), id="b")

    with_engine(work)
    assert [each.what for each in calls] == ["book", "book", "unbook None"]
    assert "what came of step book is not known" in caplog.text and "it cannot be told" in caplog.text
