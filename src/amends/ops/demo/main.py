"""Runs the demo: starts the world and the workers, kills workers, plays the operator, and calls the auditor."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from amends import Engine
from amends.model.records import CLOSED
from amends.ops.demo.audit import audit
from amends.ops.demo.orders import Order, place_order
from amends.ops.demo.report import report

STUCK = 5
"""The order whose parcel is refused and whose refund keeps failing."""

PATIENCE = 55.0
"""Seconds after which something is wrong."""

Child = subprocess.Popen[bytes]


class Demo:
    """One performance, in a folder of its own."""

    def __init__(self, folder: Path, orders: int, kills: int, seed: int) -> None:
        self.store = folder / "orders.db"
        self.ledger = folder / "world.ledger"
        self.orders, self.kills, self.seed = orders, kills, seed
        self.killed = self.lost = 0
        self.operator = ""
        self._luck = random.Random(seed)
        self._children: list[Child] = []
        self._workers: list[Child] = []
        self._environment = dict(os.environ)
        self._console = Console(stderr=True, highlight=False)
        self._end = time.monotonic() + PATIENCE

    async def perform(self) -> None:
        """The whole story."""
        try:
            self._start_world()
            self._workers = [self._start_worker() for _ in range(2)]
            async with Engine(self.store, sagas=[place_order], drive=False) as client:
                await self._place_and_kill(client)
                await self._until(client, open_left=1)
                await self._play_operator(client)
                await self._until(client, open_left=0)
            self.lost = int(self._ask("GET", "/admin/lost")["lost"])
            await asyncio.gather(*(self._pause(worker) for worker in self._workers))
        finally:
            for child in self._children:
                if child.poll() is None:
                    child.kill()
                child.wait()
                if child.stdout is not None:
                    child.stdout.close()

    async def _place_and_kill(self, client: Engine) -> None:
        """Place the orders little by little, and kill a worker each time while it is at work on them."""
        placed = 0
        for kill in range(1, self.kills + 1):
            share = self.orders if kill == self.kills else max(STUCK + 1, self.orders * kill // self.kills)
            while placed < share:
                order = f"order-{placed}"
                await client.start(place_order(Order(order, "lamp", 1900 + placed)), id=order)
                placed += 1
            await asyncio.sleep(self._luck.uniform(0.15, 0.45))
            victim = self._luck.randrange(len(self._workers))
            self._workers[victim].send_signal(signal.SIGKILL)
            self._workers[victim].wait()
            self.killed += 1
            self._workers[victim] = self._start_worker()
            await self._say(client)

    async def _until(self, client: Engine, *, open_left: int) -> None:
        """Wait until no more than so many orders are open, and those wait for the operator."""
        while True:
            rows = await client.list(limit=self.orders)
            unsettled = [row for row in rows if row.state not in CLOSED]
            waiting = [row for row in unsettled if row.state == "needs_attention"]
            if len(unsettled) <= open_left and len(waiting) == len(unsettled):
                await self._say(client)
                return
            if time.monotonic() > self._end:
                names = ", ".join(f"{row.id} is {row.state}" for row in unsettled[:10])
                raise click.ClickException(f"after {PATIENCE:g} s, {len(unsettled)} orders are open: {names}")
            await asyncio.sleep(0.1)

    async def _play_operator(self, client: Engine) -> None:
        """End the dead letter as an operator would: mend the cause, then retry it from the command line."""
        for letter in await client.dlq.list():
            self._ask("POST", "/admin/refunds-on")
            command = ["dlq", "retry", letter.id, "--by", "demo", "--note", "refunds work again", "--store", str(self.store)]
            self.operator = f"amends dlq retry '{letter.id}' --by demo"
            self._console.print(f"operator: {self.operator}", markup=False)
            done = await asyncio.create_subprocess_exec(sys.executable, "-m", "amends", *command, stderr=subprocess.DEVNULL)
            if await done.wait() != 0:
                raise click.ClickException(f"the operator's command failed with {done.returncode}: {' '.join(command)}")

    async def _say(self, client: Engine) -> None:
        rows = await client.list(limit=self.orders)
        closed = sum(row.state in CLOSED for row in rows)
        self._console.print(f"kill -9 {self.killed}/{self.kills}   orders ended {closed}/{self.orders}", markup=False)

    def _start_world(self) -> None:
        command = ["-m", "amends.ops.demo.world", str(self.ledger), str(self.seed), f"order-{STUCK}"]
        world = self._spawn(command, stdout=subprocess.PIPE)
        assert world.stdout is not None
        self._environment["AMENDS_DEMO_PORT"] = world.stdout.readline().decode().strip()

    def _start_worker(self) -> Child:
        return self._spawn(["-m", "amends.ops.demo.worker", str(self.store)])

    def _spawn(self, command: list[str], stdout: int | None = None) -> Child:
        child = subprocess.Popen([sys.executable, *command], env=self._environment, start_new_session=True, stdout=stdout)
        self._children.append(child)
        return child

    async def _pause(self, worker: Child) -> None:
        worker.terminate()
        await asyncio.to_thread(worker.wait)

    def _ask(self, method: str, path: str) -> Any:
        url = f"http://127.0.0.1:{self._environment['AMENDS_DEMO_PORT']}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5) as response:
            return json.loads(response.read())


def run_demo(*, orders: int, kills: int, seed: int | None, keep: str | None, as_json: bool) -> int:
    """Perform the demo, and return its exit code: 0 when the audit finds nothing wrong."""
    if orders <= STUCK or kills < 1:
        raise click.BadParameter(f"the demo wants more than {STUCK} orders and at least one kill.")
    folder = _folder(Path(keep) if keep else Path("amends-demo"))
    demo = Demo(folder, orders, kills, random.randrange(10**6) if seed is None else seed)
    began = time.monotonic()
    asyncio.run(demo.perform())
    found = audit(demo.store, demo.ledger, orders)
    report(demo, found, time.monotonic() - began, as_json=as_json)
    return 1 if found.wrong else 0


def _folder(wanted: Path) -> Path:
    """A new folder: nothing that is there is ever overwritten."""
    folder, number = wanted, 1
    while folder.exists():
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    folder.mkdir(parents=True)
    return folder
