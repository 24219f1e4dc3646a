"""One item of a fan-out: a call whose arguments are written down already, and whose key does not depend on its position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amends.model.driving import Ask

if TYPE_CHECKING:
    from amends.model.call import Target


@dataclass(frozen=True, slots=True)
class Item(Ask[Any]):
    """A call of `target` with `args` (JSON). `name` and `identity` are what its idempotency key is made of."""

    target: Target[..., Any]
    args: bytes
    name: str
    identity: bytes
