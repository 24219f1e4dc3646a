"""The engine on a real SQLite file."""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from amends import Compensated, DefinitionError, Engine, IdempotencyConflict, NeedsAttention
from amends.engine import flight
from amends.errors import EngineClosed, LetterSettled, NotStorable, RunClosed, StoreError, UnknownRun
from amends.model import saga as saga_module
from tests.engine import sagas
from tests.engine.patience import until
from tests.model import shop

SAGAS = [shop.order, shop.three, shop.rooms, shop.patient, shop.falsy, sagas.one, sagas.naps, sagas.listens]
SAGAS += [shop.bounded, sagas.interrupted, sagas.foreign, sagas.forgets, sagas.blocked, sagas.asks_who_is_called]


def with_engine(path: Path, work: Any, **options: Any) -> Any:
    async def main() -> Any:
        async with Engine(path / "a.db", sagas=SAGAS, poll=0.02, **options) as engine:
            return await work(engine)

    sagas.gate.clear()
    sagas.here.clear()
    sagas.seen.clear()
    try:
        return asyncio.run(asyncio.wait_for(main(), 20))
    finally:
        sagas.gate.set()


async def here() -> None:
    """Until a step says that it is under way."""
    await asyncio.to_thread(sagas.here.wait, 10)


def test_a_run_returns_its_value_and_again_without_working_again(tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        assert await engine.run(shop.order("a", "ok"), id="o") == "hold-a-1/ch-ok"
        done = list(shop.log)
        assert await engine.run(shop.order("a", "ok"), id="o") == "hold-a-1/ch-ok"
        assert shop.log == done
        (row,) = await engine.list()
        assert (row.state, row.owner, row.next_at) == ("completed", None, None)

    with_engine(tmp_path, work)
    assert oct(os.stat(tmp_path / "a.db").st_mode & 0o777) == "0o600"


def test_a_body_is_no_call_though_it_goes_on_where_one_has_ended(tmp_path: Path) -> None:
    """With the key of the step before, what the body asks a service for would be taken for that step."""

    async def work(engine: Engine) -> None:
        assert await engine.run(sagas.asks_who_is_called(), id="a") == ["nobody", "nobody"]

    with_engine(tmp_path, work)


@pytest.mark.parametrize("options", [{}, {"sagas": SAGAS, "drive": False}])
def test_an_engine_that_drives_nothing_writes_nothing_by_looking(tmp_path: Path, options: dict[str, Any]) -> None:
    """Whoever looks needs neither room on the disk nor the right to write now."""

    async def work(engine: Engine) -> None:
        await engine.run(shop.order("a", "ok"), id="o")
        witness = sqlite3.connect(tmp_path / "a.db")
        before = witness.execute("PRAGMA data_version").fetchone()
        async with Engine(tmp_path / "a.db", **options) as client:
            assert len(await client.list()) == 1 and await client.history("o") and not await client.dlq.list()
            assert await client.get("o").result() == "hold-a-1/ch-ok"
        assert witness.execute("PRAGMA data_version").fetchone() == before
        witness.close()

    with_engine(tmp_path, work, lease=3600)


def test_a_refusal_is_compensated_with_the_steps_own_error_as_cause(tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        with pytest.raises(Compensated) as caught:
            await engine.run(shop.order("a", "bad"), id="o")
        assert isinstance(caught.value.__cause__, shop.Declined)
        assert caught.value.cause.type.endswith("Declined") and caught.value.kept == ()
        assert shop.log[-1] == "release hold-a-1"
        with pytest.raises(Compensated):
            await engine.get("o").result()

    with_engine(tmp_path, work)


def test_another_input_under_the_same_id_is_a_conflict_with_a_diff(tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        await engine.run(shop.order("a", "ok"), id="o")
        with pytest.raises(IdempotencyConflict, match='- sku: "a"\n\\+ sku: "b"'):
            await engine.run(shop.order("b", "ok"), id="o")
        with pytest.raises(IdempotencyConflict, match="saga"):
            await engine.run(shop.falsy(1), id="o")

    with_engine(tmp_path, work)


def test_another_saga_under_the_same_id_is_a_conflict_though_its_input_is_the_same(tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        await engine.start(shop.patient(), id="p")
        with pytest.raises(IdempotencyConflict, match="- saga patient\n\\+ saga listens"):
            await engine.start(sagas.listens(), id="p")

    with_engine(tmp_path, work)


def test_two_callers_of_one_id_share_one_run(tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        same = [engine.run(shop.order("a", "ok"), id="o") for _ in range(5)]
        assert set(await asyncio.gather(*same)) == {"hold-a-1/ch-ok"}
        assert len([line for line in shop.log if line.startswith("reserve")]) == 1

    with_engine(tmp_path, work)


@pytest.mark.parametrize("what", ["sleep", "sleep 0", "timeout", "gather", "group", "task", "thread"])
def test_a_foreign_await_is_refused_with_the_cure_and_leaves_nothing_running(what: str, tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        before = asyncio.all_tasks()
        with pytest.raises(Compensated) as caught:
            await engine.run(sagas.foreign(what), id="f")
        assert caught.value.cause.type == "amends.errors.ForeignAwait"
        assert "@step" in caught.value.cause.message
        assert {task for task in asyncio.all_tasks() if not task.done()} <= before

    with_engine(tmp_path, work)
    gc.collect()  # a coroutine that nobody awaited would be warned of now


def test_a_forgotten_await_is_reported_with_step_and_line(tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        with pytest.raises(Compensated, match=r"refuse\(\), made at .*sagas.py:\d+, was never awaited"):
            await engine.run(sagas.forgets(), id="f")

    with_engine(tmp_path, work)


@pytest.mark.parametrize(("which", "type"), [("hang", "TimeoutError"), ("exits", "SystemExit"), ("odd", "Odd")])
def test_steps_that_behave_badly_end_as_failures(
    which: str, type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flight, "STOP_GRACE", 0.01)

    async def work(engine: Engine) -> None:
        with pytest.raises(Compensated) as caught:
            await engine.run(sagas.one(which), id="x")
        assert caught.value.cause.type.endswith(type)

    with_engine(tmp_path, work)


@pytest.mark.parametrize("which", ["generates", "opaque"])
def test_a_result_that_cannot_be_kept_needs_a_person_and_is_not_repeated(which: str, tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        with pytest.raises(NeedsAttention) as caught:
            await engine.run(sagas.one(which), id="x")
        (letter,) = await engine.dlq.list()
        assert caught.value.letters == (letter.id,) and letter.kind == "unstorable" and letter.step == which
        assert sagas.seen == (["opaque"] if which == "opaque" else [])
        await engine.dlq.resolve(letter.id, note="looked after", by="ann")
        assert (await ended(engine, "x")) == "compensated"

    with_engine(tmp_path, work)


async def ended(engine: Engine, run_id: str) -> str:
    """The state of a run that a person has just acted upon."""
    while True:
        state = (await engine.get(run_id).outcome()).state
        if state != "needs_attention":
            return state
        await asyncio.sleep(0.01)


def test_a_cancel_interrupts_the_step_even_one_that_swallows_it(tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        handle = await engine.start(sagas.one("stubborn"), id="x")
        await here()
        await engine.cancel("x", by="ann", reason="enough")
        outcome = await handle.outcome()
        assert outcome.state == "compensated" and outcome.cause is not None
        assert outcome.cause.message == "cancelled by ann: enough" and sagas.seen == ["cancelled"]
        with pytest.raises(RunClosed):
            await engine.cancel("x")

    with_engine(tmp_path, work)


def test_an_interrupted_step_is_in_doubt_and_what_a_check_finds_is_undone(tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        handle = await engine.start(sagas.interrupted(), id="x")
        await here()
        await engine.cancel("x", by="ann")
        assert (await handle.outcome()).state == "compensated"
        assert sagas.seen == [True, "undone found"]

    with_engine(tmp_path, work)


def test_another_process_reaches_a_run_that_is_driven_here(tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        handle = await engine.start(sagas.interrupted(), id="x")
        await here()
        async with Engine(tmp_path / "a.db") as other:
            await other.cancel("x", by="ann")
            assert (await other.get("x").outcome()).state == "compensated"
        assert (await handle.outcome()).state == "compensated"

    with_engine(tmp_path, work)


def test_a_cancel_does_not_wait_for_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flight, "STOP_GRACE", 0.01)

    async def work(engine: Engine) -> None:
        handle = await engine.start(sagas.one("thread"), id="x")
        await here()
        await engine.cancel("x", by="ann")
        assert (await handle.outcome()).state == "compensated"

    with_engine(tmp_path, work)


def test_messages_wake_a_parked_run_in_order(tmp_path: Path) -> None:
    async def work(engine: Engine) -> list[str]:
        handle = await engine.start(sagas.listens(), id="x")
        await engine.tell("x", "one", by="ann")
        await engine.tell_json("x", "str", b'"two"', by="bob")
        return await handle.result()

    assert with_engine(tmp_path, work) == ["one", "two"]


def test_a_sleep_outlives_its_engine(tmp_path: Path) -> None:
    async def begin(engine: Engine) -> None:
        await engine.start(sagas.naps(0.3), id="x")

    async def end(engine: Engine) -> str:
        return await engine.get("x").result()

    with_engine(tmp_path, begin)
    assert with_engine(tmp_path, end) == "woke"


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_jump_of_the_wall_clock_stalls_nobody(jump: float, tmp_path: Path) -> None:
    wall = [1_800_000_000.0]

    async def work(engine: Engine) -> None:
        handle = await engine.start(sagas.naps(0.1), id="x")
        wall[0] += jump
        assert await handle.result() == "woke"
        (row,) = await engine.list()
        assert row.closed_at is not None and 0.1 <= row.closed_at - row.created_at < 20

    with_engine(tmp_path, work, wall=lambda: wall[0])


def test_input_that_no_longer_fits_parks_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def queue() -> None:
        async with Engine(tmp_path / "a.db", sagas=[sagas.naps], drive=False) as client:
            await client.start(sagas.naps(0.0), id="x")

    async def work(engine: Engine) -> None:
        assert (await engine.get("x").outcome()).state == "needs_attention"
        (letter,) = await engine.dlq.list()
        assert letter.kind == "diverged" and "seconds" in letter.error

    asyncio.run(queue())
    monkeypatch.setattr(sagas.naps, "signature", shop.falsy.signature)
    with_engine(tmp_path, work)


def test_a_deadline_that_passes_while_the_worker_is_down(tmp_path: Path) -> None:
    async def begin(engine: Engine) -> None:
        await engine.start(shop.bounded(), id="x")

    async def end(engine: Engine) -> None:
        outcome = await engine.get("x").outcome()
        assert outcome.state == "compensated" and outcome.cause is not None
        assert outcome.cause.type == "DeadlineExceeded" and shop.log == ["reserve b", "release hold-b-1"]

    with_engine(tmp_path, begin, wall=lambda: 1_800_000_000.0)
    with_engine(tmp_path, end, wall=lambda: 1_800_000_100.0)


def test_events_name_run_step_and_attempt_and_no_values(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work(engine: Engine) -> None:
        await engine.run(shop.order("secret", "ok"), id="x")

    with caplog.at_level("INFO", logger="amends.run"):
        with_engine(tmp_path, work)
    said = [record.getMessage() for record in caplog.records]
    assert "run_id=x saga=order event=StepDone step=charge attempt=1" in said
    assert not any("secret" in line for line in said)


def test_a_full_disk_holds_runs_up_until_there_is_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work(engine: Engine) -> None:
        store: Any = engine._store
        handle = await engine.start(shop.falsy(400), id="x")
        pages = await store._write(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
        await store._write(lambda db: db.execute(f"PRAGMA max_page_count={pages + 1}").fetchone())
        while "there is no room" not in caplog.text:
            await asyncio.sleep(0.01)
        assert await handle.status() == "running"
        await store._write(lambda db: db.execute("PRAGMA max_page_count=100000").fetchone())
        assert await handle.result() == [0] * 400

    with_engine(tmp_path, work)


def test_one_slot_is_enough_for_many_runs(tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        runs = [engine.run(shop.falsy(n), id=f"r{n}") for n in range(8)]
        assert await asyncio.gather(*runs) == [[0] * n for n in range(8)]

    with_engine(tmp_path, work, max_runs=1)


def test_a_blocked_event_loop_does_not_cost_the_lease(tmp_path: Path) -> None:
    """Another worker, in a loop of its own, looks for runs to take over all the while."""
    over = threading.Event()

    async def observe() -> None:
        async with Engine(tmp_path / "a.db", sagas=[sagas.blocked], lease=0.3, poll=0.02):
            while not over.is_set():
                await asyncio.sleep(0.01)

    async def work(engine: Engine) -> None:
        observer = threading.Thread(target=asyncio.run, args=[observe()])
        observer.start()
        try:
            assert await engine.run(sagas.blocked(), id="b") == "through"
        finally:
            over.set()
            await asyncio.to_thread(observer.join)
        (row,) = await engine.list()
        assert row.epoch == 1

    with_engine(tmp_path, work, lease=0.3)


def test_closing_is_a_pause_and_nothing_more_is_called(tmp_path: Path) -> None:
    async def begin(engine: Engine) -> None:
        await engine.start(shop.falsy(5000), id="x")

    async def look(engine: Engine) -> str:
        return await engine.get("x").status()

    with_engine(tmp_path, begin)
    assert with_engine(tmp_path, look, drive=False) == "running"


def test_letters_are_acted_upon_once(tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        with pytest.raises(NeedsAttention):
            await engine.run(sagas.one("opaque"), id="x")
        with pytest.raises(DefinitionError, match="note"):
            await engine.dlq.resolve("x#1", note=" ")
        with pytest.raises(NotStorable):
            await engine.dlq.answer("x#1", happened=True, result=b"{")
        both = await asyncio.gather(
            engine.dlq.abandon("x#1", note="let it be", by="ann"),
            engine.dlq.resolve("x#1", note="done", by="bob"),
            return_exceptions=True,
        )
        (refused,) = [each for each in both if each is not None]
        assert isinstance(refused, LetterSettled) and "ann" in str(refused)
        assert await ended(engine, "x") == "abandoned"
        with pytest.raises(UnknownRun):
            await engine.dlq.retry("x#9")

    with_engine(tmp_path, work)


def test_code_that_diverged_is_parked_and_goes_on_once_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def begin(engine: Engine) -> None:
        await engine.start(shop.patient(), id="p")
        while (await engine.list())[0].owner is not None:
            await asyncio.sleep(0.01)

    async def other() -> list[str]:
        await shop.bare()
        return []

    async def diverges(engine: Engine) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(shop.patient, "function", other)
            await engine.cancel("p", by="ann")
            outcome = await engine.get("p").outcome()
            assert outcome.state == "needs_attention"
            (letter,) = await engine.dlq.list()
            assert letter.kind == "diverged" and "recorded: StepWanted" in letter.error
            await engine.dlq.retry(letter.id, by="ann")
            while [each.id for each in await engine.dlq.list()] != ["p#2"]:
                await asyncio.sleep(0.01)
            assert "bare" not in shop.log
        await engine.dlq.retry("p#2", by="ann")
        assert await ended(engine, "p") == "compensated"

    with_engine(tmp_path, begin)
    with_engine(tmp_path, diverges)
    assert shop.log == ["reserve p", "release hold-p-1"]


def test_a_flipped_byte_sets_one_run_aside_and_others_go_on(tmp_path: Path) -> None:
    async def begin(engine: Engine) -> None:
        await engine.start(shop.patient(), id="p")
        await engine.start(shop.patient(), id="q")

    async def end(engine: Engine) -> None:
        assert (await engine.get("p").outcome()).state == "needs_attention"
        (letter,) = await engine.dlq.list()
        assert letter.kind == "damaged" and "turn 1" in letter.error
        await engine.cancel("q")
        assert (await engine.get("q").outcome()).state == "compensated"

    with_engine(tmp_path, begin)
    with sqlite3.connect(tmp_path / "a.db") as db:
        changed = db.execute(
            "UPDATE turns SET body = CAST(replace(body, 'reserve', 'rezerve') AS BLOB) WHERE run = 1 AND seq = 1"
        )
        assert changed.rowcount == 1
        db.execute("UPDATE runs SET next_at = 0")  # their pause is over
    db.close()
    with_engine(tmp_path, end)


@pytest.mark.parametrize("unreadable", [False, True])
def test_a_damaged_run_is_set_aside_once_whatever_waits_for_it(
    tmp_path: Path, unreadable: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Its mail cannot be taken in, and must not have it taken up again at every look for work."""

    async def begin(engine: Engine) -> None:
        await engine.start(shop.patient(), id="p")

    async def look(engine: Engine) -> None:
        await until(lambda: "set aside" in caplog.text)
        for _ in range(3):
            await engine.run(shop.falsy(1), id=f"look again {_}")
            engine._crew.wake.set()
            await asyncio.sleep(0.02)

    with_engine(tmp_path, begin)
    with sqlite3.connect(tmp_path / "a.db") as db:
        db.execute("UPDATE turns SET body = CAST(replace(body, 'reserve', 'rezerve') AS BLOB) WHERE run = 1 AND seq = 1")
    db.close()

    async def tell() -> None:
        async with Engine(tmp_path / "a.db") as client:
            await client.cancel("p")

    asyncio.run(tell())
    if unreadable:
        with sqlite3.connect(tmp_path / "a.db") as db:
            db.execute("UPDATE mail SET body = CAST('?' AS BLOB)")
        db.close()
    with_engine(tmp_path, look)
    assert caplog.text.count("set aside") == 1


def test_a_store_that_cannot_be_left_does_not_hide_what_happened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work(engine: Engine) -> None:
        await engine.run(shop.falsy(1), id="f")
        store: Any = engine._store
        store._roster.leave = _full
        raise KeyError("the user's own")

    with pytest.raises(KeyError, match="the user's own") as caught:
        with_engine(tmp_path, work)
    assert caught.value.__context__ is None and "could not be left in order" in caplog.text


def _full(db: sqlite3.Connection) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_wrong_uses_are_refused_clearly(tmp_path: Path) -> None:
    async def work(engine: Engine) -> None:
        with pytest.raises(DefinitionError, match="not one of this engine's"):
            await engine.run(sagas.forth("x"), id="x")
        with pytest.raises(DefinitionError, match="a step"):
            await engine.run(shop.look(), id="x")
        for no_call in (shop.order, "order"):
            with pytest.raises(DefinitionError, match="a call of a saga, with its arguments"):
                await engine.run(no_call, id="x")  # type: ignore[arg-type]
        with pytest.raises(DefinitionError, match="id"):
            await engine.run(shop.falsy(1), id="")
        with pytest.raises(NotStorable, match=r"order\.sku"):
            await engine.run(shop.order("\ud800", "ok"), id="x")
        with pytest.raises(TypeError):
            await engine.run(shop.order("a"), id="x")  # type: ignore[call-arg]
        with pytest.raises(UnknownRun):
            await engine.tell("nope", "hello")
        with pytest.raises(EngineClosed):
            async with engine:
                pass
        other: Coroutine[Any, Any, Any] = engine.list()
        with pytest.raises(EngineClosed, match="loop"):
            await asyncio.to_thread(asyncio.run, other)

    with_engine(tmp_path, work)
    with pytest.raises(DefinitionError, match="named 'order'"):
        Engine("x.db", sagas=[shop.order, saga_module.Saga(shop.order.function, "order", None)])
    with pytest.raises(DefinitionError, match=r"sagas=\[order\]"):
        Engine("x.db", sagas=shop.order)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="max_runs"):
        Engine("x.db", max_runs=0)


@pytest.mark.parametrize("kind", ["directory", "no parent", "not ours", "no database", "newer"])
def test_files_that_cannot_be_used_are_refused_with_the_cure(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    if kind == "directory":
        path.mkdir()
    elif kind == "no parent":
        path = tmp_path / "none" / "a.db"
    elif kind == "no database":
        path.write_bytes(b"hello world, this is not a database at all" * 50)
    else:
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE other (x)")
        db.close()
    if kind == "newer":
        path.unlink()
        asyncio.run(opened(path))
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
    with pytest.raises(StoreError, match=r"\. "):
        asyncio.run(opened(path))


async def opened(path: Path) -> None:
    async with Engine(path):
        pass
