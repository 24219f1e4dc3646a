"""The rules of fan-out, on machines that are fed by hand: the run that fans out, and one of its chunks."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from amends import DefinitionError, each, saga, step
from amends.errors import TooManyFailures
from amends.model import records as r
from amends.model.call import Call
from amends.model.chunk import Chunk, Entry, Lapse, Results, Spec
from amends.model.stream import MOST_HELD
from tests.model.worlds import World

NAMES = [f"n{number}" for number in range(2_000)]
NO = r.Failure("Declined", "no")


@step(no_undo="it only reads")
async def fetch(name: str) -> str:
    return name


@saga
async def takes(count: int, tolerate: int, pauses: bool) -> list[list[str]]:
    """What came one by one; and if too much failed, what failed, and what was not started."""
    seen: list[str] = []
    try:
        async for name in each(fetch, NAMES[:count], limit=4, tolerate=tolerate):
            seen.append(name)
            if pauses:
                await fetch(f"seen {name}")
    except TooManyFailures as error:
        partial: Any = error.partial
        return [seen, [failed.item for failed in partial.failed], list(partial.not_started)]
    return [seen]


@saga
async def tolerates_one() -> list[str]:
    return list((await each(fetch, NAMES[:6], limit=3, tolerate=1)).ok)


@saga
async def tolerates(count: int, tolerate: int) -> int:
    return (await each(fetch, NAMES[:count], limit=4, tolerate=tolerate)).done


@saga
async def redrives_twice() -> list[str]:
    partial = await each(fetch, NAMES[:2], limit=1, tolerate=1)
    again = partial.redrive()
    try:
        await partial.redrive()
    except DefinitionError as refused:
        return [str(refused), *(await again).ok]
    return []


def started(call: Any) -> World:
    world = World(call)
    world.start()
    return world


def wanted(decisions: list[r.Decision]) -> list[int]:
    """The positions of the chunks that are begun."""
    return [decision.pos for decision in decisions if isinstance(decision, r.ChildWanted)]


def spec(world: World, pos: int) -> Spec:
    """The input of a chunk that is at work."""
    return msgspec.json.decode(world.machine.effects[pos].args, type=Spec)


def item(entry: Entry) -> str:
    name: str = msgspec.json.decode(entry.args)["name"]
    return name


def items(world: World, pos: int) -> list[str]:
    return [item(entry) for entry in spec(world, pos).entries]


def ended(world: World, pos: int, *, failed: int = 0, done: int | None = None) -> list[r.Decision]:
    """A chunk came to its end: its first items failed, so many or all others are done, and the rest is handed back."""
    entries = spec(world, pos).entries
    end = len(entries) if done is None else failed + done
    values = [r.Raw(msgspec.json.encode(item(entry))) for entry in entries[failed:end]]
    lapses = [Lapse(entry, NO, 1) for entry in entries[:failed]]
    results = Results(len(values), failed, [], entries[end:], values, lapses)
    return world.tell(r.ChildDone(world.now, pos, r.Raw(msgspec.json.encode(results)), ()))


def value(world: World) -> Any:
    assert world.machine.returned is not None
    return msgspec.json.decode(world.machine.returned)


def test_values_come_in_order_though_a_chunk_hands_a_part_of_its_items_back() -> None:
    world = started(takes(15, 3, False))
    one, two, three, four = wanted(world.turns[0])
    assert items(world, three) == NAMES[3:7] and spec(world, three).share == 1
    ended(world, one)
    ended(world, two)
    (again,) = wanted(ended(world, three, failed=1, done=1))
    assert items(world, again) == NAMES[5:7], "what was handed back is begun again"
    ended(world, four)
    ended(world, again)
    assert value(world) == [NAMES[:3] + NAMES[4:15]]


def test_what_was_handed_back_and_not_begun_again_is_listed_once() -> None:
    world = started(takes(15, 3, True))
    one, two, three, four = wanted(world.turns[0])
    ended(world, one)  # and from here on the body does something else
    assert wanted(ended(world, three, failed=1, done=1)) == []
    ended(world, two, failed=2)
    ended(world, four, failed=1, done=0)
    world.done(next(pos for pos, each in world.machine.effects.items() if each.step is fetch), "")
    assert value(world) == [["n0"], ["n1", "n2", "n3", "n7"], NAMES[5:7] + NAMES[8:15]]


def test_failures_among_what_was_taken_are_told_when_too_much_failed() -> None:
    world = started(takes(15, 1, False))
    one, two, *_ = wanted(world.turns[0])
    ended(world, one, failed=1)
    ended(world, two, failed=1)
    seen, failed, _ = value(world)
    assert seen == [] and failed == ["n0", "n1"]


def test_no_more_parts_are_held_than_may_be_while_the_first_is_at_work() -> None:
    world = started(takes(600, 0, False))
    first, *others = wanted(world.turns[0])
    begun = 1 + len(others)
    while others:
        more = wanted(ended(world, others.pop(0)))
        begun, others = begun + len(more), others + more
    assert begun == MOST_HELD
    assert wanted(ended(world, first)), "once they are taken there is room again"


@pytest.mark.parametrize("tolerate", [3, 10, 99])
def test_chunks_that_are_at_work_share_what_may_fail_and_exceed_it_by_one_at_most(tolerate: int) -> None:
    world = started(tolerates(2_000, tolerate))
    shares = [spec(world, pos).share for pos in wanted(world.turns[0])]
    assert len(shares) == 4 and sum(shares) == tolerate + 1
    assert max(shares) - min(shares) <= 1


def test_a_chunk_is_over_at_the_first_failure_too_many() -> None:
    owner = started(tolerates_one())
    (pos,) = wanted(owner.turns[0])
    assert (spec(owner, pos).most, spec(owner, pos).limit) == (1, 3)
    world = started(Call(Chunk("tolerates_one"), (spec(owner, pos),), {}))
    assert [type(each) for each in world.broke(2)] == [r.StepWanted], "one is tolerated"
    assert [type(each) for each in world.broke(4)] == [r.JoinDecided, r.StopWanted, r.StopWanted, r.Returned]
    results = msgspec.json.decode(world.machine.returned or b"", type=Results)
    assert [item(lapse.entry) for lapse in results.failed] == ["n0", "n2"]
    assert [item(entry) for entry in results.lost] == ["n1", "n3"], "nobody waits for what cannot help any more"
    assert [item(entry) for entry in results.rest] == ["n4", "n5"]


def test_what_failed_is_redriven_once() -> None:
    world = started(redrives_twice())
    (pos,) = wanted(world.turns[0])
    (again,) = wanted(ended(world, pos, failed=1))
    ended(world, again)
    refused, *found = value(world)
    assert "redrive() was called before" in refused and found == ["n0"]
