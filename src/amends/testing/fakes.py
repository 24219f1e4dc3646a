"""Fakes: a step that asks a service of the World instead of doing its own work, so that a saga is explored unchanged."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from amends.errors import DefinitionError, NotStorable
from amends.model.call import Companion, Step
from amends.testing.world import Service


@dataclass(frozen=True)
class Fake:
    """A step, and the service that does its work in an exploration. Made by `fake`."""

    step: Step[..., Any]
    service: Service
    returns: Any

    @contextmanager
    def standing_in(self) -> Generator[None]:
        """While it lasts, the step, its undo and its check ask the service."""
        step = self.step
        real = step.function, step.undoing, step.checking
        step.demand_usable()  # known of the real functions before they are put aside
        step.function = self._as(step.function, self._do)
        step.undoing = self._companion(step.undoing, self._undo)
        step.checking = self._companion(step.checking, self._check)
        try:
            yield
        finally:
            step.function, step.undoing, step.checking = real

    async def _do(self, *args: Any, **kwargs: Any) -> Any:
        answer = self.returns(*args, **kwargs) if callable(self.returns) else self.returns
        if answer is None:
            answer = _NOTHING
        given = await self.service.do(self.step.name, None if answer is RECEIPT else answer)
        return None if given is _NOTHING else given

    async def _undo(self, *_: Any) -> None:
        await self.service.undo()

    async def _check(self, *_: Any, **__: Any) -> Any:
        return await self.service.check()

    def _companion(self, real: Companion | None, stand_in: Callable[..., Any]) -> Companion | None:
        return None if real is None else replace(real, function=self._as(real.function, stand_in))

    def _as(self, real: Callable[..., Any], stand_in: Callable[..., Any]) -> Callable[..., Any]:
        """The stand-in under the real function's name and annotations, which say what it takes and tolerates."""

        async def ask(*args: Any, **kwargs: Any) -> Any:
            return await stand_in(*args, **kwargs)

        return functools.update_wrapper(ask, real)


_NOTHING = object()

RECEIPT = object()
"""The step returns the receipt of the service."""


def fake(step: Step[..., Any], service: Service, *, returns: Any = RECEIPT) -> Fake:
    """Let a service of the World do a step's work while a saga is explored.

    The step's own functions are not called: the step takes effect in the service under its idempotency key, its undo
    cancels by that key, its check asks for it. What is declared counts as ever: the retries, the time limits, whether
    there is an undo at all, and whether it tolerates None.

    Args:
        step: the step.
        service: of the World that is explored.
        returns: what the step returns, or a function of the step's arguments that says so; by default the service's
            receipt (a string), or None for a step that returns nothing.

    Raises:
        DefinitionError: `step` is not a step, or `service` not a service; or the step returns neither a string nor nothing,
            and `returns` is not given.
    """
    if not isinstance(step, Step):
        raise DefinitionError(f"fake(...) takes a step, not {step!r}.")
    if not isinstance(service, Service):
        raise DefinitionError(f"fake({step.name}, {service!r}): a service is needed, for instance world.service('bank').")
    if returns is RECEIPT and not _fits(step, "receipt"):
        if not _fits(step, None):
            raise DefinitionError(f"fake({step.name}, ...): say what the step returns: returns=...")
        returns = None
    return Fake(step, service, returns)


def _fits(step: Step[..., Any], value: object) -> bool:
    """Whether a step may return this."""
    try:
        step.signature.result.encode(value)
    except NotStorable:
        return False
    return True
