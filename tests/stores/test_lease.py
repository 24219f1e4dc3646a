"""Who may be taken over: judged by counters and the observer's own clock, or because it is certainly gone."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from amends.stores import lease


def test_a_worker_is_judged_by_its_counter_and_the_observers_clock() -> None:
    watch = lease.Watch(10.0)
    assert not watch.is_dead("w", 1, "", 100.0), "whoever is seen for the first time lives"
    assert not watch.is_dead("w", 1, "", 109.9)
    assert watch.is_dead("w", 1, "", 110.0)
    assert not watch.is_dead("w", 2, "", 200.0), "it moved"
    assert not watch.is_dead("w", 1, "", 205.0), "another number is a move too"
    assert watch.is_dead("w", None, "", 206.0), "it has given itself up"


def test_who_is_not_in_the_store_any_more_is_forgotten() -> None:
    watch = lease.Watch(10.0)
    for worker in ("a", "b"):
        watch.is_dead(worker, 1, "", 0.0)
    watch.keep(["b", "c"])
    assert not watch.is_dead("a", 1, "", 50.0), "it is seen for the first time again"
    assert watch.is_dead("b", 1, "", 50.0)


def test_time_in_which_the_observer_could_not_beat_is_held_against_nobody() -> None:
    pulse, watch = lease.Pulse(2.5, 0.0), lease.Watch(10.0)
    assert not watch.is_dead("w", 1, "", pulse.lived(0.0))
    assert not watch.is_dead("w", 1, "", pulse.lived(3600.0)), "the file was locked, or the machine paused, for an hour"
    pulse.beat(3600.0)
    assert pulse.lived(3600.0) == 5.0
    for now in (3602.0, 3604.0):
        assert not watch.is_dead("w", 1, "", pulse.lived(now))
        pulse.beat(now)
    assert watch.is_dead("w", 1, "", pulse.lived(3605.0)), "the others had their time by now"


def test_a_steady_pulse_keeps_real_time() -> None:
    pulse = lease.Pulse(2.5, 0.0)
    for beat in range(1, 5):
        pulse.beat(beat * 2.5)
    assert pulse.lived(12.0) == 12.0


def test_a_process_is_gone_only_when_that_is_certain() -> None:
    me = lease.birth()
    assert me and not lease.is_gone(me)
    place, _, _ = me.rpartition("/")
    assert lease.is_gone(f"{place}/{os.getpid()}:1"), "the number is taken by a younger process"
    assert lease.is_gone(f"{place}/4194999:1"), "there is no such process"
    for elsewhere in (f"elsewhere/{os.getpid()}:1", "", "nonsense", f"{place}/", f"{place}/x:1"):
        assert not lease.is_gone(elsewhere)


def test_a_process_that_ended_is_gone_even_before_its_parent_asks() -> None:
    code = "from amends.stores.lease import birth; print(birth(), flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        born = child.stdout.readline().strip()
        assert not lease.is_gone(born) and not lease.has_ended(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert lease.is_gone(born) and lease.has_ended(child.pid)
    assert lease.is_gone(born) and lease.has_ended(child.pid)


def test_one_that_may_not_be_asked_is_taken_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    place, _, _ = lease.birth().rpartition("/")

    def forbidden(pid: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", forbidden)
    assert not lease.is_gone(f"{place}/4194999:1")


def test_to_look_at_another_is_to_read_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every worker looks at all others at every poll: what does not change in its life it reads once."""
    born, read, real = lease.birth(), [], Path.read_text

    def read_text(path: Path, **how: Any) -> str:
        read.append(str(path))
        return real(path, **how)

    monkeypatch.setattr(Path, "read_text", read_text)
    assert not lease.is_gone(born) and not lease.is_gone(born)
    assert read == [f"/proc/{os.getpid()}/stat"] * 2


def test_what_cannot_be_read_now_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lease._place_of.cache_clear()
    with monkeypatch.context() as full:
        full.setattr(os, "readlink", _too_many_files)
        assert lease.birth() == ""
    assert lease.birth() != ""


def _too_many_files(path: str) -> NoReturn:
    raise OSError(errno.EMFILE, "too many open files")


def test_without_a_proc_folder_nobody_is_certainly_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    born = lease.birth()
    monkeypatch.setattr(lease, "_place", lambda: "")
    assert lease.birth() == "" and not lease.is_gone(born)
