"""What every store must keep: one check for each promise of the port. Run them all over your own store.

A check takes a function that makes a *pair* of stores, not yet opened, on the same empty data, and a function that makes
the first of them look dead to the second.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from msgspec.structs import replace

from amends.errors import EngineClosed, JournalDamaged, LeaseLost, LetterSettled, RunClosed, UnknownRun
from amends.stores.port import Act, Change, Letter, LetterQuery, Run, RunQuery, Store, Turn, chain, seal

Pair: TypeAlias = tuple[Store, Store]
Check: TypeAlias = Callable[[Pair, Callable[[Store], Awaitable[None]]], Awaitable[None]]

LEASE = 0.4


def checks() -> list[Check]:
    """All checks, in the order in which they are written."""
    module = sys.modules[__name__]
    return [found for name, found in inspect.getmembers(module) if name.startswith("check_")]


def _row(name: str = "run-1", *, owner: str | None = "one") -> Run:
    return Run(name, "saga", b"{}", b"seed", 1.0, owner=owner, epoch=int(owner is not None), next_at=None if owner else 1.0)


def _turn(run: Run, seq: int, before: bytes, body: bytes = b"[]") -> Turn:
    return Turn(seq, body, chain(before, body))


def _first(run: Run) -> Turn:
    return _turn(run, 1, seal(run))


async def _opened(pair: Pair) -> Pair:
    await pair[0].open("one", lease=LEASE)
    await pair[1].open("two", lease=LEASE)
    return pair


async def _refused(kind: type[Exception], wanted: Awaitable[object]) -> Exception:
    try:
        await wanted
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


async def check_both_see_one_identity(pair: Pair, _: object) -> None:
    """Opening returns a name that belongs to the data."""
    assert await pair[0].open("one", lease=LEASE) == await pair[1].open("two", lease=LEASE)


async def check_a_run_is_created_once(pair: Pair, _: object) -> None:
    """The second creation writes nothing, and returns what is there."""
    one, two = await _opened(pair)
    run = _row()
    assert await one.create(run, _first(run)) == run
    other = replace(run, seed=b"other", input=b"[]", owner="two")
    assert (await two.create(other, None)).seed == b"seed"
    assert await two.run("run-1") == run and len(await two.journal("run-1")) == 1
    assert await two.run("none") is None


async def check_turns_are_kept_in_order(pair: Pair, _: object) -> None:
    """Commits that are not waited for are written in order."""
    one, two = await _opened(pair)
    run, first = _row(), _first(_row())
    await one.create(run, first)
    turns = [first]
    waiting: list[asyncio.Future[None]] = []
    for seq in range(2, 30):
        turns.append(_turn(run, seq, turns[-1].sum, b"[%d]" % seq))
        waiting.append(one.commit(Change(run.id, 1, turns[-1], "running", touched=False)))
    await asyncio.gather(*waiting)
    assert await two.journal(run.id) == turns


async def check_a_gap_is_never_written(pair: Pair, _: object) -> None:
    """A turn whose predecessor is missing is refused."""
    one, _two = await _opened(pair)
    run = _row()
    await one.create(run, _first(run))
    await _refused(LeaseLost, one.commit(Change(run.id, 1, _turn(run, 3, b"x"), "running")))
    assert len(await one.journal(run.id)) == 1


async def check_an_old_epoch_writes_nothing(pair: Pair, die: Callable[[Store], Awaitable[None]]) -> None:
    """Who was taken over can neither append, nor change the row, nor leave letters, nor take mail."""
    one, two = await _opened(pair)
    run, first = _row(), _first(_row())
    await one.create(run, first)
    await one.post(run.id, b"mail")
    await die(one)
    (taken,) = await _claimed(two)
    assert (taken.owner, taken.epoch) == ("two", 2)
    late = Change(run.id, 1, _turn(run, 2, first.sum), "completed", closed_at=2.0, letters=(_letter(),), mail=(1,))
    await _refused(LeaseLost, one.commit(late))
    await _refused(LeaseLost, one.commit(replace(late, turn=None, release=True)))
    assert await two.run(run.id) == taken and len(await two.journal(run.id)) == 1
    assert await two.letters(LetterQuery(open=None)) == [] and len(await two.mail(run.id)) == 1


async def _claimed(store: Store, now: float = 10.0) -> list[Run]:
    """Claim until something is there: the death of a worker shows within its lease."""
    for _ in range(1000):
        rows = await store.claim(("saga",), now=now, limit=10)
        if rows:
            return rows
        await asyncio.sleep(LEASE / 20)
    return []


async def check_a_living_worker_keeps_its_runs(pair: Pair, _: object) -> None:
    """Nothing is taken from a worker that is alive, nor a run of another saga, nor before its time."""
    one, two = await _opened(pair)
    await one.create(_row(), _first(_row()))
    await one.create(_row("later", owner=None), None)
    for _ in range(4):
        assert await two.claim(("saga",), now=0.5, limit=10) == []
        await asyncio.sleep(LEASE / 2)
    assert await two.claim(("saga",), now=0.5, limit=10) == []
    assert await two.claim(("other",), now=10.0, limit=10) == []
    assert [run.id for run in await two.claim(("saga",), now=10.0, limit=10)] == ["later"]


async def check_no_run_is_taken_twice(pair: Pair, _: object) -> None:
    """Two workers that claim at once take different runs, and no more than they asked for."""
    one, two = await _opened(pair)
    for number in range(20):
        await one.create(_row(f"run-{number}", owner=None), None)
    taken = await asyncio.gather(*(store.claim(("saga",), now=10.0, limit=4) for store in (one, two, one, two)))
    ids = [run.id for runs in taken for run in runs]
    assert len(ids) == len(set(ids)) == 16


async def check_a_released_run_waits_for_its_time(pair: Pair, _: object) -> None:
    """A run that is given up is claimable when its time has come."""
    one, two = await _opened(pair)
    await one.create(_row(), _first(_row()))
    await one.commit(Change("run-1", 1, None, "running", next_at=50.0, release=True))
    assert await two.claim(("saga",), now=49.0, limit=1) == []
    assert [run.epoch for run in await two.claim(("saga",), now=50.0, limit=1)] == [2]


async def check_mail_wakes_a_run_and_is_taken_once(pair: Pair, _: object) -> None:
    """Mail is kept in order until a turn takes it, and a run that nobody drives is claimable at once."""
    one, two = await _opened(pair)
    run, first = _row(), _first(_row())
    await one.create(run, first)
    await two.post(run.id, b"a")
    assert await one.mailed() == [run.id] and await two.mailed() == []
    await two.post(run.id, b"b")
    mail = await one.mail(run.id)
    assert [each.body for each in mail] == [b"a", b"b"]
    turn = _turn(run, 2, first.sum)
    await one.commit(Change(run.id, 1, turn, "running", release=True, mail=(mail[0].no,), seen_mail=mail[0].no))
    assert [each.body for each in await two.mail(run.id)] == [b"b"]
    assert len(await two.claim(("saga",), now=1.0, limit=1)) == 1
    await two.commit(Change(run.id, 2, None, "running", release=True, seen_mail=mail[1].no))
    assert await two.claim(("saga",), now=1.0, limit=1) == []
    await one.post(run.id, b"c")
    assert len(await two.claim(("saga",), now=1.0, limit=1)) == 1


async def check_a_closed_run_takes_no_mail(pair: Pair, _: object) -> None:
    """Posting to a run that has ended, or that never was, is refused."""
    one, two = await _opened(pair)
    run, first = _row(), _first(_row())
    await one.create(run, first)
    closing = Change(run.id, 1, _turn(run, 2, first.sum), "completed", outcome=b"{}", closed_at=9.0, release=True)
    await one.commit(closing)
    row = await two.run(run.id)
    assert row is not None and (row.state, row.outcome, row.closed_at, row.owner) == ("completed", b"{}", 9.0, None)
    await _refused(RunClosed, two.post(run.id, b"late"))
    await _refused(UnknownRun, two.post("none", b"mail"))
    assert await two.mail(run.id) == [] and await two.claim(("saga",), now=99.0, limit=1) == []


def _letter(number: int = 1, at: float = 5.0) -> Letter:
    return Letter("run-1", number, "saga", "undo_failed", "step", "error", at, b"{}")


async def check_a_letter_is_acted_upon_once(pair: Pair, _: object) -> None:
    """Of two people at once one wins, and the other is told by whom; the act and its mail are one."""
    one, two = await _opened(pair)
    run, first = _row(), _first(_row())
    await one.create(run, first)
    letters = (_letter(1, 6.0), _letter(2, 5.0))
    await one.commit(Change(run.id, 1, _turn(run, 2, first.sum), "needs_attention", letters=letters, release=True))
    assert [letter.no for letter in await two.letters(LetterQuery())] == [2, 1]
    acts = [Act(1, "retried", name, "", 7.0) for name in ("ann", "bob")]
    done = await asyncio.gather(one.post(run.id, b"x", acts[0]), two.post(run.id, b"y", acts[1]), return_exceptions=True)
    (refused,) = [each for each in done if each is not None]
    (settled,) = await two.letters(LetterQuery(open=False))
    assert isinstance(refused, LetterSettled) and str(settled.by) in str(refused)
    assert len(await two.mail(run.id)) == 1 and len(await two.letters(LetterQuery(open=None, run_id=run.id))) == 2
    await _refused(UnknownRun, one.post(run.id, b"z", Act(9, "retried", "ann", "", 7.0)))


async def check_lists_are_filtered_and_paged(pair: Pair, _: object) -> None:
    """Runs are listed newest first."""
    one, two = await _opened(pair)
    for number in range(5):
        await one.create(_row(f"run-{number}", owner=None), None)
    page = await two.runs(RunQuery(limit=2, offset=1))
    assert [run.id for run in page] == ["run-3", "run-2"]
    assert await two.runs(RunQuery(states=("completed",))) == [] and await two.runs(RunQuery(sagas=("none",))) == []
    assert len(await two.runs(RunQuery(states=("running",), sagas=("saga",)))) == 5


async def check_a_wrong_checksum_is_found(pair: Pair, _: object) -> None:
    """A journal whose chain does not match is not returned."""
    one, _two = await _opened(pair)
    run = _row()
    await one.create(run, Turn(1, b"[]", b"not this"))
    await _refused(JournalDamaged, one.journal(run.id))
    await _refused(UnknownRun, one.journal("none"))


async def check_closing_gives_the_runs_to_the_others(pair: Pair, _: object) -> None:
    """A clean end is noticed at once; a run that waits for a person goes on waiting."""
    one, two = await _opened(pair)
    await one.create(_row(), _first(_row()))
    await one.create(replace(_row("waits"), state="needs_attention"), None)
    await one.close()
    assert [run.id for run in await two.claim(("saga",), now=10.0, limit=10)] == ["run-1"]
    await _refused(EngineClosed, one.create(_row("more"), None))
