"""What is explored: a call of a saga, the world around it, and who else takes part."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, get_args, runtime_checkable

from amends.errors import DefinitionError
from amends.model import door
from amends.model.call import Call
from amends.model.codec import shape_of
from amends.model.records import CLOSED, State
from amends.model.saga import Saga
from amends.testing.explorer import faults
from amends.testing.fakes import Fake
from amends.testing.world import World

if TYPE_CHECKING:
    from collections.abc import Generator

    from amends.stores.port import Letter
    from amends.testing.world import Service

Act: TypeAlias = Literal["retry", "resolve", "abandon", "happened", "did not happen"]
StoreKind: TypeAlias = Literal["memory", "sqlite"]

ACTS: tuple[Act, ...] = get_args(Act)
"""All that an operator can do about a dead letter."""


@runtime_checkable
class Condition(Protocol):
    """What is expected of every world; see `expect.Expectation`."""

    @property
    def name(self) -> str:
        """How reports call it."""
        ...

    @property
    def states(self) -> tuple[State, ...] | None:
        """The states of the run in which it is judged; None: in all."""
        ...

    def complaint(self, ending: Any) -> str | None:
        """What is wrong with how a world ended, if anything."""
        ...


RUN = "explored"
"""The id of the run that is explored."""


def nobody(letter: Letter) -> Act | None:
    """The default operator: dead letters stay open, which is an end."""
    return None


def not_of_this_world(who: str, service: Service) -> DefinitionError:
    """A service is used that nobody watches: what is said to whoever explores."""
    return DefinitionError(
        f"{who} uses {service!r} of a World that is not explored here: give its World to explore(..., world=...), and take "
        "all services from that one World."
    )


def asked_by_a_body(service: Service) -> DefinitionError:
    """A saga touches the world past its steps: what is said to whoever explores."""
    return DefinitionError(
        f"a saga body uses {service!r} itself, and would do so again whenever it is replayed: let a step use it, which has a "
        "key and an undo."
    )


@dataclass(frozen=True)
class Scenario:
    """See `explore` for what each of these means."""

    call: Call[Any]
    world: World = field(default_factory=World)
    fakes: tuple[Fake, ...] = ()
    expect: tuple[Condition, ...] = ()
    tell: tuple[Any, ...] = ()
    operator: Callable[[Letter], Act | None] = nobody
    setup: Callable[[], object] | None = None
    workers: int = 1
    store: StoreKind = "memory"
    kinds: frozenset[faults.Kind] | None = None
    without: frozenset[faults.Kind] = frozenset()
    sagas: tuple[Saga[..., Any], ...] = ()
    reaches: tuple[State, ...] = ("completed",)

    def __post_init__(self) -> None:
        _demand_call(self.call)
        for name, kind, cure in _LISTS:
            object.__setattr__(self, name, tuple(_listed(name, getattr(self, name), kind, cure)))
        for name in ("kinds", "without"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, frozenset(_listed(name, getattr(self, name), str, "name the faults")))
        _demand_known("fault", "faults", (self.kinds or frozenset()) | self.without, faults.KINDS)
        door.one_of(self.store, "explore(store=...)", *get_args(StoreKind))
        _demand_known("end", "ends", self.reaches, ENDS)
        if not isinstance(self.world, World):
            raise DefinitionError(f"explore(world={self.world!r}): a World of amends.testing, which has the services.")
        door.count(self.workers, "explore(workers=...)", 1, 8)
        door.pure(self.operator, "explore(operator=...)", "Give a `def` that says what a person does about a dead letter.")
        if self.setup is not None:
            door.pure(self.setup, "explore(setup=...)", "Give a `def` without arguments; nobody would await it.")
        for fake in self.fakes:
            if self.world.services.get(fake.service.name) is not fake.service:
                raise not_of_this_world(f"the fake of step {fake.step.name}", fake.service)
        for message in self.tell:
            if isinstance(message, type):
                raise DefinitionError(
                    f"explore(tell=[{message.__name__}]): a message, not its type: {message.__name__}(...)."
                )
            shape_of(type(message)).encode(message)  # refused now, and not by every worker that is to send it

    @property
    def saga(self) -> Saga[..., Any]:
        """The saga that is explored."""
        assert isinstance(self.call.target, Saga)
        return self.call.target

    @cached_property
    def by_name(self) -> dict[str, Saga[..., Any]]:
        """All sagas that take part: the one that is explored, and those that may be nested in it."""
        return {saga.name: saga for saga in (self.saga, *self.sagas)}

    @cached_property
    def explored(self) -> frozenset[faults.Kind]:
        """The faults that can befall the worlds."""
        return (frozenset(faults.KINDS) if self.kinds is None else self.kinds) - self.without

    @contextmanager
    def staged(self) -> Generator[None]:
        """While it lasts, the fakes stand in for their steps."""
        with ExitStack() as stack:
            for fake in self.fakes:
                stack.enter_context(fake.standing_in())
            yield


ENDS: tuple[State, ...] = (*CLOSED, "needs_attention")
"""The states in which the run that is explored can end."""

_LISTS: tuple[tuple[str, Any, str], ...] = (
    ("fakes", Fake, "write fake(step, service)"),
    ("expect", Condition, "write when_completed(f), when_compensated(f) or always(f)"),
    ("tell", object, "name the messages"),
    ("sagas", Saga, "name the sagas that may be nested"),
    ("reaches", str, "name the ends"),
)
"""The arguments that take several things: of what type, and how to write them."""


def _demand_call(call: object) -> None:
    if isinstance(call, Saga):
        raise DefinitionError(f"explore({call.name}): call the saga, with the arguments to explore: {call.name}(...).")
    if not (isinstance(call, Call) and isinstance(call.target, Saga)):
        raise DefinitionError(f"explore(...) takes a call of a saga, or a Scenario, not {call!r}.")


def _listed(name: str, given: Any, kind: Any, cure: str) -> Iterable[Any]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise DefinitionError(f"explore({name}={given!r}): a list is needed, {name}=[{given!r}].")
    several = tuple(given)
    for each in several:
        if not isinstance(each, kind):
            raise DefinitionError(f"explore({name}=[{each!r}]): {cure}.")
    return several


def _demand_known(what: str, all_: str, given: Iterable[str], known: Iterable[str]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise DefinitionError(f"there is no {what} {unknown[0]!r}; the {all_} are {', '.join(known)}.")
