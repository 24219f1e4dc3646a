"""How those who wait for a thread of the store hear what came of what they asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    Came: TypeAlias = tuple[Any, BaseException | None]


def answer(asked: Iterable[asyncio.Future[Any]], came: Iterable[Came]) -> None:
    """Tell each what came of it, a value or an error; whoever was cancelled meanwhile does not want to know."""
    for future, (value, error) in zip(asked, came, strict=True):
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
