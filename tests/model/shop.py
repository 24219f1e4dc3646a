"""A small shop: the sagas that the tests of the machine and the engine run."""

from __future__ import annotations

from dataclasses import dataclass

from amends import Retry, StepFailed, current, now, random, receive, saga, sleep, step, uuid


class Declined(Exception):
    """The card was declined."""


@dataclass(frozen=True)
class Charge:
    id: str
    cents: int


@dataclass(frozen=True)
class Approval:
    by: str
    ok: bool


log: list[str] = []


@step
async def reserve(sku: str, qty: int) -> str:
    log.append(f"reserve {sku}")
    return f"hold-{sku}-{qty}"


@reserve.undo
async def release(hold: str) -> None:
    log.append(f"release {hold}")


@step(retry=Retry(attempts=3, first=1.0, jitter=0.0))
async def charge(card: str, cents: int) -> Charge:
    log.append(f"charge {card} {current().key}")
    if card == "bad":
        raise Declined("no money")
    return Charge(f"ch-{card}", cents)


@charge.undo(retry=Retry(attempts=2, first=1.0, jitter=0.0, on=Exception))
async def refund(paid: Charge) -> None:
    log.append(f"refund {paid.id}")


@step(retry=Retry(attempts=2, first=1.0, jitter=0.0))
async def book(room: str) -> str:
    log.append(f"book {room}")
    return f"b-{room}"


@book.undo
async def unbook(booking: str | None) -> None:
    log.append(f"unbook {booking} {current().forward.key}")


@step(retry=Retry(attempts=2, first=1.0, jitter=0.0))
async def wire(cents: int) -> str:
    log.append("wire")
    return f"w-{cents}"


@wire.undo
async def unwire(wired: str) -> None:
    log.append(f"unwire {wired}")


@wire.check
async def find_wire(cents: int) -> str | None:
    log.append("find_wire")
    return None


@step(idempotent=False, retry=Retry(attempts=3, jitter=0.0))
async def fax(text: str) -> str:
    return text


@fax.undo
async def unfax(sent: str) -> None: ...


@fax.check
async def find_fax(text: str) -> str | None:
    return None


@step(retry=Retry(attempts=1))
async def lodge(room: str) -> str:
    return room


@lodge.undo
async def unlodge(booking: str | None) -> None: ...


@lodge.check
async def find_lodging(room: str) -> str | None:
    return None


@saga
async def lodges(room: str) -> str:
    return await lodge(room)


@saga
async def faxes(text: str) -> str:
    return await fax(text)


@step(no_undo="nothing to undo")
def look() -> int:
    return 0


@step(on_rollback="keep")
async def note(text: str) -> str:
    return text


@step
async def bare() -> None:
    log.append("bare")


@saga
async def order(sku: str, card: str) -> str:
    hold = await reserve(sku, 1)
    paid = await charge(card, 100)
    await look()
    return f"{hold}/{paid.id}"


@saga
async def three(last: str) -> str:
    await reserve("a", 1)
    paid = await charge("ok", 5)
    await book("r")
    if last == "raise":
        raise ValueError("after all")
    return paid.id


@saga
async def rooms(name: str) -> str:
    try:
        return await book(name)
    except StepFailed as failed:
        assert failed.step == "book"
        return await book("other")


@saga
async def wires(cents: int) -> str:
    return await wire(cents)


@saga
async def keeps() -> None:
    await note("kept")
    await bare()
    await look()
    raise ValueError("stop")


@saga(deadline=100)
async def patient() -> list[str]:
    await reserve("p", 1)
    await sleep(10)
    said = await receive(Approval, timeout=20)
    return [said.by, str(now().timestamp()), str(random()), str(uuid())]


@saga
async def falsy(times: int) -> list[int]:
    return [await look() for _ in range(times)]


@saga
async def reserves(times: int) -> None:
    for number in range(times):
        await reserve("a", number)
    raise ValueError("enough")


@saga(deadline=60)
async def bounded() -> str:
    await reserve("b", 1)
    return await receive(str)


@saga
async def tidies() -> None:
    try:
        await reserve("t", 1)
        await sleep(50)
    finally:
        log.append("tidied")


@saga
async def tells_the_error() -> list[str]:
    try:
        await reserve("a", 1)
    except StepFailed as failed:
        return [failed.step, failed.error_type, failed.error_message, str(failed.error_data)]
    return []
