"""Sagas that never end, each with its repaired twin."""

from __future__ import annotations

from amends import Retry, StepFailed, saga, sleep, step
from amends.testing import World

world = World()
shop = world.service("shop")


@step(retry=Retry(attempts=1))
async def order_lamp() -> str:
    return str(await shop.do("lamp"))


@order_lamp.undo
async def cancel_lamp(order: str | None) -> None:
    await shop.undo(order)


@step(no_undo="it only looks")
async def look_whether_it_came(time: int) -> str:
    return str(await shop.do("look"))


@saga
async def waits_until_it_can_be_had() -> str:
    while True:
        try:
            return await order_lamp()
        except StepFailed:
            while True:
                await sleep(60)


@saga
async def waits_for_a_while() -> str:
    try:
        return await order_lamp()
    except StepFailed:
        for _ in range(3):
            await sleep(60)
        raise


@saga
async def looks_again_and_again() -> None:
    number = 0
    while await look_whether_it_came(number) != "it came":
        number += 1


@saga
async def looks_three_times() -> None:
    for number in range(3):
        if await look_whether_it_came(number) == "it came":
            break
