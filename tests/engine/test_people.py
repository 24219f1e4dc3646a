"""What people are told about a run and its dead letters, and which acts fit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from amends import Compensated, DefinitionError, Engine, NeedsAttention, Retry, any_of, saga, step
from amends.model import keys
from amends.stores.memory import MemoryStore


@step
async def ship(parcel: str) -> str:
    return f"sent {parcel}"


@ship.undo(retry=Retry(attempts=2, first=0.0, on=Exception))
async def unship(sent: str) -> None:
    raise ValueError("the van has left")


@step(on_rollback="keep")
async def tell_ann(text: str) -> str:
    return text


@step
async def plain() -> None: ...


@step(retry=Retry(attempts=1))
async def faxes() -> None:
    raise ConnectionError("the line is dead")


@saga
async def ships_either() -> str:
    return await any_of(ship("books"), ship("papers"))


@saga
async def doubts() -> None:
    await faxes()


@saga
async def ships() -> None:
    await ship("books")
    raise RuntimeError("no room")


@saga
async def keeps() -> None:
    await tell_ann("hello")
    await plain()
    raise RuntimeError("stop")


@saga
async def empties(what: str) -> Any:
    return {"none": None, "zero": 0, "text": "", "list": [], "false": False}[what]


def with_engine(work: Callable[[Engine], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with Engine(
            MemoryStore(), sagas=[ships, keeps, empties, doubts, ships_either], namespace="n", poll=0.01
        ) as engine:
            return await work(engine)

    return asyncio.run(asyncio.wait_for(main(), 10))


def test_the_caller_learns_what_was_kept_and_why() -> None:
    async def work(engine: Engine) -> None:
        with pytest.raises(Compensated, match="kept: tell_ann") as caught:
            await engine.run(keeps(), id="k")
        outcome = await engine.get("k").outcome()
        assert outcome.state == "partly_compensated" and outcome.kept == caught.value.kept
        assert [(kept.pos, kept.step) for kept in outcome.kept] == [(1, "tell_ann"), (2, "plain")]

    with_engine(work)


@pytest.mark.parametrize(("what", "value"), [("none", None), ("zero", 0), ("text", ""), ("list", []), ("false", False)])
def test_a_falsy_value_of_a_run_stays_what_it_is(what: str, value: object) -> None:
    async def work(engine: Engine) -> None:
        for _ in range(2):
            got = await engine.run(empties(what), id="e")
            assert got == value and type(got) is type(value)

    with_engine(work)


def test_who_waits_for_a_value_gets_it_though_a_person_is_needed_for_what_lost() -> None:
    async def work(engine: Engine) -> None:
        run = await engine.start(ships_either(), id="s")
        assert (await run.outcome()).state == "needs_attention"
        assert await run.result() == "sent books"

    with_engine(work)


def test_a_letter_holds_all_that_a_person_needs() -> None:
    async def work(engine: Engine) -> None:
        with pytest.raises(NeedsAttention) as caught:
            await engine.run(ships(), id="s")
        assert caught.value.cause.type == "RuntimeError"
        letter = await engine.dlq.show("s#1")
        assert (letter.step, letter.kind) == ("ship", "undo_failed")
        paper = json.loads(letter.body)
        assert (paper["args"], paper["result"], paper["attempts"]) == ({"parcel": "books"}, "sent books", 2)
        assert paper["key"] == keys.step_key("n", "ships", "s", 1, "ship", b'{"parcel":"books"}')
        assert paper["error"]["message"] == "the van has left" and "unship" in paper["error"]["traceback"]

    with_engine(work)


def test_an_act_that_does_not_fit_the_letter_is_refused_and_the_letter_waits_on() -> None:
    async def work(engine: Engine) -> None:
        with pytest.raises(NeedsAttention):
            await engine.run(ships(), id="s")
        with pytest.raises(DefinitionError, match="cannot be answered; what can be done: retry, resolve, abandon"):
            await engine.dlq.answer("s#1", happened=False)
        assert [letter.acted for letter in await engine.dlq.list()] == [None]

    with_engine(work)


def test_a_letter_says_who_has_acted_and_why() -> None:
    async def work(engine: Engine) -> None:
        with pytest.raises(NeedsAttention):
            await engine.run(ships(), id="s")
        await engine.dlq.resolve("s#1", note="fetched it back", by="ann")
        (letter,) = await engine.dlq.list(open=False)
        assert (letter.acted, letter.by, letter.note) == ("resolved", "ann", "fetched it back")
        assert letter.acted_at is not None and letter.acted_at >= letter.opened_at

    with_engine(work)


def test_whoever_waits_for_a_run_waits_on_once_somebody_has_acted() -> None:
    """The row says for a while yet that the run needs a person: nobody has taken up what the person said."""

    async def main() -> None:
        store = MemoryStore()
        async with Engine(store, sagas=[ships]) as engine:
            with pytest.raises(NeedsAttention):
                await engine.run(ships(), id="s")
        async with Engine(MemoryStore(store.shelf), sagas=[ships], drive=False) as client:
            await client.dlq.resolve("s#1", note="fetched it back", by="ann")
            run = await client.start(ships(), id="s")
            waiting = [asyncio.create_task(run.outcome()), asyncio.create_task(run.result())]
            await asyncio.wait(waiting, timeout=0.1)
            assert not any(task.done() for task in waiting)
            async with Engine(MemoryStore(store.shelf), sagas=[ships]):
                outcome, ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert not isinstance(outcome, BaseException) and outcome.state == "compensated"
        assert isinstance(ended, Compensated)

    asyncio.run(asyncio.wait_for(main(), 10))


def test_where_there_is_nothing_to_try_again_a_retry_is_refused_before_anything_is_written() -> None:
    async def work(engine: Engine) -> None:
        with pytest.raises(NeedsAttention):
            await engine.run(doubts(), id="d")
        assert json.loads((await engine.dlq.show("d#1")).body)["acts"] == ["answer", "resolve", "abandon"]
        with pytest.raises(DefinitionError, match=r"'faxes' has no check, nor an undo .*: answer, resolve, abandon"):
            await engine.dlq.retry("d#1")
        assert [letter.acted for letter in await engine.dlq.list(open=None)] == [None]

    with_engine(work)
