"""What is explored: a call of a saga, the world around it, and who else takes part."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, get_args

from amends.errors import DefinitionError
from amends.model.codec import shape_of
from amends.model.saga import Saga
from amends.testing.explorer import faults
from amends.testing.world import World

if TYPE_CHECKING:
    from collections.abc import Generator

    from amends.model.call import Call
    from amends.stores.port import Letter
    from amends.testing.fakes import Fake
    from amends.testing.world import Service

Act: TypeAlias = Literal["retry", "resolve", "abandon", "happened", "did not happen"]
StoreKind: TypeAlias = Literal["memory", "sqlite"]

ACTS: tuple[Act, ...] = get_args(Act)
"""All that an operator can do about a dead letter."""


class Condition(Protocol):
    """What is expected of every world; see `expect.Expectation`."""

    @property
    def name(self) -> str:
        """How reports call it."""
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

    def __post_init__(self) -> None:
        if not isinstance(self.call.target, Saga):
            raise DefinitionError(f"explore(...) takes a call of a saga, not {self.call!r}.")
        unknown = sorted(((self.kinds or frozenset()) | self.without) - faults.KINDS.keys())
        if unknown:
            raise DefinitionError(f"there is no fault {unknown[0]!r}; the faults are {', '.join(faults.KINDS)}.")
        if not 1 <= self.workers <= 8:
            raise DefinitionError(f"explore(workers={self.workers!r}): 1 to 8.")
        for fake in self.fakes:
            if self.world.services.get(fake.service.name) is not fake.service:
                raise not_of_this_world(f"the fake of step {fake.step.name}", fake.service)
        for message in self.tell:
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
