"""Sagas for the engine's tests: steps that hang, die, refuse to be cancelled, or talk to a file."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from amends import Retry, current, receive, saga, sleep, step
from amends.errors import EngineClosed

gate = threading.Event()
here = threading.Event()
seen: list[Any] = []


def ledger(line: str) -> None:
    """One effect in the outside world: one O_APPEND write."""
    file = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line} {current().key} {os.getpid()}\n".encode())
    os.close(file)


@step(retry=Retry(attempts=3, first=0.0))
async def first(name: str) -> str:
    ledger("first")
    return f"f-{name}"


@first.undo(retry=Retry(attempts=3, first=0.0, on=Exception))
async def unfirst(made: str) -> None:
    ledger("unfirst")


@step(retry=Retry(attempts=3, first=0.0))
async def second(made: str) -> str:
    ledger("second")
    return f"s-{made}"


@second.undo(retry=Retry(attempts=3, first=0.0, on=Exception))
async def unsecond(made: str) -> None:
    ledger("unsecond")


@step(no_undo="ends it")
async def refuse() -> None:
    raise ValueError("no")


@saga
async def forth(name: str) -> str:
    return await second(await first(name))


@saga
async def forth_and_back(name: str) -> str:
    made = await second(await first(name))
    await refuse()
    return made


@step(no_undo="waits")
def wait_in_thread() -> str:
    here.set()
    gate.wait(20)
    return "late"


@step(no_undo="waits", timeout=0.05, retry=Retry(attempts=1))
def hang_in_thread() -> str:
    gate.wait(20)
    return "late"


@step(no_undo="stubborn")
async def stubborn() -> str:
    here.set()
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        seen.append("cancelled")
    return "stayed"


@step(no_undo="exits")
async def exits() -> None:
    sys.exit(3)


class Odd(BaseException):
    """Neither an Exception nor one of Python's own."""


@step(no_undo="odd", retry=Retry(attempts=1))
async def odd() -> None:
    raise Odd("odd")


@step(no_undo="no value")
def generates() -> Iterator[int] | None:
    return iter([1])


@step
async def opaque() -> Any:
    seen.append("opaque")
    return object()


@saga
async def one(which: str) -> str:
    steps = {
        "thread": wait_in_thread,
        "hang": hang_in_thread,
        "stubborn": stubborn,
        "exits": exits,
        "odd": odd,
        "generates": generates,
        "opaque": opaque,
    }
    return str(await steps[which]())


@saga
async def naps(seconds: float) -> str:
    await sleep(seconds)
    return "woke"


@saga
async def listens() -> list[str]:
    return [await receive(str), await receive(str)]


@saga
async def foreign(what: str) -> None:
    if what == "sleep":
        await asyncio.sleep(0.1)
    elif what == "sleep 0":
        await asyncio.sleep(0)
    elif what == "timeout":
        async with asyncio.timeout(1):
            await refuse()
    elif what == "gather":
        await asyncio.gather(refuse(), refuse())
    elif what == "group":
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(1))
    elif what == "task":
        await asyncio.create_task(asyncio.sleep(1))
    elif what == "thread":
        await asyncio.to_thread(Path.cwd)


@saga
async def forgets() -> None:
    refuse()


@step(no_undo="blocks")
async def blocks() -> None:
    threading.Event().wait(0.8)


@saga
async def blocked() -> str:
    await blocks()
    return "through"


stop_here = False
"""Whether the held step stops its own process, as SIGSTOP from outside would."""


@step(no_undo="only for its ledger")
async def hold() -> str:
    ledger("hold")
    if stop_here:
        os.kill(os.getpid(), signal.SIGSTOP)
    return str(os.getpid())


@saga
async def held() -> str:
    return await hold()


@step
async def slow() -> str:
    here.set()
    await asyncio.sleep(60)
    return "done"


@slow.undo
async def unslow(done: str) -> None:
    seen.append(f"undone {done}")


@slow.check
async def find_slow() -> str | None:
    seen.append(current().forward.in_doubt)
    return "found"


@saga
async def interrupted() -> str:
    return await slow()


durable: Callable[[], set[Any]] = set
"""What the journal holds at the moment when a witness is called."""


@step
async def witness() -> str:
    seen.append(("witness", durable()))
    return "seen"


@witness.undo
async def undo_witness(result: str) -> None:
    seen.append(("undo_witness", durable()))


@step(retry=Retry(attempts=2, first=0.0))
async def doubtful() -> str:
    seen.append(("doubtful", durable()))
    raise TimeoutError


@doubtful.undo
async def undo_doubtful(result: str) -> None: ...


@doubtful.check
async def find_doubtful() -> str | None:
    seen.append(("find_doubtful", durable()))
    return None


@saga
async def looks_back() -> None:
    await witness()
    await doubtful()


@step(no_undo="it only looks")
async def looks() -> None:
    assert current().step == "looks"


@saga
async def asks_who_is_called() -> list[str]:
    """After a step, whose call has ended, as before it."""
    told = []
    for _ in range(2):
        try:
            told.append(current().step)
        except EngineClosed:
            told.append("nobody")
        await looks()
    return told
