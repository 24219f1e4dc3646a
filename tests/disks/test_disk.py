"""Disks that lose power, fail, fill up or change a bit: nothing that was acknowledged is lost, and nothing hangs."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from amends import Engine
from amends.engine import trouble
from amends.errors import JournalDamaged, StoreError
from tests.disks import flips, proofs
from tests.disks.failing import FULL, IOERR, Failing
from tests.disks.shim import Shim
from tests.model import shop


def test_a_power_cut_at_any_operation_loses_nothing_that_was_acknowledged() -> None:
    found = proofs.power_cuts("full", images=2, seed=1)
    assert found.cases > 400 and not found.all, found.all[:3]
    assert {"write", "sync", "truncate", "create", "delete", "syncdir"} <= set(found.seen), "every kind of operation was cut"


def test_relaxed_durability_loses_the_last_turns_and_corrupts_nothing() -> None:
    """The control: without the fsync of each commit the same proof must find something."""
    found = proofs.power_cuts("relaxed", images=1, seed=1)
    assert found.lost and not found.corrupt, found
    assert all("acknowledged" in each or "is lost" in each for each in found.lost)


@pytest.mark.parametrize("part", range(2))
def test_an_operation_that_fails_loses_nothing_and_holds_nothing_up(part: int) -> None:
    found = proofs.failures(every=16, first=8 * part)
    assert found.cases > 80 and not (found.lost or found.corrupt or found.stuck), (found.lost + found.corrupt + found.stuck)[
        :3
    ]
    assert {"write", "sync", "read", "open"} <= set(found.seen)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "LEAST", 0.01)


@pytest.mark.parametrize("code", [IOERR, FULL])
@pytest.mark.parametrize("after", [0, 20, 40, 60])
def test_a_run_whose_disk_fails_ends_well(after: int, code: int, tmp_path: Path, quick: None) -> None:
    """Its turn is not written, so it is taken up again from its journal, as after a crash."""
    disk = Failing(-1, code, for_ever=False)

    async def main() -> None:
        async with asyncio.timeout(20), Engine(tmp_path / "a.db", sagas=[shop.order], poll=0.02) as engine:
            disk.strike(after)
            for number in range(6):
                assert await _patiently(engine, f"o{number}") == "hold-a-1/ch-ok"

    with Shim(disk).installed():
        asyncio.run(main())
    assert disk.failed or code == FULL


async def _patiently(engine: Engine, run_id: str) -> str:
    """Whoever is told that the store failed asks again, with the same id."""
    while True:
        try:
            return await engine.run(shop.order("a", "ok"), id=run_id)
        except StoreError:
            await asyncio.sleep(0.01)


def test_every_flipped_bit_is_found_and_no_other_run_is_blamed(tmp_path: Path) -> None:
    asyncio.run(flips.fill(tmp_path / "a.db"))
    missed, tried = flips.undetected(tmp_path / "a.db", 200, seed=1)
    assert missed == [] and set(tried) == {f"{table}.{column}" for table, column in flips.WATCHED}


@pytest.mark.parametrize(("table", "column"), [*flips.WATCHED[:6], ("runs", "id"), ("runs", "sum"), *flips.WATCHED[8:]])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_run_with_a_flipped_bit_is_set_aside_and_the_others_go_on(
    tmp_path: Path, table: str, column: str, seed: int
) -> None:
    asyncio.run(flips.fill(tmp_path / "a.db"))
    aside, went_on = flips.set_aside(tmp_path / "a.db", table, column, seed)
    assert len(aside) == 1 and went_on == flips.RUNS - 1


def test_a_flipped_bit_in_what_a_closed_run_returned_is_no_result(tmp_path: Path) -> None:
    asyncio.run(flips.fill(tmp_path / "a.db"))
    db = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    number = db.execute("SELECT no FROM runs WHERE id = 'over'").fetchone()[0]
    flips.flipped(db, flips.Flip("runs", "outcome", number, "over", 100))
    db.close()

    async def main() -> None:
        async with Engine(tmp_path / "a.db", sagas=[shop.order]) as engine:
            assert [run.state for run in await engine.list() if run.id == "over"] == ["needs_attention"]
            with pytest.raises(JournalDamaged, match="the row of run 'over'"):
                await engine.run(shop.order("a", "ok"), id="over")

    asyncio.run(main())
