"""The outside world of an exploration: services that take effect by key, and the ledger of what they really did."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

from amends.engine.current import Current, known
from amends.errors import DefinitionError
from amends.model import door

Verb: TypeAlias = Literal["do", "undo", "check"]
Target: TypeAlias = Literal["step", "undo", "check"]


class Refused(Exception):
    """A service's definite no: nothing was done, and asking again gives the same answer."""


class Unavailable(Exception):
    """A service's "not now": nothing was done, and asking again may help."""


@dataclass(slots=True, eq=False)
class Ask:
    """One request to a service.

    `step` is the name of the step that it is made for, empty outside of one; `behalf` is the idempotency key of that step, as
    the engine knows it, whatever key is used here; `target` says which of the step's functions asks; `known`, once it has
    arrived, that its service had done it before, by its key.
    """

    service: Service
    verb: Verb
    what: str
    key: str
    receipt: str | None
    answer: Any
    current: Current | None
    step: str = field(init=False)
    behalf: str | None = field(init=False)
    target: Target = field(init=False)
    known: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        now = self.current
        self.step = "" if now is None else now.step
        self.behalf = None if now is None else now.forward.key
        in_undo = self.verb == "undo" or (now is not None and now.key != self.behalf)
        self.target = "check" if self.verb == "check" else "undo" if in_undo else "step"

    @property
    def absorbed(self) -> bool:
        """Whether the service takes a second request like it for the first one."""
        return self.verb != "do" or (self.service.habits.idempotent and bool(self.key))

    def apply(self) -> Any:
        """Let the request arrive: the service does what is asked, and answers or refuses."""
        return self.service.arrived(self)


@dataclass(slots=True)
class Effect:
    """One thing that a service did.

    `net` is 1 while it stands, 0 once undone; anything else is wrong. `late` says that its step was undone before.
    `made_by_undo` says that an undo did it: a correction, say, that makes up for something else, and stays.
    `done_at` and `undone_at` are numbers of the order in which things happened in the world; 0 is never.
    """

    service: str
    what: str
    key: str
    behalf: str | None
    step: str
    receipt: str
    answer: Any
    late: bool = False
    made_by_undo: bool = False
    done_at: int = 0
    undone_at: int = 0
    net: int = 1
    undo_keys: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        stands = {1: "stands", 0: "was undone"}.get(self.net, f"counts {self.net}")
        return f"{self.service}: {self.what} ({self.receipt}) {stands}"


class Stage(Protocol):
    """Carries requests to the services, and may lose, repeat or delay them on the way."""

    async def carry(self, ask: Ask) -> Any:
        """Bring a request to its service, and its answer back."""
        ...

    def foreign(self, ask: Ask) -> None:
        """A service was asked of a World that is not on this stage; raises when it is for the world that is."""
        ...

    def doubled(self, effect: Effect) -> None:
        """A service was made to take effect a second time for one step."""
        ...


class Gone(BaseException):
    """Whoever asks is of a worker that is dead, in a world that is over."""


class Bridge(Protocol):
    """Leads from a `def` step, which runs in a thread, to the world that it is explored in."""

    def wait(self, wish: Coroutine[Any, Any, Any]) -> Any:
        """Let the world play until the wish is granted."""
        ...


_bridge: ContextVar[Bridge | None] = ContextVar("amends_bridge", default=None)


