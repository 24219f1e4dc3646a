"""The saga of the demo: an order is reserved, paid, shipped and confirmed, or nothing of it stays.

It is written the way a user would write it; what the world is like is described in `world.py`.
"""

from __future__ import annotations

import http.client
import json
import os
from dataclasses import dataclass
from typing import Any

from amends import Retry, current, saga, step


class Refused(Exception):
    """The world said no: a definite answer."""


class Busy(Exception):
    """The world said not now: nothing was done, and it may be asked again."""


QUICK = Retry(attempts=4, first=0.05, most=1.0, on=Busy)
STUBBORN = Retry(attempts=10, first=0.05, most=1.0, on=Exception)


@dataclass(frozen=True)
class Order:
    """What a customer wants."""

    id: str
    sku: str
    cents: int


@dataclass(frozen=True)
class Receipt:
    """What a customer gets."""

    payment: str
    parcel: str


@step(retry=QUICK)
def reserve(order: str, sku: str) -> str:
    """Put goods aside."""
    return ask("reserve", order=order, sku=sku)


@reserve.undo(retry=STUBBORN)
def release(hold: str | None) -> None:
    """Put them back; also when nobody knows whether they were put aside."""
    take_back("release")


@step(retry=QUICK, timeout=10)
def charge(order: str, cents: int) -> str:
    """Take the money."""
    return ask("charge", order=order, cents=cents)


@charge.undo(retry=Retry(attempts=4, first=0.1, on=Exception))
def refund(payment: str) -> None:
    """Give the money back."""
    take_back("refund")


@charge.check
def find_charge(order: str, cents: int) -> str | None:
    """Was the money taken? Asked when the bank's answers were lost."""
    status, answer = talk("GET", f"/find/{current().key}")
    return str(answer["id"]) if status == 200 else None


@step(retry=QUICK)
def ship(order: str) -> str:
    """Hand the parcel to the carrier."""
    return ask("ship", order=order)


@ship.undo(retry=STUBBORN)
def unship(parcel: str | None) -> None:
    """Call the parcel back; also when nobody knows whether the carrier has it."""
    take_back("unship")


@step(retry=QUICK)
def confirm(order: str) -> str:
    """Tell the customer."""
    return ask("confirm", order=order)


@confirm.undo(retry=STUBBORN)
def retract(mail: str | None) -> None:
    """Tell the customer otherwise."""
    take_back("retract")


@saga
async def place_order(order: Order) -> Receipt:
    """An order, from the shelf to the door."""
    await reserve(order.id, order.sku)
    payment = await charge(order.id, order.cents)
    parcel = await ship(order.id)
    await confirm(order.id)
    return Receipt(payment, parcel)


def ask(op: str, **details: Any) -> str:
    """Ask the world for something, under the idempotency key of the call that is running."""
    status, answer = talk("POST", f"/{op}", details)
    if status == 503:
        raise Busy(answer["refused"])
    if status != 200:
        raise Refused(answer["refused"])
    return str(answer["id"])


def take_back(op: str) -> None:
    """Ask the world to undo what it did under the key of the step, or never to do it."""
    forward = current().forward
    ask(op, order=forward.args["order"], undoes=forward.key)


def talk(method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    """One request to the world and its answer; a lost connection is an `OSError`, which amends takes for what it is."""
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["AMENDS_DEMO_PORT"]), timeout=5)
    try:
        connection.request(method, path, json.dumps(body), {"Idempotency-Key": current().key})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()
