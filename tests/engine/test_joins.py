"""Joins on the engine and a real file: what machines fed by hand cannot show."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from amends import Compensated, Engine, Retry, all_of, any_of, receive, saga, step, within
from amends.engine import flight
from amends.engine.runner import Runner
from amends.errors import BranchesFailed
from amends.model import records as r
from tests.model import forks

gate: dict[str, asyncio.Event] = {}
log: list[str] = []
TIME = 20


def opened(name: str) -> asyncio.Event:
    return gate.setdefault(name, asyncio.Event())


@step(retry=Retry(attempts=1))
async def fetch(name: str) -> str:
    log.append(f"fetch {name}")
    opened(f"{name} began").set()
    await opened(name).wait()
    log.append(f"fetched {name}")
    return name


@fetch.undo(retry=Retry(attempts=1))
async def drop(name: str | None) -> None:
    log.append(f"drop {name}")
    await opened("drop").wait()


@step(retry=Retry(attempts=1))
async def deaf(name: str) -> str:
    opened(f"{name} began").set()
    while not opened(name).is_set():
        try:
            await opened(name).wait()
        except asyncio.CancelledError:
            opened(f"{name} was cancelled").set()
    return name


@deaf.undo(retry=Retry(attempts=1))
async def undeaf(name: str) -> None:
    log.append(f"undeaf {name}")


@step(no_undo="it refuses")
async def refuses(name: str) -> str:
    await opened(name).wait()
    raise ValueError(name)


@saga
async def first_of() -> str:
    return await any_of(fetch("a"), fetch("b"))


@saga
async def first_or_deaf() -> str:
    return await any_of(fetch("a"), deaf("b"))


@saga
async def word_or_many() -> str:
    return await any_of(receive(str), *(fetch(str(number)) for number in range(5)))


@saga
async def both() -> list[str]:
    return list(await all_of(fetch("a"), refuses("b")))


@saga
async def in_time() -> list[str]:
    found = await within(0.05, fetch("a"), fetch("b"), at_least=0)
    return list(found.ok)


SAGAS = [first_of, first_or_deaf, word_or_many, both, in_time, forks.naps, forks.asks]


def with_engine(path: Path, work: Any, **options: Any) -> Any:
    async def main() -> Any:
        gate.clear()
        async with Engine(path / "a.db", sagas=SAGAS, poll=0.02, **options) as engine:
            return await work(engine)

    return asyncio.run(asyncio.wait_for(main(), TIME))


@pytest.fixture(autouse=True)
def clean() -> None:
    log.clear()


async def kinds(engine: Engine, run_id: str) -> list[str]:
    return [type(record).__name__ for turn in await engine.history(run_id) for record in turn]


def test_the_value_is_there_while_a_loser_is_undone_and_the_run_closes_after_it(tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        handle = await engine.start(first_of(), id="x")
        await opened("b began").wait()
        opened("a").set()
        assert await handle.result() == "a"
        assert await handle.status() == "running"
        ending = asyncio.ensure_future(handle.outcome())
        async with Engine(tmp_path / "a.db", drive=False, sagas=SAGAS) as other:
            assert await other.get("x").result() == "a"
        async with Engine(tmp_path / "a.db") as stranger:
            assert await stranger.get("x").result() == "a"
        assert await engine.run(first_of(), id="x") == "a"
        assert not ending.done()
        opened("drop").set()
        ended = await ending
        assert (ended.state, ended.value) == ("completed", "a") and log[-1] == "drop None"
        assert (await kinds(engine, "x")).count("Returned") == 1

    with_engine(tmp_path, work)


def test_a_value_that_was_returned_outlives_a_restart_that_finds_losers_open(tmp_path: Path) -> None:
    async def begin(engine: Engine) -> None:
        handle = await engine.start(first_of(), id="x")
        await opened("b began").wait()
        opened("a").set()
        assert await handle.result() == "a"

    async def go_on(engine: Engine) -> None:
        opened("drop").set()
        assert await engine.get("x").result() == "a"
        assert (await engine.get("x").outcome()).state == "completed"
        assert "drop None" in log and "fetched b" not in log

    async def killed() -> None:
        gate.clear()
        engine = Engine(tmp_path / "a.db", sagas=SAGAS, poll=0.02)
        async with engine:
            await begin(engine)
            raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        asyncio.run(asyncio.wait_for(killed(), TIME))
    with_engine(tmp_path, go_on)


def test_a_branch_that_ignores_its_cancellation_is_undone_when_it_ends(tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        handle = await engine.start(first_or_deaf(), id="x")
        await opened("b began").wait()
        opened("a").set()
        assert await handle.result() == "a"
        await opened("b was cancelled").wait()
        opened("b").set()
        assert (await handle.outcome()).state == "completed"
        assert log[-1] == "undeaf b"

    with_engine(tmp_path, work)


def test_a_branch_that_never_ends_is_in_doubt_and_its_letter_keeps_the_run_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flight, "STOP_GRACE", 0.05)

    async def work(engine: Engine) -> None:
        handle = await engine.start(first_or_deaf(), id="x")
        await opened("b began").wait()
        opened("a").set()
        assert await handle.result() == "a"
        assert (await handle.outcome()).state == "needs_attention"
        assert await handle.result() == "a"
        (letter,) = await engine.dlq.list()
        assert letter.kind == "in_doubt" and letter.step == "deaf"
        await engine.dlq.abandon(letter.id, note="it is only a test", by="ann")
        while (ended := await handle.outcome()).state == "needs_attention":
            await asyncio.sleep(0)
        assert ended.state == "abandoned" and await handle.result() == "a"
        opened("b").set()

    with_engine(tmp_path, work)


def test_branches_that_were_never_called_need_no_undo(tmp_path: Path) -> None:
    """One step at a time: while the first is at work, a message decides, and the others have not begun."""

    async def work(engine: Engine) -> None:
        opened("drop").set()
        handle = await engine.start(word_or_many(), id="x")
        await opened("0 began").wait()
        await engine.tell("x", "word")
        assert await handle.result() == "word"
        assert (await handle.outcome()).state == "completed"
        assert log == ["fetch 0", "drop None"]

    with_engine(tmp_path, work, max_steps=1)


def test_a_failed_join_is_the_cause_with_its_errors(tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        opened("drop").set()
        handle = await engine.start(both(), id="x")
        await opened("a began").wait()
        opened("a").set()
        opened("b").set()
        with pytest.raises(Compensated) as caught:
            await handle.result()
        cause = caught.value.__cause__
        assert isinstance(cause, BranchesFailed) and isinstance(cause.exceptions[0].__cause__, ValueError)
        assert log[-1] in ("drop a", "drop None")

    with_engine(tmp_path, work)


def test_the_end_of_the_time_is_decided_once(tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        opened("drop").set()
        opened("a").set()
        assert await engine.run(in_time(), id="x") == ["a"]
        assert (await engine.get("x").outcome()).state == "completed"
        decided = [record for turn in await engine.history("x") for record in turn if isinstance(record, r.JoinDecided)]
        assert [each.arrival for each in decided] == [(2,)]

    with_engine(tmp_path, work)


def test_a_timer_whose_branch_has_just_ended_is_no_news(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work(engine: Engine) -> None:
        handle = await engine.start(first_of(), id="x")
        await opened("a began").wait()
        for name in ("drop", "a"):
            opened(name).set()
        runner = cast("Runner", engine._crew.runners["x"])
        runner.tell(r.TimeUp(0.0, 3))
        assert await handle.result() == "a"

    with_engine(tmp_path, work)
    assert not caplog.records


@pytest.mark.parametrize("many", [forks.naps, forks.asks])
def test_ten_thousand_branches(many: Any, tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        assert await engine.run(many(10_000), id="x") == 10_000

    with_engine(tmp_path, work)
