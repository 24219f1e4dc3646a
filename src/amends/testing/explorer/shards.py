"""Splits a search over processes of this machine."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import traceback
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from multiprocessing.connection import Connection

    from amends.testing.explorer.path import Deviations
    from amends.testing.explorer.player import Player
    from amends.testing.explorer.sheaf import Sheaf
    from amends.testing.explorer.tally import Progress, Tally

Answer: TypeAlias = "tuple[Tally, Deviations | None, Sheaf]"
"""What a child has seen, the smallest world that breaks a rule, and the journals that it gathered."""

OFTEN = 0.1
"""Seconds between two looks at how far the others are."""


class Search(Protocol):
    """A search of which shards can be played; the budget is that of one shard."""

    def __call__(self, *, budget: int, shard: tuple[int, int], progress: Progress) -> Tally:
        """Play one shard."""
        ...


class Board:
    """Where each process writes, in memory that all share, how many worlds it has played: by the number of their faults."""

    def __init__(self, processes: int, faults: int) -> None:
        self._rows = [multiprocessing.RawArray("Q", faults + 1) for _ in range(processes)]

    def writes(self, process: int) -> Progress:
        """The progress of one process."""
        row = self._rows[process]

        def write(tally: Tally) -> None:
            for faults, worlds in tally.levels.items():
                row[faults] = worlds

        return write

    def all_told(self, tally: Tally) -> Tally:
        """What one process has seen, with the worlds of all."""
        levels = Counter({faults: sum(column) for faults, column in enumerate(zip(*self._rows, strict=True)) if any(column)})
        return replace(tally, levels=levels, worlds=levels.total())


def split(
    player: Player,
    search: Search,
    *,
    faults: int,
    budget: int,
    shard: tuple[int, int],
    processes: int,
    progress: Progress,
) -> Tally:
    """The same as one search, by as many forks of this process; the smallest of what they find is found.

    What one process would play of a shard, `processes` of them deal out among themselves once more.
    """
    processes = min(processes, budget)
    board, (number, shards) = Board(processes, faults), shard
    shares = [budget // processes + (process < budget % processes) for process in range(processes)]
    parts = [(number + shards * process, shards * processes) for process in range(processes)]
    write = board.writes(0)

    def child(process: int, out: Connection) -> None:
        _search(player, search, shares[process], parts[process], board.writes(process), out)

    def tell(tally: Tally) -> None:
        write(tally)
        progress(board.all_told(tally))

    with _children(child, processes) as pipes:
        tally = search(budget=shares[0], shard=parts[0], progress=tell)
        found = []
        for pipe in pipes:
            while not pipe.poll(OFTEN):
                progress(board.all_told(tally))
            found.append(_received(pipe))
    for other, deviations, sheaf in found:
        player.witness.sheaf.merge(sheaf)
        if deviations is not None:
            other.found = player.follow(deviations)
        tally.merge(other)
    return tally


@contextmanager
def _children(search: Callable[[int, Connection], None], processes: int) -> Generator[list[Connection]]:
    """Forks that search all parts but the first, and the pipes that they answer on; what fails here ends them, too."""
    context = multiprocessing.get_context("fork")
    pipes, children = [], []
    try:
        for process in range(1, processes):
            ours, theirs = context.Pipe(duplex=False)
            pipes.append(ours)
            child = context.Process(target=search, args=(process, theirs))
            child.start()
            children.append(child)
            theirs.close()
        yield pipes
        for child in children:
            child.join()
    finally:
        for child in children:
            child.kill()
            child.join()
        for pipe in pipes:
            pipe.close()


def _received(pipe: Connection) -> Answer:
    """What a child has found; raises what it failed with."""
    try:
        answer: Answer | Exception = pipe.recv()
    except EOFError as gone:
        raise ChildProcessError(
            "a process of the exploration has died; with processes=1 there is none besides this."
        ) from gone
    if isinstance(answer, Exception):
        raise answer
    return answer


def _search(player: Player, search: Search, budget: int, shard: tuple[int, int], progress: Progress, out: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes, and the parent ends this one
    try:
        tally = search(budget=budget, shard=shard, progress=progress)
    except Exception as error:  # whatever it is, it is raised where the exploration was asked for
        out.send(_portable(error))
    else:
        out.send((replace(tally, found=None), tally.found and tally.found.deviations, player.witness.sheaf))
    out.close()


def _portable(error: Exception) -> Exception:
    """The error, if it comes through a pipe as it is, or its traceback."""
    try:
        if str(pickle.loads(pickle.dumps(error))) == str(error):  # noqa: S301 (bytes of our own)
            return error
    except Exception:  # errors of users need not be made for it
        pass
    return RuntimeError("".join(traceback.format_exception(error)))