class World:
    """Everything outside of the process that a saga can touch; it begins anew with every world that is explored.

    `asked` and `undone` hold the keys of the steps for which a service was asked to take effect, and was reached by an undo.
    `open` is the stage on which any World is played now.
    """

    open: ClassVar[Stage | None] = None

    def __init__(self) -> None:
        self.services: dict[str, Service] = {}
        self.effects: list[Effect] = []
        self.asked: set[str | None] = set()
        self.undone: set[str | None] = set()
        self.stage: Stage | None = None
        self.order = count(1)
        self._receipts = count(1)

    def service(
        self,
        name: str,
        *,
        idempotent: bool = True,
        remembers: bool = True,
        cancels_by_key: bool = True,
        final_checks: bool = False,
        refunds: bool = False,
        slow: float = 0.0,
        refusal: type[Exception] = Refused,
        unavailable: type[Exception] = Unavailable,
    ) -> Service:
        """Add a service.

        Args:
            name: as the stories and the ledger show it.
            idempotent: a key takes effect once, and asking again gives the first answer. False: every request takes effect.
            remembers: a key that was cancelled is refused when its request arrives later. False: it takes effect then.
            cancels_by_key: `undo(key=...)` works. False: an undo needs the receipt, and is refused without.
            final_checks: a key that a check has not found is refused when its request arrives later. False: it takes effect
                then, as it does at most services: a check cannot see what is still on its way.
            refunds: an undo is an act of its own, told apart by its own key, as a bank transfer back is; two of them undo
                twice. False: what is undone is undone, however often it is asked.
            slow: seconds that an answer takes, after the effect.
            refusal: what is raised for a definite no.
            unavailable: what is raised for "not now".

        Raises:
            DefinitionError: the name is taken, or an argument is none that it can be.
        """
        door.name(name, "service(name)")
        habits = {"idempotent": idempotent, "remembers": remembers, "cancels_by_key": cancels_by_key}
        habits |= {"final_checks": final_checks, "refunds": refunds}
        for habit, has in habits.items():
            door.one_of(has, f"service({habit}=...)", True, False)
        door.seconds(slow, "service(slow=...)")
        for what, kind in (("refusal", refusal), ("unavailable", unavailable)):
            if not (isinstance(kind, type) and issubclass(kind, Exception)):
                raise DefinitionError(f"service({what}=...) is {kind!r}; give a type of exception.")
        if name in self.services:
            raise DefinitionError(f"this World has a service {name!r} already.")
        options = Habits(idempotent, remembers, cancels_by_key, final_checks, refunds, slow)
        made = self.services[name] = Service(self, name, options, refusal, unavailable)
        return made

    @contextmanager
    def on(self, stage: Stage) -> Generator[None]:
        """While it lasts, a stage carries all requests."""
        self.stage = World.open = stage
        try:
            yield
        finally:
            self.stage = World.open = None

    def clear(self) -> None:
        """Forget everything that happened."""
        self.effects.clear()
        self.asked.clear()
        self.undone.clear()
        self.order = count(1)
        self._receipts = count(1)
        for service in self.services.values():
            service.clear()

    def receipt(self, service: str) -> str:
        """The next receipt."""
        return f"{service}-{next(self._receipts)}"

    def standing(self) -> list[Effect]:
        """The effects that are not undone."""
        return [effect for effect in self.effects if effect.net]


@dataclass(frozen=True, slots=True)
class Habits:
    """How a service behaves; see `World.service`."""

    idempotent: bool
    remembers: bool
    cancels_by_key: bool
    final_checks: bool
    refunds: bool
    slow: float


