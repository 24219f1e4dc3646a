"""The works, written once for all engines: each gives the figures of one measured piece."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator

from benchmarks import gauge, work
from benchmarks.peer import Figures, Order, Peer

WARM = 3
"""Runs before the clock starts."""
MINE = f"{os.getpid()}"
"""Begins the names of runs: pieces of one round share a server."""


async def runs(peer: Peer, order: Order) -> Figures:
    """W1: runs of ten steps, so many at once; new ones begin until the time is over, and all that began are waited for."""
    return await _measured(lambda run: peer.many(run, work.STEPS), order, undos=0)


async def undos(peer: Peer, order: Order) -> Figures:
    """W4: runs whose tenth step fails, so that nine are undone: nineteen steps in all."""
    return await _measured(peer.undone, order, undos=work.STEPS - 1)


async def long(peer: Peer, order: Order) -> Figures:
    """W2: one run of many steps; and how much slower its last tenth is than its first."""
    await _warm(lambda run: peer.many(run, work.STEPS))
    before, began = gauge.read(order.server), time.perf_counter()
    await peer.many(f"{MINE}-long", order.steps)
    taken = time.perf_counter() - began
    _expect(order.steps, 0)
    gaps = [after - before for before, after in zip(work.ticks, work.ticks[1:], strict=False)]
    tenth = max(1, len(gaps) // 10)
    found = _figures(order.steps, taken, gauge.read(order.server) - before, order)
    return {**found, "growth": sum(gaps[-tenth:]) / sum(gaps[:tenth])}


async def latency(peer: Peer, order: Order) -> Figures:
    """From one step to the next within a lone run, and from asking for a run of one step to having its answer."""
    await _warm(lambda run: peer.many(run, work.STEPS))
    end, number = time.perf_counter() + order.seconds / 2, 0
    while time.perf_counter() < end:
        await peer.many(f"{MINE}-lone-{number}", work.STEPS)
        number += 1
    _expect(number * work.STEPS, 0)
    steps = [work.ticks[at] - work.ticks[at - 1] for at in range(1, len(work.ticks)) if at % work.STEPS]
    work.forget()
    end, answers = time.perf_counter() + order.seconds / 2, list[float]()
    while time.perf_counter() < end:
        asked = time.perf_counter()
        await peer.many(f"{MINE}-one-{len(answers)}", 1)
        answers.append(time.perf_counter() - asked)
    _expect(len(answers), 0)
    return {
        f"{name}_p{at}": _quantile(values, at) for name, values in (("step", steps), ("answer", answers)) for at in (50, 99)
    }


async def _measured(perform: Callable[[str], Awaitable[None]], order: Order, *, undos: int) -> Figures:
    await _warm(perform)
    before, began = gauge.read(order.server), time.perf_counter()
    names = _names(began + order.seconds, order.at_once)
    started = 0

    async def caller() -> None:
        nonlocal started
        for name in names:
            started += 1
            await perform(name)

    await asyncio.gather(*(caller() for _ in range(order.at_once)))
    taken = time.perf_counter() - began
    _expect(started * work.STEPS, started * undos)
    return _figures(started * (work.STEPS + undos), taken, gauge.read(order.server) - before, order)


def _names(end: float, at_least: int) -> Iterator[str]:
    number = 0
    while number < at_least or time.perf_counter() < end:
        yield f"{MINE}-run-{number}"
        number += 1


async def _warm(perform: Callable[[str], Awaitable[None]]) -> None:
    for number in range(WARM):
        await perform(f"{MINE}-warm-{number}")
    work.forget()


def _expect(steps: int, undos: int) -> None:
    """An engine that did something else than it was asked for is not measured."""
    if (len(work.ticks), work.undone) != (steps, undos):
        raise AssertionError(f"{len(work.ticks)} steps and {work.undone} undos were performed; wanted: {steps} and {undos}")


def _figures(steps: int, taken: float, used: gauge.Reading, order: Order) -> Figures:
    return {
        "rate": steps / taken,
        "cpu": used.cpu * 1e6 / steps,
        "written": used.written / steps,
        "memory": gauge.memory(order.server),
        "steps": steps,
    }


def _quantile(values: list[float], percent: int) -> float:
    """In milliseconds."""
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)] * 1000
