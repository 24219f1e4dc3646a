"""Whether users' code makes sets: only then does it matter under how many hash seeds a journal is replayed."""

from __future__ import annotations

import opcode
import sys
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NAMES = frozenset({"set", "frozenset", "intersection", "union", "difference", "symmetric_difference"})
"""What sets are made by, besides displays and comprehensions."""

_MAKERS = frozenset({opcode.opmap["BUILD_SET"], opcode.opmap["SET_ADD"]})


def makes_sets(names: Iterable[str]) -> bool:
    """Whether code of these modules makes a set, or code of those that they import something from; libraries aside.

    A set that a library hands out, or that an operator makes of the views of dicts, is not seen.
    """
    modules = [sys.modules[name] for name in names if name in sys.modules]
    found = {module.__name__: module for module in modules}
    for module in modules:
        for value in vars(module).values():
            name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(name, str) and name in sys.modules and _is_own(sys.modules[name]):
                found[name] = sys.modules[name]
    return any(_holds_set(code) for module in found.values() for code in _codes(vars(module).values(), module.__name__))


def _is_own(module: ModuleType) -> bool:
    """Whether it is the user's own, and not installed."""
    file = getattr(module, "__file__", None) or ""
    installed = any(each in file for each in ("site-packages", "dist-packages", sys.base_prefix))
    return bool(file) and not installed and module.__name__.partition(".")[0] != "amends"


def _codes(values: Iterable[Any], module: str) -> Iterator[CodeType]:
    for value in values:
        function = getattr(value, "function", value)  # that of a step or a saga
        if isinstance(function, FunctionType):
            yield function.__code__
        elif isinstance(value, type) and value.__module__ == module:
            yield from _codes(vars(value).values(), module)


def _holds_set(code: CodeType) -> bool:
    if not _MAKERS.isdisjoint(code.co_code[::2]) or not _NAMES.isdisjoint(code.co_names):
        return True
    return any(isinstance(each, frozenset) or (isinstance(each, CodeType) and _holds_set(each)) for each in code.co_consts)
