"""The public API as a user writes it: three type checkers accept this file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_type
from uuid import UUID

from amends import (
    Call,
    Compensated,
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
async def release(hold: str) -> None: ...


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
    async with Engine("orders.db", sagas=[order, brief]) as engine:
        assert_type(await engine.run(order("a", "b"), id="1"), Charge)
        handle = await engine.start(order("a", "b"), id="1")
        assert_type(handle, Handle[Charge])
        assert_type(await handle.outcome(), Outcome[Charge])
        await engine.tell("1", Approval(True), by="ann")
        await engine.cancel("1", by="ann", reason="enough")
        for letter in await engine.dlq.list():
            await engine.dlq.resolve(letter.id, note="done", by="ann")
        try:
            await handle.result()
        except Compensated as rolled_back:
            print(rolled_back.kept)
        except NeedsAttention as waiting:
            print(waiting.letters)


steps: list[Step[..., Charge]] = [charge]
one: Saga[..., Charge] = order
