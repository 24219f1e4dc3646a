"""Deliberate mistakes: each marked line is rejected by all three type checkers, and no other line is."""

from __future__ import annotations

from amends import Engine, Retry, receive, saga, sleep, step


@step
async def reserve(sku: str, qty: int) -> str:
    return sku


@reserve.undo  # wrong: the undo takes another type than the step returns
async def release(hold: int) -> None: ...


@step
async def charge(cents: int) -> int:
    return cents


@charge.undo  # wrong: the undo takes two arguments
async def refund(paid: int, why: str) -> None: ...


@charge.check  # wrong: the check takes other arguments than the step
async def find(cents: str, more: bytes) -> int | None: ...


@step(retries=3)  # wrong: there is no such option
async def ship() -> None: ...


@step(on_rollback="maybe")  # wrong: it is undone or kept
async def pack() -> None: ...


@saga
async def order(sku: str) -> str:
    await reserve(1, 2)  # wrong: the sku is a str
    await reserve("a")  # wrong: the quantity is missing
    await reserve("a", quantity=2)  # wrong: there is no such argument
    number: int = await reserve("a", 2)  # wrong: it returns a str
    await sleep("1")  # wrong: seconds are a number
    said: int = await receive(str)  # wrong: it receives a str
    await reserve.using(timeout="1")("a", 1)  # wrong: a time limit is a number
    await order.using(detached=True)(1)  # wrong: the sku is a str
    await order.using(detached=False)("a")  # wrong: without it, it is not detached
    return str((number, said))


@saga  # wrong: a saga is an async def
def plain() -> str:
    return ""


async def main(engine: Engine) -> None:
    await engine.run(order("a"))  # wrong: there is no default id
    total: int = await engine.run(order("a"), id="1")  # wrong: the saga returns a str
    await engine.run(order(1), id="1")  # wrong: the sku is a str
    await engine.dlq.resolve("1#1")  # wrong: a person says what was done
    await engine.cancel(1)  # wrong: an id is a str
    Retry(5)  # wrong: options are keywords
    Retry(attempts="5")  # wrong: attempts are counted
    print(total)
