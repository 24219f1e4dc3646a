"""Who plays in the demo, each in an operating system's process of its own: the world, the workers, and the operator."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Self

import click

Child = subprocess.Popen[bytes]

GOODBYE = 10.0
"""Seconds that a worker gets to pause."""


class Cast:
    """The children of the demo. When the `with` ends, however it does, none of them is left."""

    def __init__(self, folder: Path) -> None:
        self.workers: list[Child] = []
        self.log = folder / "workers.log"
        self._children: list[Child] = []
        self._environment = dict(os.environ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            self.kill(child)

    def start_world(self, ledger: Path, seed: int, orders: int) -> None:
        """Start the outside world, and learn where it can be reached."""
        world = self._spawn("amends.ops.demo.world", str(ledger), str(seed), str(orders))
        assert world.stdout is not None
        self._environment["AMENDS_DEMO_PORT"] = world.stdout.readline().decode().strip()

    def start_worker(self, store: Path) -> None:
        """Start one more worker."""
        self.workers.append(self._spawn("amends.ops.demo.worker", str(store)))

    def kill(self, child: Child) -> None:
        """`kill -9`, by its id."""
        if child in self.workers:
            self.workers.remove(child)
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()

    async def pause_workers(self) -> None:
        """Ask the workers to pause, and wait until they have."""
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            try:
                code = await asyncio.to_thread(worker.wait, GOODBYE)
            except subprocess.TimeoutExpired as error:
                raise click.ClickException(f"a worker did not pause within {GOODBYE:g} s; see {self.log}") from error
            if code != 0:
                raise click.ClickException(f"a worker ended with {code} when it was asked to pause; see {self.log}")

    async def command(self, *words: str) -> None:
        """Run the real command line, as an operator would."""
        operator = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "amends", *words), stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
        )
        _, said = await operator.communicate()
        if operator.returncode != 0:
            raise click.ClickException(f"`amends {' '.join(words)}` ended with {operator.returncode}: {said.decode()}")

    async def ask_world(self, method: str, path: str) -> Any:
        """Look at the world, or turn its switch."""
        url = f"http://127.0.0.1:{self._environment['AMENDS_DEMO_PORT']}{path}"
        return await asyncio.to_thread(_fetch, urllib.request.Request(url, method=method))

    def _spawn(self, module: str, *words: str) -> Child:
        """A child in a group of its own, so that Ctrl-C is for the demo alone; its standard input is its lifeline."""
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._children.append(child)
        return child


def _fetch(request: urllib.request.Request) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the world is here, whatever proxy is set
    with opener.open(request, timeout=5) as response:
        return json.loads(response.read())
