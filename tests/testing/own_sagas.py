"""Sagas that cover what the ring does, each in a scenario that the fault explorer plays."""

from __future__ import annotations

import contextvars
import threading
from dataclasses import dataclass

from amends import Retry, StepFailed, now, random, receive, saga, sleep, step, uuid
from amends.stores.port import Letter
from amends.testing import Ending, Scenario, Unavailable, World, always, fake, when_compensated, when_completed
from amends.testing.explorer.scenario import Act
from amends.testing.world import Service

world = World()
hotel = world.service("hotel")
airline = world.service("airline")
bank = world.service("bank", refunds=True, final_checks=True)
post = world.service("post", cancels_by_key=False)
fax = world.service("fax", idempotent=False)
slow = world.service("slow", slow=30.0)

QUICK = Retry(attempts=2, first=1.0, jitter=0.0, on=Exception)


@dataclass(frozen=True)
class Approval:
    ok: bool


# ── steps ────────────────────────────────────────────────────────────────────────────────────────


@step
async def book_room(who: str) -> str:
    return str(await hotel.do("room"))


@book_room.undo(retry=QUICK)
async def free_room(booking: str | None) -> None:
    await hotel.undo(booking)


@step(retry=Retry(attempts=2, first=10.0, on=Unavailable))
async def book_seat(who: str) -> str:
    return str(await airline.do("seat"))


@book_seat.undo
async def free_seat(booking: str | None) -> None:
    await airline.undo(booking)


@step(retry=Retry(attempts=2, first=0.5))
async def charge(cents: int) -> str:
    return str(await bank.do("charge"))


@charge.undo(retry=QUICK)
async def refund(receipt: str) -> None:
    await bank.undo(receipt)


@charge.check
async def find_charge(cents: int) -> str | None:
    found: str | None = await bank.check()
    return found


moods: list[str] = []
"""What a step remembers from one world to the next, if nobody clears it."""


@step(retry=QUICK)
async def book_in_a_good_mood() -> str:
    moods.append("asked")
    if len(moods) > 6:
        raise ValueError("enough")
    return str(await hotel.do("room"))


@book_in_a_good_mood.undo(retry=QUICK)
async def free_in_any_mood(booking: str | None) -> None:
    await hotel.undo(booking)


@step(retry=Retry(attempts=1))
async def send(parcel: str) -> str:
    return str(await post.do("parcel"))


@send.undo(retry=QUICK)
async def fetch_back(receipt: str) -> None:
    await post.undo(receipt)


@step(idempotent=False, retry=Retry(attempts=3, first=0.1))
async def send_fax(text: str) -> str:
    return str(await fax.do("page"))


@send_fax.undo(retry=QUICK)
async def send_correction(page: str) -> None:
    await fax.undo(page)


@send_fax.check
async def find_fax(text: str) -> str | None:
    found: str | None = await fax.check()
    return found


@step(no_undo="a greeting hurts nobody")
async def greet(who: str) -> str:
    return str(await post.do("card"))


@step(on_rollback="keep")
async def note(text: str) -> str:
    return str(await hotel.do("note"))


@step(timeout=5, retry=Retry(attempts=2, first=0.1))
async def wait_for_answer() -> str:
    return str(await slow.do("work"))


@wait_for_answer.undo(retry=QUICK)
async def call_off(receipt: str | None) -> None:
    await slow.undo(receipt)


@step(no_undo="it only computes")
def price(nights: int) -> int:
    return 100 * nights


@step
def rent(car: str) -> str:
    return str(airline.sync.do("car"))


@rent.undo(retry=QUICK)
def give_back(rental: str | None) -> None:
    airline.sync.undo(rental)


@step(no_undo="never asked for its body")
async def opens(door: str) -> int | None:
    raise AssertionError("its fake stands in for it")


@opens.check
async def is_open(door: str) -> int | None:
    raise AssertionError("its fake stands in for it")


# ── sagas ────────────────────────────────────────────────────────────────────────────────────────


@saga
async def trip(who: str) -> str:
    room = await book_room(who)
    return room + await book_seat(who)


@saga
async def fails_at_the_end(who: str) -> None:
    await book_room(who)
    await charge(5)
    raise ValueError("after all")


@saga
async def pays(cents: int) -> str:
    return await charge(cents)


@saga
async def sends(parcel: str) -> str:
    sent = await send(parcel)
    await book_room("courier")
    return sent


@saga
async def faxes(text: str) -> str:
    return await send_fax(text)


@saga
async def keeps(who: str) -> None:
    await note("written down")
    await greet(who)
    await book_room(who)
    raise ValueError("and stop")


@saga
async def falls_back(who: str) -> str:
    try:
        return await book_seat(who)
    except StepFailed:
        return await book_room(who)


@saga
async def loops(times: int) -> list[str]:
    return [await book_room(f"guest {number}") for number in range(times)]


@saga
async def naps(who: str) -> str:
    room = await book_room(who)
    await sleep(2)
    await sleep(3600)
    return room


@saga
async def naps_alone() -> str:
    await sleep(1)
    return "awake"


@saga
async def asks(who: str) -> str:
    room = await book_room(who)
    said = await receive(Approval, timeout=600)
    if not said.ok:
        raise ValueError("not approved")
    return room


@saga
async def asks_twice(who: str) -> list[bool]:
    first = await receive(Approval)
    await book_room(who)
    return [first.ok, (await receive(Approval)).ok]


