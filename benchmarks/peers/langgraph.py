"""LangGraph: a graph whose state is kept after each node by its SQLite checkpointer.

As it ships ("async"), a checkpoint is written while the next node runs already; the variant "sync" waits for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from benchmarks import work
from benchmarks.peer import Order


class Left(TypedDict):
    """How many steps are left to do, and what the last one gave."""

    left: int
    value: str


class Taken(TypedDict):
    """What has been reserved, and so is to be released when a later node fails."""

    reserved: list[int]


async def noop(state: Left) -> Left:
    return {"left": state["left"] - 1, "value": work.noop(state["left"])}


async def reserve(state: Taken) -> Taken:
    work.noop(0)
    return {"reserved": [*state["reserved"], len(state["reserved"])]}


async def decline(state: Taken) -> Command[Any]:
    try:
        work.fail()
    except work.Declined:
        return Command(goto="release")
    return Command(goto=END)


async def release(state: Taken) -> Taken:
    work.undo()
    return {"reserved": state["reserved"][:-1]}


def many(saver: AsyncSqliteSaver) -> Any:
    graph = StateGraph(Left)
    graph.add_node("noop", noop)
    graph.add_edge(START, "noop")
    graph.add_conditional_edges("noop", lambda state: "noop" if state["left"] else END)
    return graph.compile(checkpointer=saver)


def undone(saver: AsyncSqliteSaver) -> Any:
    graph = StateGraph(Taken)
    graph.add_node("reserve", reserve)
    graph.add_node("decline", decline, destinations=("release", END))
    graph.add_node("release", release)
    graph.add_edge(START, "reserve")
    graph.add_conditional_edges("reserve", lambda state: "decline" if len(state["reserved"]) == work.STEPS - 1 else "reserve")
    graph.add_conditional_edges("release", lambda state: "release" if state["reserved"] else END)
    return graph.compile(checkpointer=saver)


class Peer:
    def __init__(self, saver: AsyncSqliteSaver, durability: str) -> None:
        self._many, self._undone, self._durability = many(saver), undone(saver), durability

    async def many(self, run: str, steps: int) -> None:
        await self._invoke(self._many, run, {"left": steps, "value": ""}, steps)

    async def undone(self, run: str) -> None:
        await self._invoke(self._undone, run, {"reserved": []}, 2 * work.STEPS)

    async def _invoke(self, graph: Any, run: str, state: Any, steps: int) -> None:
        config = {"configurable": {"thread_id": run}, "recursion_limit": steps + 5}
        await graph.ainvoke(state, config, durability=self._durability)


@asynccontextmanager
async def opened(order: Order) -> AsyncIterator[Peer]:
    async with AsyncSqliteSaver.from_conn_string(str(order.place / "checkpoints.db")) as saver:
        yield Peer(saver, order.variant or "async")
