"""The demo for real, and its world by itself."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from amends.ops.demo.audit import Audit, audit
from amends.ops.demo.fates import FEWEST_ORDERS, Fate, draw_fates, order_name
from amends.ops.demo.main import Demo, new_folder, run_demo
from amends.ops.demo.report import report, worth_trying
from amends.ops.demo.world import Request, World

ORDERS, KILLS = 40, 4
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("AMENDS")}

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="it looks for the children in /proc")


def demo_command(folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "amends", "demo", "--orders", str(ORDERS), "--keep", str(folder), "--seed", "7", *more]


@pytest.fixture(scope="module")
def performed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("demo") / "files"
    command = demo_command(folder, "--kills", str(KILLS), "--json")
    return folder, subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)


def test_orders_come_to_a_good_end_while_workers_are_killed(
    performed: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = performed
    assert done.returncode == 0, done.stderr + done.stdout
    facts = json.loads(done.stdout)
    assert facts["passed"] and facts["kills"] == KILLS and facts["letters"] == 1
    assert facts["recoveries"] > 0 and facts["checks"] > 0 and facts["cancelled"] > 0, "each kind of mishap was met"
    assert all(facts["mishaps"][mishap] > 0 for mishap in ("answer lost", "request lost"))
    assert f"kill -9 {KILLS}/{KILLS}" in done.stderr and "operator: amends dlq retry" in done.stderr
    found = audit(folder / "orders.db", folder / "world.ledger", ORDERS)
    assert found.wrong == [] and found.states["completed"] > found.states["compensated"] > 0


def test_what_it_says_to_try_next_works(performed: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = performed
    tries = worth_trying(audit(folder / "orders.db", folder / "world.ledger", ORDERS))
    assert len(tries) == 5
    for words in tries:
        command = [sys.executable, "-m", "amends", *words.split(), "--store", str(folder / "orders.db")]
        done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)
        assert done.returncode == 0 and "order-" in done.stdout, (words, done.stderr)


@pytest.mark.parametrize("wrong", [[], ["order-1: the world says otherwise"]])
def test_the_verdict(wrong: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo = Demo(tmp_path, ORDERS, KILLS, seed=1)
    report(demo, Audit(wrong=wrong, examples={"it was killed": "order-2"}), 7.0, as_json=False)
    said = capsys.readouterr().out
    if wrong:
        assert "WRONG  order-1: the world says otherwise" in said and "FAIL: 1 things" in said and "PASS" not in said
    else:
        assert "PASS" in said and f"show order-2 --store {tmp_path / 'orders.db'}  # it was killed" in said


@on_linux
def test_a_demo_that_is_killed_leaves_nobody_behind(tmp_path: Path) -> None:
    """Nobody can clean up after `kill -9`: the children end by themselves."""
    command = demo_command(tmp_path / "files", "--kills", "13")
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, start_new_session=True)
    assert child.stderr is not None
    for line in child.stderr:
        if line.startswith("kill -9 1/"):
            break
    pids = children_of(child.pid)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stderr.close()
    assert pids
    for pid in pids:
        wait_for_the_end_of(pid)


@on_linux
def test_an_interrupted_demo_ends_its_children(tmp_path: Path) -> None:
    command = demo_command(tmp_path / "files", "--kills", "13")
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, start_new_session=True)
    assert child.stderr is not None
    for line in child.stderr:
        if line.startswith("kill -9 1/"):
            break
    pids = children_of(child.pid)
    child.send_signal(signal.SIGINT)
    said = child.stderr.read()
    child.stderr.close()
    assert child.wait() == 130 and "interrupted" in said and "Traceback" not in said
    assert pids and not any(is_alive(pid) for pid in pids)


def children_of(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        if int(text.rpartition(")")[2].split()[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_the_end_of(pid: int) -> None:
    """Wait for a process that is nobody's child here: the kernel says when it has ended."""
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended, _, _ = select.select([watch], [], [], 10)
        assert ended, f"process {pid} is still there"
    finally:
        os.close(watch)


@pytest.mark.parametrize(("orders", "kills"), [(FEWEST_ORDERS - 1, 4), (40, 0), (40, 14)])
def test_a_demo_that_could_not_show_anything_is_refused(orders: int, kills: int, tmp_path: Path) -> None:
    with pytest.raises(click.BadParameter):
        run_demo(orders=orders, kills=kills, seed=1, keep=str(tmp_path / "files"), as_json=False)
    assert not (tmp_path / "files").exists()


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    folders = [new_folder(tmp_path / "here" / "demo") for _ in range(3)]
    assert [folder.name for folder in folders] == ["demo", "demo-2", "demo-3"]


