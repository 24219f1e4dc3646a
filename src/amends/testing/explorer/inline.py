"""Threads for `def` steps in a simulated world: none; the function runs where it is asked for."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Inline:
    """Stands in for the engine's threads. The event loop is out of a `def` step's reach, as it is in a thread."""

    async def run(self, function: Callable[[], Any]) -> Any:
        """Call `function` at once, in a copy of the present context."""
        loop = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            return contextvars.copy_context().run(function)
        finally:
            asyncio._set_running_loop(loop)

    def close(self) -> None:
        """There is nothing to close."""
