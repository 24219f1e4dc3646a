"""Fan-out on the engine: every item once, at most so many at a time, whatever breaks and whenever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from amends import DefinitionError, each, saga
from amends.errors import TooManyFailures
from amends.model import chunk, fanout
from amends.model.records import ChildWanted
from amends.stores.memory import MemoryStore, Shelf
from tests.engine import family
from tests.engine.family import book, cut_off, go_on, many, many_trips, to_the_end, trip

order: list[str] = []


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    family.fresh()
    for module in (chunk, fanout):
        monkeypatch.setattr(module, "MOST_ITEMS", 3)


def net() -> list[str]:
    return sorted(name for name, times in family.done.items() for _ in range(times))


NAMES = [f"n{number}" for number in range(10)]


@saga
async def from_a_list() -> list[str]:
    return list((await each(book, list(order), limit=2)).ok)


@saga
async def keyed() -> list[str]:
    return list((await each(book, list(order), limit=1, item_key=lambda name: name[:2])).ok)


def pages() -> Iterator[list[str]]:
    yield NAMES[:4]
    yield NAMES[4:]


@saga
async def from_pages() -> int:
    return len((await each(book, pages, limit=4)).ok)


@saga
async def from_steps() -> str:
    async def names() -> AsyncIterator[str]:
        for name in NAMES[:5]:
            yield await book(f"get {name}")

    return await each(book, names(), limit=2).reduce(lambda told, name: told + name[-1], "")


@saga
async def redriven() -> list[list[str]]:
    first = await each(book, NAMES[:4], limit=2, tolerate=2)
    failed = [item.item for item in first.failed]
    family.broken.clear()
    second = await first.redrive()
    return [list(first.ok), failed, list(second.ok)]


@saga
async def refused() -> list[Any]:
    try:
        await each(book, NAMES, limit=1, tolerate=1)
    except TooManyFailures as error:
        return [len(error.partial.failed), [str(each.error_message) for each in error.exceptions]]  # type: ignore[attr-defined]
    return []


@saga
async def leaves_early() -> list[str]:
    seen: list[str] = []
    async for name in each(book, NAMES, limit=1):
        seen.append(name)
        if name == "n3":
            break
    return seen


SAGAS = [from_a_list, keyed, from_pages, from_steps, redriven, refused, leaves_early]


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(family, "SAGAS", [*family.SAGAS, *SAGAS])


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7])
def test_every_item_is_done_once_in_order_and_never_more_than_the_limit_at_once(limit: int) -> None:
    outcome, states = asyncio.run(to_the_end(many(NAMES, limit, 0)))
    assert outcome.value == NAMES and net() == NAMES and family.flying[1] <= limit
    assert set(states.values()) == {"completed"} and len(states) == 5


def test_nothing_comes_of_nothing() -> None:
    assert asyncio.run(to_the_end(many([], 2, 0)))[0].value == []


def test_equal_items_are_each_done() -> None:
    asyncio.run(to_the_end(many(["a", "a", "b", "a", "a"], 2, 0)))
    assert family.done["a"] == 4 and family.done["b"] == 1


@pytest.mark.parametrize(("fail", "state"), [(1, "completed"), (2, "compensated")])
def test_tolerance_is_exact(fail: int, state: str) -> None:
    family.broken.update(NAMES[1 : 1 + fail])
    outcome, _ = asyncio.run(to_the_end(many(NAMES, 1, 1)))
    assert outcome.state == state and net() == ([name for name in NAMES if name != "n1"] if fail == 1 else [])


def test_a_fan_out_that_failed_says_how_and_leaves_nothing() -> None:
    family.broken.update({"n4", "n7"})
    outcome, _ = asyncio.run(to_the_end(refused()))
    assert outcome.value == [2, ["n4", "n7"]] and net() == []


def test_failures_are_redriven_under_the_same_keys() -> None:
    family.broken.update({"n1", "n2"})
    outcome, _ = asyncio.run(to_the_end(redriven()))
    assert outcome.value == [["n0", "n3"], ["n1", "n2"], ["n1", "n2"]] and net() == NAMES[:4]


@pytest.mark.parametrize("fails", [None, "n8"])
def test_a_crash_after_any_commit_does_no_item_again(fails: str | None) -> None:
    async def main() -> int:
        for commits in range(1, 300):
            family.fresh()
            if fails:
                family.broken.add(fails)
            shelf = Shelf()
            if not await cut_off(shelf, commits, many(NAMES, 4, 0)):
                return commits
            outcome = await go_on(shelf)
            assert (outcome.state, outcome.value) == (("compensated", None) if fails else ("completed", NAMES))
            assert net() == ([] if fails else NAMES) and all(len(keys) <= 1 for keys in family.keys.values()), commits
        return 0

    assert asyncio.run(main()) > 8


def test_sagas_are_items_too_and_are_undone_in_their_order() -> None:
    family.broken.add("after")
    outcome, _ = asyncio.run(to_the_end(many_trips(["a", "b", "c", "d"])))
    undone = [line for line in family.log if line.startswith("undo")]
    assert outcome.state == "compensated" and net() == [] and len(undone) == 8
    assert all(undone.index(f"undo {name}2") < undone.index(f"undo {name}1") for name in "abcd")


def test_pages_are_read_as_they_are_needed() -> None:
    assert asyncio.run(to_the_end(from_pages()))[0].value == 10 and net() == NAMES


def test_items_may_come_from_steps() -> None:
    outcome, _ = asyncio.run(to_the_end(from_steps()))
    assert outcome.value == "01234"


def test_who_leaves_early_starts_nothing_more() -> None:
    outcome, _ = asyncio.run(to_the_end(leaves_early()))
    assert outcome.value == NAMES[:4] and net() == NAMES[:6]


async def changed(call: Any, before: list[str], after: list[str], commits: int) -> Any:
    order[:] = before
    shelf = Shelf()
    assert await cut_off(shelf, commits, call)
    order[:] = after
    async with family.engine(MemoryStore(shelf)) as engine, asyncio.timeout(20):
        return await engine.get("x").outcome(), [letter.error for letter in await engine.dlq.list()]


@pytest.mark.parametrize("commits", [2, 4, 6])
def test_items_in_another_order_after_a_crash_are_done_once(commits: int) -> None:
    outcome, _ = asyncio.run(changed(from_a_list(), NAMES, [*reversed(NAMES)], commits))
    assert outcome.state == "completed" and sorted(outcome.value) == NAMES and net() == NAMES


def test_the_journal_says_how_many_items_there_are_and_a_list_that_has_grown_parks_nothing() -> None:
    async def check() -> tuple[str, list[int]]:
        order[:] = NAMES[:6]
        shelf = Shelf()
        assert await cut_off(shelf, 4, from_a_list())
        order.append("more")
        state = (await go_on(shelf)).state
        async with family.engine(MemoryStore(shelf)) as opened:
            wanted = [record for turn in await opened.history("x") for record in turn if isinstance(record, ChildWanted)]
        return state, [chunk.read_fingerprint(record.args).of for record in wanted]

    assert asyncio.run(check()) == ("completed", [6, 6, 7])


def test_an_item_that_is_gone_after_a_crash_parks_the_run() -> None:
    outcome, letters = asyncio.run(changed(from_a_list(), NAMES, NAMES[1:], 4))
    assert outcome.state == "needs_attention" and "not among the items any more" in letters[0]


def test_an_item_with_another_content_parks_the_run_and_is_named() -> None:
    outcome, letters = asyncio.run(changed(keyed(), ["n0a", "n1a"], ["n0a", "n1b"], 2))
    assert outcome.state == "needs_attention" and "item 'n1' of each(book)" in letters[0] and "n1b" in letters[0]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: each(book, [], limit=0), "limit=0"),
        (lambda: each(book, [], limit=1, tolerate=-1), "tolerate=-1"),
        (lambda: each(book, [], limit=1, tolerate=1.5), "tolerate=1.5"),
        (lambda: each(book, [], limit=1, tolerate=True), "tolerate=True"),
        (lambda: each(book, [], limit=1, losers="lose"), "losers='lose'"),  # type: ignore[arg-type]
        (lambda: each(book, 5, limit=1), "takes items as"),  # type: ignore[arg-type]
        (lambda: each(book.using(timeout=1), [], limit=1), "a step or a saga itself"),
        (lambda: each(trip("a"), [], limit=1), "a step or a saga itself"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_meant_is_refused_at_the_call(make: Any, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        make()
