"""Splits a search over processes of this machine."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from amends.testing.explorer.path import Deviations
    from amends.testing.explorer.player import Player
    from amends.testing.explorer.tally import Progress, Tally

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
    context, board, (number, shards) = multiprocessing.get_context("fork"), Board(processes, faults), shard
    mine, *others = [(number + shards * process, shards * processes) for process in range(processes)]
    children = []
    for process, theirs in enumerate(others, start=1):
        ours, end = context.Pipe(duplex=False)
        child = context.Process(
            target=_search, args=(player, search, budget // processes, theirs, board.writes(process), end)
        )
        child.start()
        end.close()
        children.append((child, ours))
    write = board.writes(0)

    def tell(tally: Tally) -> None:
        write(tally)
        progress(board.all_told(tally))

    tally = search(budget=budget // processes, shard=mine, progress=tell)
    for child, ours in children:
        while not ours.poll(OFTEN):
            progress(board.all_told(tally))
        other, deviations, sheaf = ours.recv()
        child.join()
        player.witness.sheaf.merge(sheaf)
        if deviations is not None:
            other.found = player.follow(deviations)
        tally.merge(other)
    return tally


def _search(player: Player, search: Search, budget: int, shard: tuple[int, int], progress: Progress, out: Connection) -> None:
    tally = search(budget=budget, shard=shard, progress=progress)
    found: Deviations | None = None if tally.found is None else tally.found.deviations
    out.send((replace(tally, found=None), found, player.witness.sheaf))
    out.close()
