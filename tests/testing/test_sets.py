"""Where code makes sets, journals are replayed under more than one hash seed."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from amends.testing.explorer.sets import makes_sets


@pytest.mark.parametrize(
    ("code", "makes"),
    [
        ("def f(): return [1, 2]", False),
        ("def f(x): return {'a': x}", False),
        ("def f(x): return {x, 2}", True),
        ("def f(xs): return {x for x in xs}", True),
        ("def f():\n    for x in {'a', 'b'}: print(x)", True),
        ("def f(xs): return sorted(set(xs))", True),
        ("def f(x):\n    def g(): return frozenset(x)\n    return g", True),
        ("class C:\n    def f(self, x): return {x}", True),
        ("from tests.testing.planted.keys import *", True),
        ("import json\nfrom collections import Counter", False),
    ],
)
def test_code_that_makes_sets_is_known(code: str, makes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("a_users_module")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(code, vars(module))
    assert makes_sets([module.__name__]) is makes


def test_a_module_that_is_not_there_makes_none() -> None:
    assert not makes_sets(["nowhere.at_all"])