@saga(deadline=60)
async def hurries(who: str) -> str:
    room = await book_room(who)
    await charge(7)
    return room


@saga
async def waits(who: str) -> str:
    return await wait_for_answer()


@saga
async def draws(who: str) -> str:
    drawn = f"{random()} {uuid()} {now().isoformat()}"
    room = await book_room(drawn if random() < 2 else "")
    return f"{room} {drawn} {now().isoformat()}"


@saga
async def computes(nights: int) -> int:
    cents = await price(nights)
    await charge(cents)
    return cents


@saga
async def drives(who: str) -> str:
    car = await rent("red")
    return car + await book_room(who)


@saga
async def falsy(door: str) -> list[int | None]:
    return [await opens(door), await opens(door)]


@saga
async def tidies(who: str) -> str:
    try:
        return await book_room(who)
    finally:
        await greet(who)


# ── what is expected of them ─────────────────────────────────────────────────────────────────────


def both_are_booked(ending: Ending) -> None:
    assert [effect.service for effect in ending.standing()] == ["hotel", "airline"]


def nothing_is_booked(ending: Ending) -> None:
    assert ending.standing() == []


def one_of_the_two(ending: Ending) -> None:
    assert len(ending.standing()) == 1


def what_is_kept_is_listed(ending: Ending) -> None:
    listed = [kept.step for kept in ending.kept]
    assert all(effect.step in listed for effect in ending.standing("hotel", "note"))


@saga
async def moody() -> str:
    return await book_in_a_good_mood()


def no_room_without_approval(ending: Ending) -> None:
    assert ending.state != "completed" or ending.value == "hotel-1"


def falsy_results_are_kept(ending: Ending) -> None:
    assert ending.value == [0, 0]


def the_same_draw(ending: Ending) -> None:
    room, drawn = ending.value.split(" ", 1)
    assert room and len(drawn.split()) == 4


def fails_for_its_own_reason(ending: Ending) -> None:
    assert ending.cause is not None and ending.cause.type in ("ValueError", "Cancelled")


def acting(act: Act) -> object:
    """An operator who always does the same, as far as it fits the letter."""

    def operator(letter: Letter) -> Act | None:
        if letter.kind == "undo_failed" and act in ("happened", "did not happen"):
            return "retry"
        return act

    return operator


SCENARIOS = {
    "trip": Scenario(trip("ada"), world, expect=(when_completed(both_are_booked), when_compensated(nothing_is_booked))),
    "trip of two workers": Scenario(trip("ada"), world, workers=2),
    "fails at the end": Scenario(fails_at_the_end("ada"), world, expect=(when_compensated(nothing_is_booked),)),
    "pays": Scenario(pays(5), world),
    "sends": Scenario(sends("box"), world),
    "sends, retried": Scenario(sends("box"), world, operator=acting("retry")),
    "sends, resolved": Scenario(sends("box"), world, operator=acting("resolve")),
    "sends, abandoned": Scenario(sends("box"), world, operator=acting("abandon")),
    "sends, not happened": Scenario(
        sends("box"), world, operator=acting("did not happen"), kinds=frozenset({"request_lost", "crash_after_commit"})
    ),
    "faxes": Scenario(faxes("hello"), world, without=frozenset({"duplicate", "late_effect", "zombie_before"})),
    "keeps": Scenario(keeps("ada"), world, expect=(when_compensated(what_is_kept_is_listed),)),
    "falls back": Scenario(falls_back("ada"), world, expect=(when_completed(one_of_the_two),)),
    "loops": Scenario(loops(3), world),
    "naps": Scenario(naps("ada"), world),
    "asks": Scenario(asks("ada"), world, tell=(Approval(ok=True),), expect=(always(no_room_without_approval),)),
    "asks, refused": Scenario(asks("ada"), world, tell=(Approval(ok=False),)),
    "asks twice": Scenario(asks_twice("ada"), world, tell=(Approval(ok=True), Approval(ok=False))),
    "hurries": Scenario(hurries("ada"), world),
    "waits": Scenario(waits("ada"), world),
    "draws": Scenario(draws("ada"), world, expect=(when_completed(the_same_draw),)),
    "computes": Scenario(computes(2), world),
    "drives": Scenario(drives("ada"), world),
    "falsy": Scenario(
        falsy("front"), world, fakes=(fake(opens, hotel, returns=0),), expect=(when_completed(falsy_results_are_kept),)
    ),
    "tidies": Scenario(tidies("ada"), world),
}


@step
def charge_in_a_thread_of_its_own() -> None:
    thread = threading.Thread(target=bank.sync.do, args=("payment",))
    thread.start()
    thread.join()


@saga
async def pays_in_a_thread_of_its_own() -> None:
    await charge_in_a_thread_of_its_own()


@step(no_undo="it is about threads")
def books_in_two_threads(times: int) -> None:
    heard: set[tuple[str, str]] = set()

    def ask(service: Service) -> None:
        for _ in range(times):
            heard.add((service.name, service.sync.do("place", service.name)))

    threads = [threading.Thread(target=contextvars.copy_context().run, args=(ask, each)) for each in (hotel, airline)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {("hotel", "hotel"), ("airline", "airline")}


@saga
async def books_both(times: int) -> None:
    await books_in_two_threads(times)


@saga
async def naps_for(seconds: float) -> None:
    await sleep(seconds)


@saga
async def pays_in_its_body(when: str) -> str:
    if when == "after a step":
        await charge(5)
    return str(bank.sync.do("payment"))
