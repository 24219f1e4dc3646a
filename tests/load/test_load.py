"""The load in a small form, and without a clock in its verdict: what does not grow, what is refused, what nobody is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.load.crowd import crowd
from tests.load.overload import TIMES, overload
from tests.load.steady import CALLERS, MOST_LOG, MOST_THREADS, load

ROUNDS, RUNS = 5, 140


def test_an_engine_takes_no_more_of_the_machine_the_longer_it_works(tmp_path: Path) -> None:
    readings, ends = asyncio.run(load(tmp_path / "a.db", (iter(range(RUNS)) for _ in range(ROUNDS))))
    assert ends == {"completed": ROUNDS * RUNS * 6 // 7, "compensated": ROUNDS * RUNS // 7}
    for reading in readings:
        assert reading.threads <= MOST_THREADS and reading.log <= MOST_LOG, reading
    assert len({reading.files for reading in readings}) == 1, readings
    assert readings[-1].objects - readings[0].objects < 2 * RUNS, readings  # nothing is left of four rounds of runs


def test_ten_times_what_fits_waits_in_the_store_and_not_in_memory(tmp_path: Path) -> None:
    fits = 40
    came = asyncio.run(overload(tmp_path / "a.db", fits))
    idle, full, ten_times, after = (reading.objects for reading in came.readings)
    assert (came.done, came.at_work) == (TIMES * fits, fits)
    assert came.refused > 0, "callers who were too many at once were told"
    assert ten_times - full < 4 * fits, came.readings  # where nine times as many wait
    assert after - idle < (full - idle) / 2, came.readings


def test_several_workers_on_one_file_hear_nothing_of_each_other(tmp_path: Path) -> None:
    told = crowd(tmp_path / "a.db", workers=3, runs=3 * CALLERS)
    assert told.errors == [] and told.done == 3 * CALLERS
