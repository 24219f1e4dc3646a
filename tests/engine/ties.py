"""A saga that fails, and whose only undo fails too: its run needs a person."""

from __future__ import annotations

from amends import Retry, saga, step


@step
async def tie() -> str:
    return "tied"


@tie.undo(retry=Retry(attempts=1))
async def untie(tied: str) -> None:
    raise ValueError("too tight")


@saga
async def ties() -> None:
    await tie()
    raise ValueError("after all")
