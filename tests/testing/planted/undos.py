"""Sagas whose undos are wrong, each with its repaired twin."""

from __future__ import annotations

import asyncio
from itertools import count

from amends import Retry, saga, step
from amends.testing import World

world = World()
hotel = world.service("hotel")
airline = world.service("airline")
bank = world.service("bank", refunds=True)
forgetful = world.service("forgetful", remembers=False)

ONCE = Retry(attempts=1)
TWICE = Retry(attempts=2, first=1.0, on=Exception)


@step(retry=ONCE)
async def book_room() -> str:
    return str(await hotel.do("room"))


@book_room.undo(retry=TWICE)
async def free_room(booking: str | None) -> None:
    await hotel.undo(booking)


# ── 1: the undo of the last step is forgotten ────────────────────────────────────────────────────


@step(retry=ONCE)
async def book_seat() -> str:
    return str(await airline.do("seat"))


@step(retry=ONCE)
async def book_seat_well() -> str:
    return str(await airline.do("seat"))


@book_seat_well.undo(retry=TWICE)
async def free_seat(booking: str | None) -> None:
    await airline.undo(booking)


@saga
async def forgets_an_undo(happy: bool) -> None:
    await book_room()
    await book_seat()
    if not happy:
        raise ValueError("sold out after all")


@saga
async def forgets_no_undo(happy: bool) -> None:
    await book_room()
    await book_seat_well()
    if not happy:
        raise ValueError("sold out after all")


# ── 2: the undo undoes something else ────────────────────────────────────────────────────────────


@step(retry=ONCE)
async def book_suite() -> str:
    return str(await hotel.do("suite"))


@book_suite.undo(retry=TWICE)
async def free_the_wrong_one(booking: str | None) -> None:
    await airline.undo(key="another booking")


@saga
async def undoes_the_wrong_thing() -> None:
    await book_suite()
    await book_room()
    raise ValueError("no")


@saga
async def undoes_the_right_thing() -> None:
    await book_room()
    await book_seat_well()
    raise ValueError("no")


# ── 5: the undo says that it takes None, and does nothing with it; or does not say so ────────────


@step(retry=ONCE)
async def book_car() -> str:
    return str(await airline.do("car"))


@book_car.undo(retry=TWICE)
async def return_car_if_any(booking: str | None) -> None:
    if booking is not None:
        await airline.undo(booking)


@saga
async def ignores_a_lost_answer() -> str:
    return await book_car()


@saga
async def cancels_by_key() -> str:
    return await book_seat_well()


@step(retry=ONCE)
async def book_bus() -> str:
    return str(await airline.do("bus"))


@book_bus.undo(retry=TWICE)
async def leave_bus(booking: str) -> None:
    await airline.undo(booking)


@saga
async def needs_the_answer() -> str:
    return await book_bus()


# ── 6: the undo is not idempotent ────────────────────────────────────────────────────────────────

fresh = count()


@step(retry=ONCE)
async def charge() -> str:
    return str(await bank.do("charge"))


@charge.undo(retry=TWICE)
async def refund_each_time(receipt: str | None) -> None:
    await bank.undo(receipt, undo_key=f"refund-{next(fresh)}")


@step(retry=ONCE)
async def charge_well() -> str:
    return str(await bank.do("charge"))


@charge_well.undo(retry=TWICE)
async def refund_once(receipt: str | None) -> None:
    await bank.undo(receipt)


@saga
async def refunds_twice() -> None:
    await charge()
    raise ValueError("no")


@saga
async def refunds_once() -> None:
    await charge_well()
    raise ValueError("no")


# ── 9: an undo that waits for what only the way forward does ─────────────────────────────────────

printed = asyncio.Event()


@step(retry=ONCE)
async def order_print() -> str:
    return str(await airline.do("print"))


@order_print.undo(retry=TWICE)
async def wait_for_the_print(order: str | None) -> None:
    await printed.wait()
    await airline.undo(order)


@saga
async def never_ends_after_a_cancel() -> str:
    return await order_print()


# ── 11: a late request, at a service that does not remember what was cancelled ───────────────────


@step(retry=ONCE)
async def order_ad() -> str:
    return str(await forgetful.do("ad"))


@order_ad.undo(retry=TWICE)
async def withdraw_ad(order: str | None) -> None:
    await forgetful.undo(order)


@saga
async def advertises() -> str:
    return await order_ad()


@saga
async def advertises_well() -> str:
    return await book_room()


# ── 18: one of two effects is undone ─────────────────────────────────────────────────────────────


@step(retry=ONCE)
async def book_both() -> str:
    await airline.do("out", key="out")
    return str(await airline.do("back"))


@book_both.undo(retry=TWICE)
async def cancel_one(back: str | None) -> None:
    await airline.undo(back)


@saga
async def undoes_half() -> None:
    await book_both()
    raise ValueError("no")


# ── 19: what stays on purpose ────────────────────────────────────────────────────────────────────


@step(retry=ONCE, on_rollback="keep")
async def write_down() -> str:
    return str(await hotel.do("entry"))


@step(retry=ONCE, no_undo="a look hurts nobody")
async def look_at() -> str:
    return str(await hotel.do("look"))


@saga
async def keeps_on_purpose() -> None:
    await write_down()
    await look_at()
    raise ValueError("no")
