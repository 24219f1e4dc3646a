"""Steps and sagas that are not usable as written, which shows only once their whole module is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from amends import Retry, all_of, each, saga, step

if TYPE_CHECKING:
    from decimal import Decimal

called: list[str] = []


class Plain:
    """A class that says nothing about what its values are made of."""


@dataclass
class Measured:
    weight: Fraction


@dataclass
class Perhaps:
    weight: Fraction | None = None


@step(retry=Retry(attempts=1))
async def pay(cents: int) -> str:
    called.append("pay")
    raise ConnectionError("lost")


@pay.undo
async def unpay(paid: Decimal | None) -> None: ...


@step
async def pay_nobody(cents: int) -> Decimal:  # type: ignore[return]
    called.append("pay_nobody")


@step
async def look_up(cents: int) -> IPv4Address:
    called.append("look_up")
    return IPv4Address(cents)


@step
async def weigh(cents: int) -> Measured:
    called.append("weigh")
    return Measured(Fraction(1))


@step
async def walk(items: Iterable[int]) -> None:
    called.append("walk")


@step
async def plain(cents: int) -> tuple[Plain, int]:
    called.append("plain")
    return Plain(), 1


@step
async def call(then: Callable[[], int]) -> None:
    called.append("call")


@step
async def perhaps(cents: int) -> Perhaps:
    called.append("perhaps")
    return Perhaps()


@step
async def said_no(cents: int) -> str:
    called.append("said_no")
    return ""


@said_no.check
async def was_said(cents: int) -> bool:
    return False


@step
async def says_no(cents: int) -> str:
    called.append("says_no")
    return ""


@says_no.check
async def is_said(cents: int) -> bool | None:
    return False


@step
async def unannotated(cents: int):  # type: ignore[no-untyped-def]
    called.append("unannotated")


@unannotated.check
async def find_unannotated(cents: int) -> Any:
    return False


@step
async def nothing(cents: int) -> None:
    called.append("nothing")


@nothing.check
async def find_nothing(cents: int) -> None: ...


@step
async def allowed(cents: int) -> bool | None:
    called.append("allowed")
    return False


@allowed.check
async def find_allowed(cents: int) -> bool | None:
    return None


@step
async def later(cents: int) -> str:
    called.append("later")
    return ""


@later.undo
async def unlater(done: Later | None) -> None: ...


@later.check
async def find_later(cents: Decimal) -> str | None:
    return None


Later = str


@saga
async def asks(name: str) -> None:
    await STEPS[name](1)


@saga
async def joins(name: str) -> None:
    await all_of(said_ok(1), STEPS[name](1))


@saga
async def maps(name: str) -> None:
    await each(STEPS[name], [1], limit=1)


@step
async def said_ok(cents: int) -> None:
    called.append("said_ok")


@saga
async def unknown(amount: Decimal) -> str:
    return ""


@saga
async def taken_back(amount: int) -> str:
    return ""


@taken_back.undo
async def take_back(amount: Decimal | None) -> None: ...


@saga
async def unkept() -> Plain:
    return Plain()


STEPS: dict[str, Any] = {
    target.name: target
    for target in (
        pay,
        pay_nobody,
        look_up,
        weigh,
        walk,
        plain,
        call,
        perhaps,
        said_no,
        says_no,
        unannotated,
        nothing,
        allowed,
        later,
    )
}
