"""The saga of the demo: an order is reserved, paid, shipped and confirmed, or nothing of it stays."""

from __future__ import annotations

import http.client
import json
import os
from dataclasses import dataclass
from typing import Any

from amends import Retry, current, saga, step

QUICK = Retry(attempts=6, first=0.05, factor=2.0, most=1.0, on=Exception)
LOST = Retry(attempts=6, first=0.05, factor=2.0, most=1.0)


class Refused(Exception):
    """The world said no: a definite answer."""


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


def post(op: str, order: str) -> str:
    """Ask the world for something, under the idempotency key of the call that is running."""
    status, answer = _talk("POST", f"/{op}", {"order": order})
    if status != 200:
        raise Refused(answer.get("refused", status))
    return str(answer["id"])


def find() -> str | None:
    """Ask the world what it did under the key of the step that is in doubt."""
    status, answer = _talk("GET", f"/find/{current().key}")
    return str(answer["id"]) if status == 200 else None


def _talk(method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["AMENDS_DEMO_PORT"]), timeout=5)
    try:
        connection.request(method, path, json.dumps(body), {"Idempotency-Key": current().key})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@step(retry=LOST)
def reserve(order: str, sku: str) -> str:
    """Put goods aside."""
    return post("reserve", order)


@reserve.undo(retry=QUICK)
def release(hold: str) -> None:
    """Put them back."""
    post("release", current().forward.args["order"])


@reserve.check
def find_hold(order: str, sku: str) -> str | None:
    """Were they put aside?"""
    return find()


@step(retry=LOST, timeout=10)
def charge(order: str, cents: int) -> str:
    """Take the money."""
    return post("charge", order)


@charge.undo(retry=Retry(attempts=4, first=0.1, on=Exception))
def refund(payment: str) -> None:
    """Give the money back."""
    post("refund", current().forward.args["order"])


@charge.check
def find_charge(order: str, cents: int) -> str | None:
    """Was the money taken?"""
    return find()


@step(retry=LOST)
def ship(order: str) -> str:
    """Hand the parcel to the carrier."""
    return post("ship", order)


@ship.undo(retry=QUICK)
def unship(parcel: str) -> None:
    """Call the parcel back."""
    post("unship", current().forward.args["order"])


@ship.check
def find_parcel(order: str) -> str | None:
    """Does the carrier have it?"""
    return find()


@step(retry=LOST)
def confirm(order: str) -> str:
    """Tell the customer."""
    return post("confirm", order)


@confirm.undo(retry=QUICK)
def retract(mail: str) -> None:
    """Tell the customer otherwise."""
    post("retract", current().forward.args["order"])


@confirm.check
def find_mail(order: str) -> str | None:
    """Was the customer told?"""
    return find()


@saga
async def place_order(order: Order) -> Receipt:
    """An order, from the shelf to the door."""
    await reserve(order.id, order.sku)
    payment = await charge(order.id, order.cents)
    parcel = await ship(order.id)
    await confirm(order.id)
    return Receipt(payment, parcel)
