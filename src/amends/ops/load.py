"""Finds sagas by the names that people type: `shop.orders` or `shop.orders:place_order`."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import msgspec

from amends.errors import AmendsError, DefinitionError, NotStorable
from amends.model.call import Call
from amends.model.saga import Saga


def load_saga(name: str) -> Saga[..., Any]:
    """The saga `MODULE:SAGA`; raises `click.BadParameter` that says what is there instead."""
    module_name, mark, saga_name = name.partition(":")
    there = sagas_of(module_name)
    known = ", ".join(f"{module_name}:{saga.name}" for saga in there) or "none; decorate an `async def` with @saga"
    if not mark:
        raise click.BadParameter(f"{name!r}: write MODULE:SAGA, for instance shop.orders:place_order. There is: {known}.")
    for saga in there:
        if saga_name in (saga.name, saga.function.__name__):
            return saga
    raise click.BadParameter(f"{module_name} has no saga {saga_name!r}. It has: {known}.")


def call_of(saga: Saga[..., Any], given: str) -> Call[Any]:
    """A call of a saga with what was typed as `--input`; raises `click.BadParameter` that names the option."""
    try:
        return saga.call_json(given.encode())
    except msgspec.DecodeError as error:
        raise click.BadParameter(f"--input is not JSON: {error}.") from error
    except (NotStorable, DefinitionError) as error:
        raise click.BadParameter(f"--input: {error}") from error


def load_value(name: str) -> tuple[Any, ModuleType]:
    """What `MODULE:NAME` is, and its module; raises `click.BadParameter`."""
    module_name, mark, value_name = name.partition(":")
    module = _import(module_name)
    if not mark or not hasattr(module, value_name):
        lack = f"{module_name} has no {value_name!r}." if mark else "for instance shop.orders:place_order."
        raise click.BadParameter(f"{name!r}: write MODULE:NAME; {lack}")
    return getattr(module, value_name), module


def sagas_of(module_name: str) -> list[Saga[..., Any]]:
    """All sagas that a module holds, imported ones too; raises `click.BadParameter` when it cannot be imported."""
    return list(dict.fromkeys(value for value in vars(_import(module_name)).values() if isinstance(value, Saga)))


def _import(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    if not all(part.isidentifier() for part in name.split(".")):
        raise click.BadParameter(
            f"{name!r} is not a module's name. Write it as Python imports it: shop.orders, not shop/orders.py."
        )
    try:
        return importlib.import_module(name)
    except AmendsError:
        raise
    except ModuleNotFoundError as error:
        if error.name is None or not (name + ".").startswith(error.name + "."):
            raise click.BadParameter(f"module {name!r} {_failed(error)}") from error
        cure = f" For a file {name}, write {name.removesuffix('.py')}." if name.endswith(".py") else ""
        raise click.BadParameter(
            f"there is no module {name!r}; it is looked for in {here} and on PYTHONPATH.{cure}"
        ) from error
    except Exception as error:  # whatever a user's module does on import is a mistake in it, told with its line
        raise click.BadParameter(f"module {name!r} {_failed(error)}") from error


def _failed(error: Exception) -> str:
    """What an import failed with, and on which line."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames and not isinstance(error, SyntaxError) else ""
    return f"cannot be imported: {type(error).__name__}: {error}{where}."
