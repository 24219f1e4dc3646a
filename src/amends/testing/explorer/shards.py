"""Splits an exhaustive search over processes of this machine."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from typing import TYPE_CHECKING

from amends.testing.explorer.search import Tally, exhaustive

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from amends.testing.explorer.path import Deviations
    from amends.testing.explorer.player import Player
    from amends.testing.explorer.search import Progress


def split(player: Player, *, faults: int, budget: int, processes: int, progress: Progress) -> Tally:
    """The same as `exhaustive`, by as many forks of this process; the smallest of what they find is found."""
    context = multiprocessing.get_context("fork")
    children = []
    for number in range(2, processes + 1):
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_search, args=(player, faults, budget // processes, (number, processes), theirs))
        child.start()
        theirs.close()
        children.append((child, ours))
    tally = exhaustive(player, faults=faults, budget=budget // processes, shard=(1, processes), progress=progress)
    for child, ours in children:
        other, deviations, sheets = ours.recv()
        child.join()
        if faults == 1:  # else this process has played all worlds with one fault itself
            player.witness.take(sheets)
        if deviations is not None:
            other.found = player.follow(deviations)
        tally.merge(other)
    return tally


def _search(player: Player, faults: int, budget: int, shard: tuple[int, int], out: Connection) -> None:
    tally = exhaustive(player, faults=faults, budget=budget, shard=shard, progress=lambda _: None)
    found: Deviations | None = None if tally.found is None else tally.found.deviations
    out.send((replace(tally, found=None), found, player.witness.sheets))
    out.close()
