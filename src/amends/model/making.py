"""How a call becomes an effect: its arguments written down, and its idempotency key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amends.errors import DefinitionError
from amends.model import keys
from amends.model.call import Call, Step
from amends.model.child import APART, MOST_DEPTH, Child, Launch, child_id
from amends.model.chunk import NAME as EACH
from amends.model.chunk import Chunk, fingerprint
from amends.model.effect import Effect
from amends.model.saga import Detached

if TYPE_CHECKING:
    from collections.abc import Mapping

    from amends.model.item import Item
    from amends.model.letters import Letters
    from amends.model.saga import Saga


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the effects of one run. `sagas` are those that may be nested in it, by name."""

    namespace: str
    saga: str
    run_id: str
    sagas: Mapping[str, Saga[..., Any]]
    letters: Letters

    def make(self, pos: int, stage: int, ask: Call[Any] | Item) -> Effect:
        """The effect of a call or an item at a position; `stage` is the position of the whole ask.

        Raises:
            NotStorable, TypeError: the arguments do not fit.
            DefinitionError: it is not usable as written, is a saga that nobody drives, or runs are nested too deep.
        """
        given = None
        ask.target.demand_usable()
        if isinstance(ask, Call):
            args, given = ask.target.signature.store(ask.args, ask.kwargs)
            key = keys.step_key(self.namespace, self.saga, self.run_id, pos, ask.target.name, args)
        else:
            args = ask.args
            key = keys.step_key(self.namespace, self.saga, ask.name, 0, ask.target.name, ask.identity)
        if isinstance(ask.target, Step):
            effect = Effect(pos, stage, ask.target, key, args, self.letters)
            effect.given = given
        else:
            effect = self._child(pos, stage, ask, key, args)
        effect.written = not isinstance(ask, Call)
        return effect

    def _child(self, pos: int, stage: int, ask: Call[Any] | Item, key: str, args: bytes) -> Child | Launch:
        target = ask.target.saga if isinstance(ask.target, Detached) else ask.target
        if self.run_id.count(APART) >= MOST_DEPTH:
            raise DefinitionError(f"{ask!r}: runs may be nested {MOST_DEPTH} deep. Does a saga call itself without end?")
        saga = target if isinstance(target, Chunk) else self.sagas.get(target.name)
        if saga is not target or saga is None:
            caller = self.saga.removesuffix(EACH)
            raise DefinitionError(
                f"saga {target.name!r} is called by {caller!r}, and nobody drives it. Add it to the engine: "
                f"Engine(..., sagas=[{caller}, {target.name}])."
            )
        run_id = child_id(self.run_id, pos)
        if isinstance(ask.target, Detached):
            return Launch(pos, stage, ask.target, key, args, self.letters, run_id)
        child = Child(pos, stage, saga, key, args, self.letters, run_id)
        if isinstance(saga, Chunk) and isinstance(ask, Call):
            child.shown = fingerprint(ask.args[0])
        return child
