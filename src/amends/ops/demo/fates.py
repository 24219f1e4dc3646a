"""What will happen to which order: decided by the seed alone, so that a performance can be repeated."""

from __future__ import annotations

import random
from enum import Enum


class Fate(Enum):
    """A misfortune that the world has in store for an order."""

    STUCK = "the parcel is refused, and the refund fails until the operator mends it"
    DECLINED = "the card is declined"
    REFUSED = "the parcel is refused"
    UNWELCOME = "the confirmation is refused, when all else is done"
    SILENT_BANK = "the bank takes the money, and its answers never arrive"
    SILENT_CARRIER = "the carrier takes the parcel, and its answers never arrive"
    DEAF_CARRIER = "the carrier never hears of the parcel"


SHARES = {
    Fate.DECLINED: 0.08,
    Fate.REFUSED: 0.06,
    Fate.UNWELCOME: 0.03,
    Fate.SILENT_BANK: 0.02,
    Fate.SILENT_CARRIER: 0.02,
    Fate.DEAF_CARRIER: 0.02,
}
"""How many of the orders meet each fate, one at least; exactly one is stuck, and the rest are lucky."""

FEWEST_ORDERS = 20
"""So that each fate is met, and most orders are lucky all the same."""


def order_name(number: int) -> str:
    """The id of an order, in the journal and in the world."""
    return f"order-{number}"


def draw_fates(seed: int, orders: int) -> dict[str, Fate]:
    """The fate of each order that has one."""
    names = [order_name(number) for number in range(1, orders + 1)]
    random.Random(seed).shuffle(names)
    drawn = {names.pop(): Fate.STUCK}
    for fate, share in SHARES.items():
        drawn.update({names.pop(): fate for _ in range(max(1, round(share * orders)))})
    return drawn