class Service:
    """One service of a World. Await its operations in steps, undos and checks."""

    def __init__(
        self, world: World, name: str, habits: Habits, refusal: type[Exception], unavailable: type[Exception]
    ) -> None:
        self.name = name
        self.habits = habits
        self.refusal = refusal
        self.unavailable = unavailable
        self._world = world
        self.clear()

    def __repr__(self) -> str:
        return f"<service {self.name}>"

    async def do(self, what: str, answer: Any = None, *, key: str | None = None) -> Any:
        """Take effect.

        Args:
            what: names the effect in stories and in the ledger.
            answer: what to answer; the receipt if it is None.
            key: the idempotency key; `current().key` if it is None.

        Returns:
            the answer; the first one, when the key was used before and the service is idempotent.
        """
        return await self._ask("do", what, key, answer=answer)

    async def undo(self, receipt: str | None = None, *, key: str | None = None, undo_key: str | None = None) -> None:
        """Undo an effect, found by its receipt or by the key with which it was asked for.

        Args:
            receipt: what `do` answered, when it was given no other answer.
            key: the idempotency key of the effect; `current().forward.key` if neither is given.
            undo_key: the idempotency key of the undo itself, for a service that refunds; `current().key` if it is None.
        """
        running = known()
        if receipt is None and key is None:
            key = running.forward.key if running else ""
        own = undo_key or (running.key if running else "")
        await self._ask("undo", "undo", key or "", receipt=receipt, answer=own)

    async def check(self, *, key: str | None = None) -> Any:
        """The answer that `do` gave for a key, if the effect stands; else None."""
        return await self._ask("check", "check", key)

    @property
    def sync(self) -> Blocking:
        """The same operations for `def` steps: they block the step's thread."""
        return Blocking(self)

    async def _ask(self, verb: Verb, what: str, key: str | None, *, receipt: str | None = None, answer: Any = None) -> Any:
        running = known()
        if key is None:
            key = (running.forward.key if verb == "check" else running.key) if running else ""
        ask = Ask(self, verb, what, key, receipt, answer, running)
        if verb == "do" and ask.target == "step":
            self._world.asked.add(ask.behalf)
        if self._world.stage is not None:
            return await self._world.stage.carry(ask)
        if World.open is not None:
            World.open.foreign(ask)
        return ask.apply()

    # ── what happens when a request arrives ─────────────────────────────────────────────────────

    def clear(self) -> None:
        """Forget everything that happened."""
        self._by_key: dict[str, Effect] = {}
        self._by_receipt: dict[str, Effect] = {}
        self._cancelled: set[str] = set()

    def arrived(self, ask: Ask) -> Any:
        """Do what is asked, and answer; raises the service's refusal."""
        if ask.verb == "check":
            found = self._by_key.get(ask.key)
            if found is not None and found.net > 0:
                return found.answer
            if self.habits.final_checks:
                self._cancelled.add(ask.key)
            return None
        return self._done(ask) if ask.verb == "do" else self._undone(ask)

    def _done(self, ask: Ask) -> Any:
        if ask.key in self._cancelled:
            raise self.refusal(f"{self.name}: {ask.what} was cancelled before it arrived")
        known = self._by_key.get(ask.key) if self.habits.idempotent and ask.key else None
        if known is not None and known.net > 0:
            ask.known = True
            return known.answer
        receipt = self._world.receipt(self.name)
        answer = receipt if ask.answer is None else ask.answer
        late = ask.target == "step" and ask.behalf in self._world.undone
        how = late, ask.target == "undo", next(self._world.order)
        made = Effect(self.name, ask.what, ask.key, ask.behalf, ask.step, receipt, answer, *how)
        twice = any(each.net > 0 and _same(each, made) for each in self._by_receipt.values())
        self._world.effects.append(made)
        self._by_key[ask.key] = self._by_receipt[receipt] = made
        if twice and self._world.stage is not None:
            self._world.stage.doubled(made)
        return answer

    def _undone(self, ask: Ask) -> None:
        if ask.receipt is None and not self.habits.cancels_by_key:
            raise self.refusal(f"{self.name} cannot cancel by key; give it the receipt")
        self._world.undone.add(ask.behalf)
        found = self._by_key.get(ask.key) if ask.receipt is None else self._by_receipt.get(ask.receipt)
        key = ask.key if found is None else found.key
        if self.habits.remembers and key:
            self._cancelled.add(key)
        if found is None:
            if ask.receipt is not None:
                raise self.refusal(f"{self.name} knows no receipt {ask.receipt!r}")
            return
        before = found.net
        if self.habits.refunds:
            found.net -= ask.answer not in found.undo_keys
            found.undo_keys.add(ask.answer)
        else:
            found.net = 0
        if before == 1 and found.net == 0:
            found.undone_at = next(self._world.order)


class Blocking:
    """A service's operations for `def` steps; see `Service`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def do(self, what: str, answer: Any = None, *, key: str | None = None) -> Any:
        """See `Service.do`."""
        return _wait(self._service.do(what, answer, key=key))

    def undo(self, receipt: str | None = None, *, key: str | None = None, undo_key: str | None = None) -> None:
        """See `Service.undo`."""
        _wait(self._service.undo(receipt, key=key, undo_key=undo_key))

    def check(self, *, key: str | None = None) -> Any:
        """See `Service.check`."""
        return _wait(self._service.check(key=key))


def _wait(wish: Coroutine[Any, Any, Any]) -> Any:
    bridge = _bridge.get()
    if bridge is not None:
        return bridge.wait(wish)
    try:
        wish.send(None)
    except StopIteration as done:
        return done.value
    wish.close()
    raise DefinitionError("service.sync is for `def` steps; in an `async def` await the service's own operations.")


def _same(one: Effect, other: Effect) -> bool:
    """Whether two effects of one service do the same thing for the same step of the same run."""
    if one.behalf is None:
        return one.key == other.key and bool(one.key)
    return (one.what, one.behalf) == (other.what, other.behalf)
