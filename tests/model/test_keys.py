"""Keys and luck are the same on every machine and in every process; a diff names the way."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from amends.model import keys


def test_keys_are_stable_over_processes_and_versions() -> None:
    code = (
        "from amends.model import keys; from amends.model.codec import shape_of; "
        "print(keys.step_key('n', 's', 'r', 1, 'step', shape_of(set[str]).encode({'a', 'b', 'c'})))"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert runs == {keys.step_key("n", "s", "r", 1, "step", b'["a","b","c"]')}
    assert keys.step_key("n", "s", "r", 1, "step", b"{}") == "d43a779639db337246257fdbaa04b8c0"


def test_every_part_changes_the_key() -> None:
    base: dict[str, Any] = {"namespace": "n", "saga": "s", "run_id": "r", "pos": 1, "step": "p", "args": b"{}"}
    other = {"namespace": "x", "saga": "x", "run_id": "x", "pos": 2, "step": "x", "args": b"[]", "generation": 1}
    made = {keys.step_key(**{**base, name: value}) for name, value in other.items()} | {keys.step_key(**base)}
    assert len(made) == len(other) + 1
    assert keys.step_key(**{**base, "namespace": "ns", "saga": ""}) != keys.step_key(**base)
    assert keys.undo_key("a") != keys.undo_key("b") != "a"


def test_luck_is_fair_and_repeats() -> None:
    draws = [keys.luck_float(b"seed", n) for n in range(2000)]
    assert all(0 <= draw < 1 for draw in draws) and 0.45 < sum(draws) / len(draws) < 0.55
    assert keys.luck_uuid(b"seed", 1) == keys.luck_uuid(b"seed", 1) and keys.luck_uuid(b"seed", 1).version == 4


def test_a_diff_names_the_way() -> None:
    said = keys.diff(b'{"o":{"qty":1,"a":[1,2]}}', b'{"o":{"qty":2,"a":[1,3],"new":0}}')
    assert said.splitlines() == ["- o.a[1]: 2", "+ o.a[1]: 3", "- o.new: (absent)", "+ o.new: 0", "- o.qty: 1", "+ o.qty: 2"]


def test_the_keys_of_this_version_are_those_of_every_version() -> None:
    step = keys.step_key("shop", "place_order", "order-1", 3, "charge", b'{"cents":5}', 2)
    assert step == "497f2b27886c9103b4174b184456cb7a"
    assert keys.undo_key(step) == "900fb97387b95139336c421d9ba60778"
    assert keys.luck(b"seed", 7).hex() == "338abbaaea498554df5fd2daccc993dc"
    assert str(keys.luck_uuid(b"seed", 7)) == "338abbaa-ea49-4554-9f5f-d2daccc993dc"


@given(st.binary(max_size=64), st.integers(0, 2**63))
def test_luck_keeps_within_its_bounds(seed: bytes, number: int) -> None:
    assert 0 <= keys.luck_float(seed, number) < 1 and keys.luck_uuid(seed, number).version == 4


def test_a_diff_is_bounded_and_shows_the_place() -> None:
    assert keys.diff(b"1", b"2") == "- 1\n+ 2"
    assert keys.diff(b'{"a":1}', b'{"a":1.0}') == "- a: 1\n+ a: 1.0"
    assert keys.diff(b"[1,2]", b"[1,2,3]") == "- [2]: (absent)\n+ [2]: 3"
    assert keys.diff(b"{}", b"{}") == ""
    many = keys.diff(msgspec.json.encode([1] * 100), msgspec.json.encode([2] * 100)).splitlines()
    assert len(many) == 2 * keys.MOST_DIFFERENCES + 1 and many[-1] == "… and 80 more"
    old, new = keys.diff(msgspec.json.encode("x" * 5000 + "1"), msgspec.json.encode("x" * 5000 + "2")).splitlines()
    assert old.endswith('1"') and new.endswith('2"') and len(old) < 250
