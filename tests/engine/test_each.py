"""Fan-out on the engine: every item once, at most so many at a time, whatever breaks and whenever."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from amends import DefinitionError, Retry, all_of, each, saga, step, within
from amends.errors import TooManyFailures
from amends.model import chunk
from amends.model.branch import Branch
from amends.model.call import Call
from amends.model.child import Child
from amends.model.records import NULL, ChildWanted
from amends.stores.memory import MemoryStore, Shelf
from tests.engine import family
from tests.engine.family import book, cut_off, go_on, many, many_trips, to_the_end, trip

order: list[str] = []
asked: list[str] = []


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    family.fresh()
    monkeypatch.setattr(chunk, "MOST_ITEMS", 3)


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
async def folded() -> str:
    return await each(book, NAMES, limit=2).reduce(lambda told, name: told + name[-1], "")


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


LAST: dict[str, Any] = {}


@saga
async def tolerant(count: int, limit: int, tolerate: int | float, known: bool, losers: str) -> list[Any]:
    """Ends with the names that are done, the number of failures, and the names that were not started."""
    names = [f"n{number}" for number in range(count)]
    items: Any = names if known else iter(names)
    try:
        partial = await each(book, items, limit=limit, tolerate=tolerate, losers=losers)  # type: ignore[arg-type]
    except TooManyFailures as error:
        partial = error.partial  # type: ignore[assignment]
    LAST["counts"] = partial.counts
    return [list(partial.ok), len(partial.failed), list(partial.lost), list(partial.not_started)]


@saga
async def resumed() -> list[Any]:
    try:
        await each(book, NAMES, limit=2, losers="keep")
    except TooManyFailures as error:
        family.broken.clear()
        partial: Any = error.partial
        rest = await partial.redrive()
        return [list(partial.ok), list(rest.ok), list(partial.lost)]
    return []


@saga
async def folded_and_caught() -> list[Any]:
    try:
        await each(book, NAMES, limit=2).reduce(lambda told, name: told + name[-1], "")
    except TooManyFailures as error:
        return [len(error.partial.failed), list(error.partial.counts)]  # type: ignore[attr-defined]
    return []


held: list[int] = []


def look_around(total: int, name: str) -> int:
    """Count the chunks whose items, and those whose results, are still in memory."""
    everything = gc.get_objects()
    asks = [each.ask for each in everything if isinstance(each, Branch) and isinstance(each.ask, Call)]
    results = [each for each in everything if isinstance(each, Child) and each.result not in (None, NULL)]
    held.append(max(sum(isinstance(ask.target, chunk.Chunk) for ask in asks), len(results)))
    return total + 1


@saga
async def watched() -> int:
    return await each(book, [f"n{index}" for index in range(40)], limit=2).reduce(look_around, 0)


@step(retry=family.ONCE)
async def last_first(name: str) -> str:
    """The first item is done long after the others."""
    for _ in range(1000 if name == "n0" else 0):
        await asyncio.sleep(0)
    return await book(name)


@last_first.undo(retry=family.ONCE)
async def undo_last_first(name: str) -> None:
    family.done[name] -= 1


@saga
async def leaves_with_more_at_hand() -> str:
    async for name in each(last_first, NAMES, limit=4):
        return name
    return ""


@saga
async def leaves_and_goes_on() -> str:
    async for _ in each(book, [f"n{index}" for index in range(40)], limit=4):
        break
    for number in range(9):
        await book(f"other {number}")
    return ""


@saga
async def counted(number: int, limit: int) -> list[int]:
    seen = 0
    async for _ in each(book, [f"n{index}" for index in range(number)], limit=limit):
        seen += 1
    names = iter([f"m{index}" for index in range(number)])
    return [seen, await each(book, names, limit=limit).reduce(lambda total, _: total + 1, 0)]


@saga
async def leaves_early_many_at_once() -> str:
    async for name in each(book, NAMES, limit=4):
        return name
    return ""


@saga
async def takes_its_time(names: list[str]) -> list[str]:
    seen: list[str] = []
    async for name in each(book, names, limit=2):
        seen.append(await book(f"seen {name}"))
    return seen


@saga
async def nested(names: list[str]) -> list[str]:
    return [name for found in (await each(many_letters, names, limit=2)).ok for name in found]


@saga
async def many_letters(name: str) -> list[str]:
    return list((await each(book, [f"{name}{letter}" for letter in "abcde"], limit=2)).ok)


@saga
async def beside_others() -> list[Any]:
    found, other = await all_of(each(book, NAMES[:5], limit=2), book("other"))
    quick = await within(60, each(book, NAMES[5:], limit=2), losers="undo")
    return [list(found.ok), other, list(quick.ok[0].ok)]


@saga
async def from_steps_awaited(fails: bool) -> list[Any]:
    async def names() -> AsyncIterator[str]:
        for name in NAMES:
            yield (await book(f"get {name}"))[4:]

    partial = await each(book, names(), limit=4, tolerate=1)
    family.broken.clear()
    again = await partial.redrive()
    return [list(partial.ok), [item.item for item in partial.failed], list(again.ok)]


SAGAS = [
    tolerant,
    resumed,
    folded_and_caught,
    leaves_early_many_at_once,
    counted,
    leaves_with_more_at_hand,
    leaves_and_goes_on,
    watched,
    takes_its_time,
    nested,
    many_letters,
    beside_others,
    from_steps_awaited,
    from_a_list,
    keyed,
    from_pages,
    from_steps,
    folded,
    redriven,
    refused,
    leaves_early,
]


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(family, "SAGAS", [*family.SAGAS, *SAGAS])


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7])
def test_every_item_is_done_once_in_order_and_never_more_than_the_limit_at_once(limit: int) -> None:
    outcome, states = asyncio.run(to_the_end(many(NAMES, limit, 0)))
    assert outcome.value == NAMES and net() == NAMES and family.flying[1] == min(limit, 4 if limit != 7 else 3)
    assert set(states.values()) == {"completed"} and len(states) >= 5


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


@pytest.mark.parametrize("limit", [1, 4, 8])
@pytest.mark.parametrize(
    ("tolerate", "known", "at"), [(10, True, 11), (0.1, True, 12), (0.1, False, 5), (10, False, 11), (0, True, 1)]
)
def test_it_stops_at_the_first_failure_too_many(tolerate: float, known: bool, at: int, limit: int) -> None:
    family.broken.update(f"n{number}" for number in range(40, 110))
    outcome, _ = asyncio.run(to_the_end(tolerant(110, limit, tolerate, known, "keep")))
    done, failed, lost, not_started = outcome.value
    assert at <= failed < at + limit, "those that were at work beside the last may fail too"
    assert LAST["counts"] == (len(done), failed, len(lost), len(not_started)) and sum(LAST["counts"]) == 110
    assert len({*done, *lost, *not_started}) == 110 - failed and "n109" in not_started


@pytest.mark.parametrize("limit", [1, 4, 8])
def test_what_is_handed_back_is_done_in_its_place(limit: int) -> None:
    family.broken.update(f"n{number}" for number in range(3, 60, 3))
    outcome, _ = asyncio.run(to_the_end(tolerant(60, limit, 19, True, "undo")))
    assert outcome.value == [[f"n{number}" for number in range(60) if number % 3 or not number], 19, [], []]


def test_a_redrive_goes_on_with_what_failed_and_what_was_not_started() -> None:
    family.broken.add("n2")
    outcome, _ = asyncio.run(to_the_end(resumed()))
    done, rest, lost = outcome.value
    assert sorted([*done, *rest, *lost]) == NAMES and "n2" in rest and len(done) < 9
    assert net() == NAMES and all(len(keys) == 1 for keys in family.keys.values())


@step(retry=Retry(attempts=1, first=0.0))
async def pay(name: str) -> str:
    asked.append(name)
    if name == "n1":
        raise TimeoutError
    if name == "n2" and asked.count(name) == 1:
        raise ValueError("no")
    return name


@pay.undo
async def pay_back(name: str) -> None: ...


@saga
async def pays() -> list[Any]:
    partial = await each(pay, NAMES[:4], limit=2, tolerate=2)
    again = await partial.redrive()
    return [sorted([each.item, each.error.in_doubt] for each in partial.failed), list(again.ok)]


def test_an_item_that_was_in_doubt_is_what_a_person_made_of_it_and_is_not_redriven() -> None:
    async def main() -> Any:
        async with family.engine(MemoryStore()) as engine:
            handle = await engine.start(pays(), id="x")
            (letter,) = (await handle.outcome()).letters
            await engine.dlq.resolve(letter, by="ann", note="paid by hand")
            while await handle.status() == "needs_attention":  # until the run has heard of it
                await asyncio.sleep(0)
            return await handle.result()

    asked.clear()
    family.SAGAS.append(pays)
    try:
        found, again = asyncio.run(main())
    finally:
        family.SAGAS.remove(pays)
    assert found == [["n1", True], ["n2", False]] and again == ["n2"]
    assert asked.count("n1") == 1 and asked.count("n2") == 2


def test_a_redrive_after_a_crash_is_the_same() -> None:
    async def main() -> int:
        for commits in range(1, 300):
            family.fresh()
            family.broken.add("n2")
            shelf = Shelf()
            if not await cut_off(shelf, commits, resumed()):
                return commits
            done, rest, lost = (await go_on(shelf)).value
            assert sorted([*done, *rest, *lost]) == NAMES == net(), commits
        return 0

    assert asyncio.run(main()) > 8


def test_a_fold_that_failed_undoes_what_it_was_given_too() -> None:
    family.broken.add("n8")
    outcome, _ = asyncio.run(to_the_end(folded_and_caught()))
    failed, counts = outcome.value
    assert failed == 1 and sum(counts) == 10 and counts[1] == 1 and net() == []


def test_who_leaves_early_gets_what_was_begun_beside_undone() -> None:
    outcome, _ = asyncio.run(to_the_end(leaves_early_many_at_once()))
    assert outcome.value == "n0" and net() == ["n0"]


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_however_many_items_there_are_a_fold_comes_to_its_end(limit: int) -> None:
    async def main() -> list[Any]:
        return [(await to_the_end(counted(number, limit)))[0].value for number in range(9)]

    assert asyncio.run(main()) == [[number, number] for number in range(9)]


def test_what_was_taken_is_not_kept_in_memory() -> None:
    held.clear()
    gc.collect()
    assert asyncio.run(to_the_end(watched()))[0].value == 40 and len(held) == 40
    assert max(held[-10:]) <= max(held[:10]), "no more is in memory at the end than at the beginning"


def test_what_was_at_hand_and_never_taken_is_undone() -> None:
    outcome, _ = asyncio.run(to_the_end(leaves_with_more_at_hand()))
    assert outcome.value == "n0" and net() == ["n0"] and "n2" in family.log


def test_no_more_is_begun_while_the_body_does_something_else() -> None:
    outcome, _ = asyncio.run(to_the_end(leaves_and_goes_on()))
    begun = [line for line in family.log if line.startswith("n")]
    assert outcome.state == "completed" and len(begun) < 20, begun
    assert [name for name in net() if name.startswith("n")] == ["n0"]


def test_values_come_in_order_while_the_body_does_something_else() -> None:
    names = [f"n{number}" for number in range(20)]
    outcome, _ = asyncio.run(to_the_end(takes_its_time(names)))
    assert outcome.value == [f"seen {name}" for name in names] and sum(family.done.values()) == 40
    assert family.log.index("seen n0") < family.log.index("n6"), "the first values come before the last items are begun"


def test_a_crash_of_one_that_takes_its_time_does_nothing_again() -> None:
    async def main() -> int:
        for commits in range(1, 300):
            family.fresh()
            shelf = Shelf()
            if not await cut_off(shelf, commits, takes_its_time(NAMES[:6])):
                return commits
            outcome = await go_on(shelf)
            assert outcome.value == [f"seen {name}" for name in NAMES[:6]] and sum(family.done.values()) == 12, commits
        return 0

    assert asyncio.run(main()) > 8


def test_a_fan_out_in_a_fan_out() -> None:
    outcome, _ = asyncio.run(to_the_end(nested(["x", "y", "z"])))
    assert outcome.value == net() == [f"{name}{letter}" for name in "xyz" for letter in "abcde"]


def test_a_fan_out_in_a_fan_out_is_undone_as_one() -> None:
    family.broken.add("zc")
    outcome, _ = asyncio.run(to_the_end(nested(["x", "y", "z"])))
    assert outcome.state == "compensated" and net() == []


def test_a_fan_out_is_a_branch_too() -> None:
    outcome, _ = asyncio.run(to_the_end(beside_others()))
    assert outcome.value == [NAMES[:5], "other", NAMES[5:]]


def test_items_may_come_from_steps_and_be_redriven() -> None:
    family.broken.add("n3")
    outcome, _ = asyncio.run(to_the_end(from_steps_awaited(True)))
    assert outcome.value == [[name for name in NAMES if name != "n3"], ["n3"], ["n3"]]
    assert family.flying[1] <= 4


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


def test_an_event_loop_never_hears_of_a_body_that_was_left_within_a_generator() -> None:
    async def main() -> list[Any]:
        heard: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
        assert (await to_the_end(folded()))[0].value == "0123456789"
        await asyncio.get_running_loop().shutdown_asyncgens()
        await asyncio.sleep(0)
        return heard

    assert asyncio.run(main()) == []


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

    assert asyncio.run(check()) == ("completed", [6, 6, 7, 7])


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
