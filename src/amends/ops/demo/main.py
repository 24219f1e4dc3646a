"""Runs the demo: the cast performs, an operator ends the dead letter, and the auditor has the last word."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from pathlib import Path

import click

from amends import Engine
from amends.model.records import CLOSED
from amends.ops.demo.audit import audit
from amends.ops.demo.cast import Cast
from amends.ops.demo.fates import FEWEST_ORDERS, order_name
from amends.ops.demo.orders import Order, place_order
from amends.ops.demo.report import Progress, report
from amends.stores.port import Run

PATIENCE = 90.0
"""Seconds after which something is wrong; half a minute is usual, on a slow machine."""

WORKERS = 2

ORDERS_PER_KILL = 3
"""At least, so that there are orders in hand at each kill."""


class Demo:
    """One performance, in a folder of its own."""

    def __init__(self, folder: Path, orders: int, kills: int, seed: int) -> None:
        self.store = folder / "orders.db"
        self.ledger = folder / "world.ledger"
        self.orders, self.kills, self.seed = orders, kills, seed
        self.placed = self.killed = 0
        self.mishaps: dict[str, int] = {}
        self._luck = random.Random(seed)
        self._cast = Cast(folder)
        self._end = time.monotonic() + PATIENCE

    async def perform(self) -> None:
        """The whole story."""
        with self._cast, Progress(self.orders, self.kills) as self._progress:
            self._cast.start_world(self.ledger, self.seed, self.orders)
            for _ in range(WORKERS):
                self._cast.start_worker(self.store)
            async with Engine(self.store, sagas=[place_order], drive=False) as client:
                await self._place_and_kill(client)
                await self._settle(client, waiting=1)
                await self._play_operator(client)
                await self._settle(client, waiting=0)
            self.mishaps = await self._cast.ask_world("GET", "/admin/counts")
            await self._cast.pause_workers()

    async def _place_and_kill(self, client: Engine) -> None:
        """Place the orders little by little, and kill a worker each time while it is at work on them."""
        for left in range(self.kills, 0, -1):
            await self._place(client, self._portion(left))
            await self._kill_at_work(client, left)
            self.killed += 1
            self._show(await client.list(limit=self.orders))
        await self._place(client, self.orders - self.placed)

    def _portion(self, left: int) -> int:
        """How many orders to place for the next of the kills that are left, with as many in reserve."""
        return (self.orders - self.placed) // (left + 1)

    async def _place(self, client: Engine, count: int) -> None:
        for _ in range(min(count, self.orders - self.placed)):
            self.placed += 1
            order = Order(order_name(self.placed), "lamp", 1900 + self.placed)
            await client.start(place_order(order), id=order.id)

    async def _kill_at_work(self, client: Engine, left: int) -> None:
        """At a random moment, kill a random one of the workers that have orders in hand; `left` kills are to come."""
        await asyncio.sleep(self._luck.uniform(0.05, 0.5))
        while True:
            rows = await client.list(limit=self.orders)
            busy = {(row.owner or "").split(":")[1] for row in rows if row.owner}
            victims = [worker for worker in self._cast.workers if str(worker.pid) in busy]
            if victims:
                self._cast.kill(self._luck.choice(victims))
                self._cast.start_worker(self.store)
                return
            if all(row.state in CLOSED or row.state == "needs_attention" for row in rows):
                if self.placed == self.orders:
                    raise click.ClickException(f"all orders ended before kill {self.killed + 1}: give it more orders.")
                await self._place(client, max(1, self._portion(left)))  # they were too quick
            self._check_patience(rows)
            await asyncio.sleep(0.02)

    async def _settle(self, client: Engine, *, waiting: int) -> None:
        """Wait until all orders are closed, but for so many that wait for the operator."""
        while True:
            rows = await client.list(limit=self.orders)
            self._show(rows)
            unsettled = [row.state for row in rows if row.state not in CLOSED]
            if unsettled == ["needs_attention"] * waiting:
                return
            self._check_patience(rows)
            await asyncio.sleep(0.1)

    async def _play_operator(self, client: Engine) -> None:
        """End the dead letter as an operator would: mend the cause, then retry it from the command line."""
        for letter in await client.dlq.list():
            await self._cast.ask_world("POST", "/admin/refunds-on")
            command = ["dlq", "retry", letter.id, "--by", "demo", "--note", "refunds work again", "--store", str(self.store)]
            self._progress.say(f"operator: amends dlq retry '{letter.id}' --by demo")
            await self._cast.command(*command)

    def _show(self, rows: list[Run]) -> None:
        self._progress.show(sum(row.state in CLOSED for row in rows), self.killed)

    def _check_patience(self, rows: list[Run]) -> None:
        if time.monotonic() < self._end:
            return
        unsettled = [f"{row.id} is {row.state}" for row in rows if row.state not in CLOSED]
        raise click.ClickException(
            f"after {PATIENCE:g} s, {len(unsettled)} orders are open: {', '.join(unsettled[:10])}.\n"
            f"See `amends why ORDER --store {self.store}`, and {self._cast.log}."
        )


def run_demo(*, orders: int, kills: int, seed: int | None, keep: str | None, as_json: bool) -> int:
    """Perform the demo, and return its exit code: 0 when the audit finds nothing wrong."""
    if orders < FEWEST_ORDERS or not 1 <= kills <= orders // ORDERS_PER_KILL:
        raise click.BadParameter(
            f"the demo wants at least {FEWEST_ORDERS} orders, at least one kill, and {ORDERS_PER_KILL} orders for each kill."
        )
    demo = Demo(new_folder(Path(keep or "amends-demo")), orders, kills, random.randrange(10**6) if seed is None else seed)
    began = time.monotonic()
    try:
        asyncio.run(demo.perform())
    except KeyboardInterrupt:
        click.echo(f"interrupted; what there is, is in {demo.store.parent}", err=True)
        sys.exit(130)
    found = audit(demo.store, demo.ledger, orders)
    report(demo, found, time.monotonic() - began, as_json=as_json)
    return 1 if found.wrong else 0


def new_folder(wanted: Path) -> Path:
    """A new folder, with a number when the name is taken: nothing that is there is ever overwritten."""
    folder, number = wanted, 1
    while True:
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
            folder = wanted.with_name(f"{wanted.name}-{number}")
        except OSError as error:
            raise click.ClickException(f"the folder {folder} cannot be made: {error.strerror}.") from error
        else:
            return folder
