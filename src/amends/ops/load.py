"""Finds sagas by the names that people type: `shop.orders` or `shop.orders:place_order`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import click

from amends.model.saga import Saga


def load_saga(name: str) -> Saga[..., Any]:
    """The saga `MODULE:SAGA`; raises `click.BadParameter` that says what is there instead."""
    module_name, mark, saga_name = name.partition(":")
    if not mark:
        raise click.BadParameter(f"{name!r}: write MODULE:SAGA, for instance shop.orders:place_order.")
    there = sagas_of(module_name)
    for saga in there:
        if saga_name in (saga.name, saga.function.__name__):
            return saga
    known = ", ".join(f"{module_name}:{saga.name}" for saga in there) or "none; decorate an `async def` with @saga"
    raise click.BadParameter(f"{module_name} has no saga {saga_name!r}. It has: {known}.")


def sagas_of(module_name: str) -> list[Saga[..., Any]]:
    """All sagas that a module holds, imported ones too."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise
        raise click.BadParameter(
            f"there is no module {module_name!r}; it is looked for in {here} and on PYTHONPATH."
        ) from error
    found = [value for value in vars(module).values() if isinstance(value, Saga)]
    return list(dict.fromkeys(found))
