"""Sagas whose keys, checks and bodies are wrong, each with its repaired twin."""

from __future__ import annotations

import asyncio
import random as luck
import socket
import subprocess
import time
from dataclasses import dataclass

from amends import Retry, StepFailed, now, random, receive, saga, step
from amends.testing import World

world = World()
bank = world.service("bank")
shop = world.service("shop")
fax = world.service("fax", idempotent=False)
sure = world.service("sure", final_checks=True)

ONCE = Retry(attempts=1)
TWICE = Retry(attempts=2, first=1.0, on=Exception)


# ── 3 and 4: no key is passed on, or one of the time ─────────────────────────────────────────────


@step
async def pay_without_key() -> str:
    return str(await bank.do("payment", key=f"call-{luck.random()}"))


@pay_without_key.undo(retry=TWICE)
async def pay_back(receipt: str | None) -> None:
    await bank.undo(receipt)


@step
async def pay_by_the_clock() -> str:
    return str(await bank.do("payment", key=f"at-{time.time_ns()}"))


@pay_by_the_clock.undo(retry=TWICE)
async def pay_back_too(receipt: str | None) -> None:
    await bank.undo(receipt)


@step
async def pay_by_the_second() -> str:
    return str(await bank.do("payment", key=f"at-{int(time.time())}"))


@pay_by_the_second.undo(retry=TWICE)
async def pay_back_once_more(receipt: str | None) -> None:
    await bank.undo(receipt)


@step
async def pay_well() -> str:
    return str(await bank.do("payment"))


@pay_well.undo(retry=TWICE)
async def pay_back_well(receipt: str | None) -> None:
    await bank.undo(receipt)


@step
async def pay_for_the_order(order: int, cents: int) -> str:
    return str(await bank.do("payment", key=f"order-{order}"))


@pay_for_the_order.undo(retry=TWICE)
async def pay_the_order_back(receipt: str | None) -> None:
    await bank.undo(receipt)


@saga
async def pays_in_two_parts() -> None:
    await pay_for_the_order(17, 50)
    await pay_for_the_order(17, 30)


@saga
async def pays_in_two_parts_well() -> None:
    await pay_well()
    await pay_well()


@saga
async def pays_without_key() -> str:
    return await pay_without_key()


@saga
async def pays_by_the_clock() -> str:
    return await pay_by_the_clock()


@saga
async def pays_by_the_second() -> str:
    return await pay_by_the_second()


@saga
async def pays_in_the_first_hour() -> str:
    if time.time() % 86_400 < 3_600:
        return await pay_well()
    return "not any more"


@saga
async def pays_in_the_first_hour_by_amends() -> str:
    if now().hour < 1:
        return await pay_well()
    return "not any more"


@saga
async def pays_well() -> str:
    return await pay_well()


# ── 7: a step that failed is taken as if it had not ──────────────────────────────────────────────


@step(retry=ONCE)
async def ship() -> str:
    return str(await shop.do("parcel"))


@ship.undo(retry=TWICE)
async def fetch_back(parcel: str | None) -> None:
    await shop.undo(parcel)


@saga
async def ships_unpaid() -> str:
    try:
        await pay_well()
    except StepFailed:
        pass  # the planted error
    return await ship()


@saga
async def ships_paid() -> str:
    await pay_well()
    return await ship()


# ── 8 and 17: a body that depends on more than what it is told ───────────────────────────────────

CITIES = {f"city-{number}" for number in range(50)}


@step(retry=ONCE, no_undo="a visit hurts nobody")
async def visit(city: str) -> str:
    return str(await shop.do("visit"))


@saga
async def visits_in_any_order() -> str:
    return await visit(", ".join(CITIES))


@saga
async def visits_two() -> str:
    return "".join([await visit(city) for city in {"bank", "shop"} | set()])


@saga
async def visits_in_order() -> str:
    return await visit(", ".join(sorted(CITIES)))


@saga
async def visits_in_any_order_when_refused() -> str:
    home = await visit("home")
    try:
        return await pay_well()
    except StepFailed:
        return home + await visit(", ".join(CITIES))


@saga
async def draws_of_its_own() -> str:
    return await visit(f"city-{luck.random()}")


@saga
async def draws_from_amends() -> str:
    return await visit(f"city-{random()}")


# ── 10: a check that lies ────────────────────────────────────────────────────────────────────────


@step(retry=ONCE)
async def transfer() -> str:
    return str(await sure.do("transfer"))


@transfer.undo(retry=TWICE)
async def transfer_back(receipt: str) -> None:
    await sure.undo(receipt)


@transfer.check
async def find_nothing() -> str | None:
    return None


@step(retry=ONCE)
async def transfer_two() -> str:
    return str(await sure.do("transfer"))


@transfer_two.undo(retry=TWICE)
async def transfer_two_back(receipt: str) -> None:
    await sure.undo(receipt)


@transfer_two.check
async def find_anything() -> str | None:
    await sure.check()
    return "sure-17"


@step(retry=ONCE)
async def transfer_well() -> str:
    return str(await sure.do("transfer"))


@transfer_well.undo(retry=TWICE)
async def transfer_well_back(receipt: str) -> None:
    await sure.undo(receipt)


@transfer_well.check
async def find_transfer() -> str | None:
    found: str | None = await sure.check()
    return found


@saga
async def checks_nothing() -> str:
    return await transfer()


@saga
async def checks_anything() -> str:
    return await transfer_two()


@saga
async def checks_well() -> str:
    return await transfer_well()


# ── 12: worlds in which nothing moves any more ───────────────────────────────────────────────────


@dataclass(frozen=True)
class Approval:
    ok: bool


@saga
async def waits_for_nobody() -> bool:
    return (await receive(Approval)).ok


@step(retry=ONCE)
async def hang() -> str:
    await asyncio.Event().wait()
    return "never"


@saga
async def hangs() -> str:
    return await hang()


@step(retry=ONCE, timeout=5)
async def hang_for_a_while() -> str:
    await asyncio.Event().wait()
    return "never"


@hang_for_a_while.undo
async def stop_hanging(nothing: str | None) -> None: ...


@saga
async def hangs_for_a_while() -> str:
    try:
        return await hang_for_a_while()
    except StepFailed:
        return "went on"


# ── 15: the real world ───────────────────────────────────────────────────────────────────────────


@step(retry=ONCE)
async def reach_out(how: str) -> str:
    if how == "socket":
        socket.create_connection(("127.0.0.1", 9))
    elif how == "program":
        subprocess.run(["true"], check=True)
    else:
        await asyncio.open_connection("127.0.0.1", 9)
    return "out"


@reach_out.undo
async def reach_in(out: str | None) -> None: ...


@saga
async def reaches_out(how: str) -> str:
    return await reach_out(how)


# ── 16: a step that says of itself that it may be called twice ───────────────────────────────────


@step
async def send_fax() -> str:
    return str(await fax.do("page"))


@send_fax.undo(retry=TWICE)
async def send_correction(page: str | None) -> None:
    await fax.undo(page)


@saga
async def faxes_twice() -> str:
    return await send_fax()


# ── 17: an undo that does something of its own, at a service that does it twice ──────────────────


@step(retry=ONCE)
async def announce() -> str:
    return str(await shop.do("announcement"))


@announce.undo(retry=TWICE)
async def recant(announcement: str | None) -> None:
    await shop.undo(announcement)
    await fax.do("correction")


@saga
async def announces() -> str:
    return await announce() + await pay_well()
