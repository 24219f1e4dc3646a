"""Splits an exhaustive search over processes of this machine."""

from __future__ import annotations

import multiprocessing
import pickle
import traceback
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from amends.testing.explorer.search import Tally, exhaustive

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from multiprocessing.connection import Connection

    from amends.testing.explorer.elsewhere import Sheet
    from amends.testing.explorer.path import Deviations
    from amends.testing.explorer.player import Player
    from amends.testing.explorer.search import Progress

Answer: TypeAlias = "tuple[Tally, Deviations | None, Iterable[Sheet]]"
"""What a child has seen, the smallest world that breaks a rule, and the journals that it gathered."""


def split(player: Player, *, faults: int, budget: int, processes: int, progress: Progress) -> Tally:
    """The same as `exhaustive`, by as many forks of this process; the smallest of what they find is found."""
    share = budget // processes
    with _children(lambda shard, out: _search(player, faults, share, shard, out), processes) as pipes:
        tally = exhaustive(player, faults=faults, budget=share, shard=(1, processes), progress=progress)
        found = [_received(pipe) for pipe in pipes]
    for other, deviations, sheets in found:
        if faults == 1:  # else this process has played all worlds with one fault itself
            player.witness.take(sheets)
        if deviations is not None:
            other.found = player.follow(deviations)
        tally.merge(other)
    return tally


@contextmanager
def _children(search: Callable[[tuple[int, int], Connection], None], processes: int) -> Generator[list[Connection]]:
    """Forks that search all shards but the first, and the pipes that they answer on; what fails here ends them, too."""
    context = multiprocessing.get_context("fork")
    pipes, children = [], []
    try:
        for number in range(2, processes + 1):
            ours, theirs = context.Pipe(duplex=False)
            pipes.append(ours)
            child = context.Process(target=search, args=((number, processes), theirs))
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


def _search(player: Player, faults: int, budget: int, shard: tuple[int, int], out: Connection) -> None:
    try:
        tally = exhaustive(player, faults=faults, budget=budget, shard=shard, progress=lambda _: None)
    except Exception as error:  # whatever it is, it is raised where the exploration was asked for
        out.send(_portable(error))
    else:
        out.send((replace(tally, found=None), tally.found and tally.found.deviations, player.witness.sheets))
    out.close()


def _portable(error: Exception) -> Exception:
    """The error, if it comes through a pipe as it is, or its traceback."""
    try:
        if str(pickle.loads(pickle.dumps(error))) == str(error):  # noqa: S301 (bytes of our own)
            return error
    except Exception:  # errors of users need not be made for it
        pass
    return RuntimeError("".join(traceback.format_exception(error)))
