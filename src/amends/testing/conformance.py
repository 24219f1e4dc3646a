"""What every store must keep: one check for each promise of the port. Run them all over your own store.

A check takes a function that makes a *pair* of stores, not yet opened, on the same empty data, and a function that makes
the first of them look dead to the second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from msgspec.structs import replace

from amends.errors import EngineClosed, JournalDamaged, LeaseLost, LetterSettled, RunClosed, StoreError, UnknownRun
from amends.stores.port import Act, Change, Letter, LetterQuery, Run, RunQuery, Store, Turn, chain, seal

Pair: TypeAlias = tuple[Store, Store]
Check: TypeAlias = Callable[[Pair, Callable[[Store], Awaitable[None]]], Awaitable[None]]

LEASE = 0.4


def checks() -> list[Check]:
    """All checks, in the order in which they are written."""
    return [found for name, found in globals().items() if name.startswith("check_")]


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
    """A turn whose predecessor is missing, or that is there already, is refused; and that is not a lost lease."""
    one, _two = await _opened(pair)
    run, first = _row(), _first(_row())
    await one.create(run, first)
    for wrong in (3, 1):
        late = Change(run.id, 1, _turn(run, wrong, first.sum), "completed", closed_at=2.0, letters=(_letter(),))
        error = await _refused(StoreError, one.commit(late))
        assert not isinstance(error, LeaseLost)
    assert await one.journal(run.id) == [first] and await one.run(run.id) == run
    assert await one.letters(LetterQuery(open=None)) == []


async def check_a_row_is_written_when_the_turn_touches_it(pair: Pair, _: object) -> None:
    """A change that is not `touched` leaves the row as it is; one without a turn writes only the row."""
    one, two = await _opened(pair)
    run, first = _row(), _first(_row())
    await one.create(run, first)
    turn = _turn(run, 2, first.sum)
    await one.commit(Change(run.id, 1, turn, "running", touched=False))
    assert await two.run(run.id) == run
    await one.commit(Change(run.id, 1, None, "compensating", outcome=b"{}"))
    assert await two.run(run.id) == replace(run, state="compensating", outcome=b"{}")
    assert await two.journal(run.id) == [first, turn]
    await _refused(LeaseLost, one.commit(Change("none", 1, _turn(run, 1, b"x"), "running")))


async def check_an_old_epoch_writes_nothing(pair: Pair, die: Callable[[Store], Awaitable[None]]) -> None:
    """Who was taken over can neither append, nor change the row, nor leave letters, nor take mail."""
    one, two = await _opened(pair)
    run, first = _row(), _first(_row())
    await one.create(run, first)
    await one.post(run.id, b"mail")
    await die(one)
    (taken,) = await _claimed(two)
    assert (taken.owner, taken.epoch, taken.given_up) == ("two", 2, False)
    late = Change(run.id, 1, _turn(run, 2, first.sum), "completed", closed_at=2.0, letters=(_letter(),), mail=(1,))
    await _refused(LeaseLost, one.commit(late))
    await _refused(LeaseLost, one.commit(replace(late, turn=None, release=True)))
    assert await two.run(run.id) == taken and len(await two.journal(run.id)) == 1
    assert await two.letters(LetterQuery(open=None)) == [] and len(await two.mail(run.id)) == 1


async def check_an_epoch_of_before_is_over_for_its_own_worker_too(pair: Pair, _: object) -> None:
    """A worker that gave a run up and has it again can do nothing in the name of the first time."""
    one, _two = await _opened(pair)
    run, first = _row(), _first(_row())
    await one.create(run, first)
    await one.commit(Change(run.id, 1, None, "running", next_at=1.0, release=True))
    (again,) = await one.claim(("saga",), now=1.0, limit=1)
    assert (again.owner, again.epoch, again.given_up) == ("one", 2, True)
    await _refused(LeaseLost, one.commit(Change(run.id, 1, _turn(run, 2, first.sum), "running", touched=False)))
    await _refused(LeaseLost, one.commit(Change(run.id, 1, None, "running", next_at=5.0, release=True)))
    assert await one.run(run.id) == replace(again, given_up=False) and await one.journal(run.id) == [first]


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
    assert await two.claim(("other",), now=10.0, limit=10) == [] == await two.claim((), now=10.0, limit=10)
    assert await two.claim(("saga",), now=10.0, limit=0) == []
    assert [run.id for run in await two.claim(("saga",), now=10.0, limit=10)] == ["later"]


async def check_no_run_is_taken_twice(pair: Pair, _: object) -> None:
    """Two workers that claim at once take different runs, and no more than they asked for."""
    one, two = await _opened(pair)
    for number in range(20):
        await one.create(_row(f"run-{number}", owner=None), None)
    taken = await asyncio.gather(*(store.claim(("saga",), now=10.0, limit=4) for store in (one, two, one, two)))
    ids = [run.id for runs in taken for run in runs]
    assert len(ids) == len(set(ids)) == 16


async def check_those_that_wait_longest_are_taken_first(pair: Pair, _: object) -> None:
    """Of the runs that nobody drives, whatever their saga."""
    one, two = await _opened(pair)
    for due, name in ((4.0, "saga"), (3.0, "other"), (2.0, "saga"), (1.0, "other")):
        await one.create(replace(_row(f"run-{due}", owner=None), saga=name, next_at=due), None)
    assert [run.next_at for run in await two.claim(("saga", "other"), now=9.0, limit=2)] == [1.0, 2.0]


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
    await two.commit(Change(run.id, 3, None, "running", release=True, seen_mail=mail[1].no))
    assert len(await one.claim(("saga",), now=1.0, limit=1)) == 1, "one that is seen does not hide one that is not"
    taken = tuple(each.no for each in await one.mail(run.id))
    await one.commit(Change(run.id, 4, _turn(run, 3, turn.sum), "running", release=True, mail=taken))
    assert await two.claim(("saga",), now=1.0, limit=1) == [] == await two.mail(run.id)


async def check_a_turn_starts_runs_and_tells_others(pair: Pair, _: object) -> None:
    """A run whose id is taken is left as it is; one that has ended, or that never was, is told nothing."""
    one, two = await _opened(pair)
    run, first = _row(), _first(_row())
    ended = replace(_row("ended", owner=None), state="completed", next_at=None)
    for there, turn in ((run, first), (_row("there", owner="two"), None), (ended, None)):
        await one.create(there, turn)
    nested = replace(_row("new", owner=None), parent=run.id)
    starts, posts = (nested, replace(nested, id="there")), tuple((name, b"x") for name in ("new", "there", "ended", "none"))
    await one.commit(Change(run.id, 1, _turn(run, 2, first.sum), "running", starts=starts, posts=posts))
    assert await two.run("there") == _row("there", owner="two") and await two.runs(RunQuery(parent=run.id)) != []
    assert [len(await two.mail(name)) for name in ("new", "there", "ended")] == [1, 1, 0]
    assert [taken.id for taken in await two.claim(("saga",), now=0.0, limit=9)] == ["new"]


async def check_what_is_nested_in_a_closed_run_is_closed_with_it(pair: Pair, _: object) -> None:
    """At any depth, if it is held; and it is taken from whoever drives it still."""
    one, two = await _opened(pair)
    run, first = _row(), _first(_row())
    held = replace(_row("held", owner="two"), state="held", outcome=b"{}", parent=run.id)
    open_ = replace(_row("open", owner="two"), parent=run.id)
    deep = replace(held, id="deep", parent=open_.id)
    for there in (run, held, open_, deep):
        await one.create(there, _first(there))
    await one.commit(Change(run.id, 1, _turn(run, 2, first.sum), "completed", closed_at=9.0, frees=True))
    for freed in (held, deep):
        assert await two.run(freed.id) == replace(freed, state="completed", owner=None, epoch=2, closed_at=9.0)
        await _refused(LeaseLost, two.commit(Change(freed.id, 1, None, "held", release=True)))
        assert len(await two.journal(freed.id)) == 1
    assert await two.run("open") == open_


async def check_a_closed_run_takes_no_mail(pair: Pair, _: object) -> None:
    """Posting to a run that has ended, or that never was, is refused; nobody drives it again, whatever still waits."""
    one, two = await _opened(pair)
    run, first = _row(), _first(_row())
    await one.create(run, first)
    closing = Change(run.id, 1, _turn(run, 2, first.sum), "completed", next_at=1.0, outcome=b"{}", closed_at=9.0)
    await one.post(run.id, b"too late for the last turn")
    await one.commit(closing)
    row = await two.run(run.id)
    assert row is not None and (row.state, row.outcome, row.closed_at, row.owner) == ("completed", b"{}", 9.0, None)
    await _refused(RunClosed, two.post(run.id, b"late"))
    await _refused(UnknownRun, two.post("none", b"mail"))
    assert len(await two.mail(run.id)) == 1 and await two.claim(("saga",), now=99.0, limit=1) == []
    await _refused(LeaseLost, one.commit(Change(run.id, 1, None, "running")))
    await one.close()
    assert await two.claim(("saga",), now=99.0, limit=1) == []


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


async def check_a_letter_can_be_opened_again(pair: Pair, _: object) -> None:
    """A letter of the same number replaces the one that is there, and waits again for a person."""
    one, two = await _opened(pair)
    run, first = _row(), _first(_row())
    await one.create(run, first)
    turns = [first, _turn(run, 2, first.sum)]
    await one.commit(Change(run.id, 1, turns[1], "needs_attention", letters=(_letter(),)))
    await two.post(run.id, b"x", Act(1, "retried", "ann", "now", 7.0))
    again = replace(_letter(), error="worse", body=b"[1]")
    await one.commit(Change(run.id, 1, _turn(run, 3, turns[1].sum), "needs_attention", letters=(again,)))
    assert await two.letters(LetterQuery(open=None)) == [again]
    await two.post(run.id, b"y", Act(1, "resolved", "bob", "", 8.0))
    settled = replace(again, acted="resolved", by="bob", note="", acted_at=8.0)
    assert await two.letters(LetterQuery(open=False, limit=1)) == [settled]
    assert await two.letters(LetterQuery()) == [] == await two.letters(LetterQuery(open=None, offset=1))
    assert await two.letters(LetterQuery(open=None, run_id="none")) == []


async def check_lists_are_filtered_and_paged(pair: Pair, _: object) -> None:
    """Runs are listed newest first."""
    one, two = await _opened(pair)
    for number in range(5):
        await one.create(_row(f"run-{number}", owner=None), None)
    page = await two.runs(RunQuery(limit=2, offset=1))
    assert [run.id for run in page] == ["run-3", "run-2"]
    assert await two.runs(RunQuery(states=("completed",))) == [] and await two.runs(RunQuery(sagas=("none",))) == []
    assert len(await two.runs(RunQuery(states=("running",), sagas=("saga",)))) == 5
    await two.claim(("saga",), now=9.0, limit=2)
    driven = [run for run in await one.runs(RunQuery()) if run.owner is not None]
    assert len(driven) == 2 and await one.runs(RunQuery(owner=driven[0].owner)) == driven


async def check_a_wrong_checksum_is_found(pair: Pair, _: object) -> None:
    """A journal whose chain does not match is not returned."""
    one, _two = await _opened(pair)
    run = _row()
    await one.create(run, Turn(1, b"[]", b"not this"))
    await _refused(JournalDamaged, one.journal(run.id))
    await _refused(UnknownRun, one.journal("none"))


async def check_a_wrong_seed_or_input_is_found(pair: Pair, _: object) -> None:
    """The chain begins with what never changes in the row, so a journal does not fit another run."""
    one, _two = await _opened(pair)
    for number, other in enumerate((replace(_row(), seed=b"seat"), replace(_row(), input=b"[]"), _row("run-2"))):
        await one.create(replace(other, id=f"copy-{number}"), _first(_row()))
        await _refused(JournalDamaged, one.journal(f"copy-{number}"))


async def check_closing_gives_the_runs_to_the_others(pair: Pair, _: object) -> None:
    """A clean end is noticed at once; a run that waits for a person goes on waiting."""
    one, two = await _opened(pair)
    await one.create(_row(), _first(_row()))
    await one.create(replace(_row("rolls-back"), state="compensating"), None)
    await one.create(replace(_row("waits"), state="needs_attention"), None)
    await one.create(replace(_row("was-told"), state="needs_attention"), None)
    await two.post("was-told", b"mail")
    await one.close()
    taken = await two.claim(("saga",), now=10.0, limit=10)
    assert sorted(run.id for run in taken) == ["rolls-back", "run-1", "was-told"] and all(run.given_up for run in taken)
    await two.post("waits", b"mail")
    assert [run.id for run in await two.claim(("saga",), now=10.0, limit=10)] == ["waits"]


async def check_one_without_a_lease_owns_nothing(pair: Pair, _: object) -> None:
    """It sees everything and may post; it takes no run over, and takes none away when it goes."""
    one, two = pair
    await one.open("one", lease=LEASE)
    await two.open("two", lease=None)
    await one.create(_row(), _first(_row()))
    await two.create(_row("free", owner=None), None)
    assert await two.claim(("saga",), now=9.0, limit=10) == []
    assert {run.id for run in await two.runs(RunQuery())} == {"run-1", "free"} and len(await two.journal("run-1")) == 1
    await two.post("run-1", b"mail")
    await two.close()
    assert await one.mailed() == ["run-1"]
    assert [run.id for run in await one.claim(("saga",), now=9.0, limit=10)] == ["free"]


async def check_a_closed_store_says_so(pair: Pair, _: object) -> None:
    """Nothing is asked of a store that is not open; closing twice does no harm; it may be opened again."""
    one, _two = await _opened(pair)
    await _refused(EngineClosed, one.open("again", lease=LEASE))
    await one.create(_row(), _first(_row()))
    await one.close()
    await one.close()
    await _refused(EngineClosed, one.create(_row("more"), None))
    await _refused(EngineClosed, one.commit(Change("run-1", 1, None, "running")))
    await _refused(EngineClosed, one.post("run-1", b"mail"))
    await _refused(EngineClosed, one.claim(("saga",), now=9.0, limit=1))
    for reading in (one.run("run-1"), one.journal("run-1"), one.mail("run-1"), one.mailed()):
        await _refused(EngineClosed, reading)
    await _refused(EngineClosed, one.runs(RunQuery()))
    await _refused(EngineClosed, one.letters(LetterQuery()))
    await one.open("again", lease=LEASE)
    assert [run.id for run in await one.claim(("saga",), now=9.0, limit=1)] == ["run-1"]


async def check_who_was_taken_for_dead_can_begin_again(pair: Pair, die: Callable[[Store], Awaitable[None]]) -> None:
    """After a takeover the old driver is refused, and the new one's turns follow the old one's."""
    one, two = await _opened(pair)
    run, first = _row(), _first(_row())
    await one.create(run, first)
    await die(one)
    await _claimed(two)
    turn = _turn(run, 2, first.sum)
    await two.commit(Change(run.id, 2, turn, "running", next_at=3.0, release=True))
    await _refused(LeaseLost, one.commit(Change(run.id, 2, _turn(run, 3, turn.sum), "running")))
    assert [(taken.owner, taken.epoch) for taken in await one.claim(("saga",), now=3.0, limit=1)] == [("one", 3)]
    await one.commit(Change(run.id, 3, _turn(run, 3, turn.sum), "running"))
    assert len(await one.journal(run.id)) == 3
