"""What the methods named `list` give."""

from __future__ import annotations

from typing import assert_type

from amends import Engine
from amends.stores.port import Letter, Run


async def look(engine: Engine) -> None:
    assert_type(await engine.list(), list[Run])
    assert_type(await engine.dlq.list(), list[Letter])