@pytest.mark.parametrize("orders", [FEWEST_ORDERS, 300])
def test_each_fate_is_met_and_most_orders_are_lucky(orders: int) -> None:
    drawn = draw_fates(3, orders)
    assert draw_fates(3, orders) == drawn != draw_fates(4, orders)
    assert set(drawn.values()) == set(Fate) and list(drawn.values()).count(Fate.STUCK) == 1
    assert len(drawn) < orders / 2 and drawn.keys() <= {order_name(number) for number in range(1, orders + 1)}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("amends.ops.demo.world.SLOWEST", 0.0)
    monkeypatch.setattr("amends.ops.demo.world.BAD_LUCK", ())
    file = os.open(tmp_path / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    fates = {"declined": Fate.DECLINED, "stuck": Fate.STUCK, "silent": Fate.SILENT_CARRIER, "deaf": Fate.DEAF_CARRIER}
    return World(file, 1, fates)


def ledger(tmp_path: Path) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    return [(line["op"], line["key"]) for line in lines]


def test_the_world_does_a_thing_once_for_each_key(world: World, tmp_path: Path) -> None:
    request = Request("charge", "o", None, "{}")
    assert world.ask("k", request) == world.ask("k", request) == world.find("k")
    assert world.find("other") == (404, {})
    assert ledger(tmp_path) == [("charge", "k")]


def test_the_world_says_when_a_key_is_used_for_two_things(world: World, tmp_path: Path) -> None:
    world.ask("k", Request("charge", "o", None, '{"cents": 1}'))
    for request in (Request("charge", "o", None, '{"cents": 2}'), Request("ship", "o", None, "{}")):
        answer = world.ask("k", request)
        assert answer is not None and answer[0] == 422
    assert "misuse" in (tmp_path / "ledger").read_text().splitlines()[2]


def test_what_is_cancelled_by_key_never_happens_afterwards(world: World, tmp_path: Path) -> None:
    cancelled = world.ask("u", Request("unship", "o", "k", "{}"))
    late = world.ask("k", Request("ship", "o", None, "{}"))
    assert cancelled is not None and cancelled[0] == 200
    assert late is not None and late[0] == 410
    assert ledger(tmp_path) == []


def test_an_undo_of_something_else_is_a_misuse(world: World, tmp_path: Path) -> None:
    world.ask("k", Request("charge", "o", None, "{}"))
    answer = world.ask("u", Request("release", "o", "k", "{}"))
    assert answer is not None and answer[0] == 422
    assert "misuse" in (tmp_path / "ledger").read_text()


def test_the_world_has_its_fates(world: World, tmp_path: Path) -> None:
    for _ in range(9):
        assert world.ask("1", Request("charge", "declined", None, "{}")) == (402, {"refused": "card declined"})
        assert world.ask("2", Request("ship", "silent", None, "{}")) is None
        assert world.ask("3", Request("ship", "deaf", None, "{}")) is None
    assert ledger(tmp_path) == [("ship", "2")]
    refund = Request("refund", "stuck", "c", "{}")
    world.ask("c", Request("charge", "stuck", None, "{}"))
    assert world.ask("r", refund) == (503, {"refused": "refunds are down"})
    world.refunds_work = True
    assert world.ask("r", refund) == world.find("r")
    assert ledger(tmp_path)[1:] == [("charge", "c"), ("refund", "r")]


def test_the_world_has_its_mishaps(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request("charge", "o", None, "{}")
    for mishap, answer in {"request lost": None, "busy": (503, {"refused": "busy"}), "answer lost": None}.items():
        monkeypatch.setattr("amends.ops.demo.world.BAD_LUCK", ((mishap, 1.0),))
        assert world.ask(mishap, request) == answer
        assert world.ask(mishap, request) == answer
        assert world.ask(mishap, request) == (200, {"id": f"charge-o-{mishap[:6]}"}), "the third time it works"
        assert world.counts[mishap] == 2
    assert ledger(tmp_path) == [("charge", mishap) for mishap in ("request lost", "busy", "answer lost")]
