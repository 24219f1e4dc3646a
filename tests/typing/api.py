"""The public API as a user writes it: three type checkers accept this file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type
from uuid import UUID

from amends import (
    Call,
    Compensated,
    Current,
    Engine,
    Handle,
    NeedsAttention,
    Outcome,
    Retry,
    Saga,
    Step,
    StepFailed,
    current,
    now,
    random,
    receive,
    saga,
    sleep,
    sleep_until,
    step,
    uuid,
)
from amends.testing import Forward, as_current


@dataclass(frozen=True)
class Charge:
    id: str


@dataclass(frozen=True)
class Approval:
    ok: bool


@step
async def reserve(sku: str, qty: int = 1) -> str:
    return f"{sku}/{qty}/{current().key}"


@reserve.undo
async def release(hold: str) -> None:
    call = current()
    assert_type(call.attempt, int)
    assert_type(call.deadline, float | None)
    assert_type(call.forward.key, str)
    assert_type(call.forward.in_doubt, bool)
    print(hold, call.forward.args["sku"])


@step(retry=Retry(attempts=5, on=ValueError), timeout=timedelta(seconds=10), doubt=(OSError,), fails=KeyError)
def charge(card: str, cents: int) -> Charge:
    return Charge(card)


@charge.undo(retry=Retry(attempts=3), timeout=5)
def refund(paid: Charge | None) -> None: ...


@charge.check
async def find_charge(card: str, cents: int) -> Charge | None: ...


@step(no_undo="it only looks", idempotent="natural", name="look-up")
async def look() -> int:
    return 1


@saga
async def order(sku: str, card: str) -> Charge:
    hold = await reserve(sku, qty=2)
    assert_type(hold, str)
    try:
        paid = await charge.using(timeout=60)(card, 5)
    except StepFailed as failed:
        assert_type(failed.error_type, str)
        paid = await charge("other", 5)
    assert_type(paid, Charge)
    assert_type(await brief.using(detached=True)(), str)
    assert_type(order.using(detached=True)("a", card="b"), Call[str])
    await sleep(1.5)
    await sleep(timedelta(hours=1))
    await sleep_until(datetime(2030, 1, 1, tzinfo=UTC))
    approval = await receive(Approval, timeout=60)
    assert_type(approval, Approval)
    assert_type(now(), datetime)
    assert_type(random(), float)
    assert_type(uuid(), UUID)
    assert_type(await look(), int)
    return paid


@saga(deadline=timedelta(days=1), name="brief")
async def brief() -> None: ...


async def main() -> None:
    assert_type(order("a", "b"), Call[Charge])
    async with Engine("orders.db", sagas=[order, brief], max_runs=10, lease=5.0, durability="relaxed") as engine:
        assert_type(engine, Engine)
        assert_type(await engine.run(order("a", "b"), id="1"), Charge)
        assert_type(await engine.run(brief(), id="2"), None)
        handle = await engine.start(order("a", card="b"), id="1")
        assert_type(handle, Handle[Charge])
        assert_type(handle.id, str)
        ended = await handle.outcome()
        assert_type(ended, Outcome[Charge])
        assert_type(ended.value, Charge | None)
        assert_type(ended.letters, tuple[str, ...])
        if await handle.status() == "completed":
            assert_type(await handle.result(), Charge)
        assert_type(await engine.get("1").outcome(), Outcome[Any])
        for run in await engine.list(states=["running", "needs_attention"], sagas=["order"], limit=10, offset=5):
            print(run.id)
        for turn in await engine.history("1"):
            print(*turn)


async def operate(engine: Engine, handle: Handle[Charge]) -> None:
    await engine.tell("1", Approval(True), by="ann")
    await engine.tell_json("1", "Approval", b'{"ok": true}')
    await engine.cancel("1", by="ann", reason="enough")
    for letter in await engine.dlq.list(open=True, run_id="1", limit=10):
        await engine.dlq.retry(letter.id, by="ann", note="it is up again")
        await engine.dlq.resolve(letter.id, note="done by hand", by="ann")
        await engine.dlq.abandon(letter.id, note="it is cheap")
        await engine.dlq.answer(letter.id, happened=True, result=b'{"id": "c-1"}', note="seen on the statement")
        assert_type((await engine.dlq.show(letter.id)).id, str)
    try:
        await handle.result()
    except Compensated as rolled_back:
        print(rolled_back.cause, rolled_back.kept)
    except NeedsAttention as waiting:
        assert_type(waiting.letters, tuple[str, ...])


async def test_by_hand() -> None:
    with as_current(Current("key", 1, "run", "order", "charge", Forward("key", {"sku": "a"}, in_doubt=False))) as call:
        assert_type(call, Current)
        assert_type(await reserve("a"), str)
        assert_type(await charge("a", 1), Charge)


steps: list[Step[..., Charge]] = [charge]
one: Saga[..., Charge] = order
