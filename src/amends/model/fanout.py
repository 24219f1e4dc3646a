"""Fan-out over any number of items: a join of chunks, each a nested run that holds so many items and no more.

The run that awaits `each` knows only its chunks, and a chunk knows only its items. So memory, journals and recovery are
bounded by the size of a chunk, however many items there are, and a chunk is undone as every nested run is.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, overload

from amends.errors import DefinitionError, StepFailed, TooManyFailures
from amends.model import chunk, door
from amends.model.call import Target
from amends.model.chunk import read
from amends.model.codec import shape_of
from amends.model.definition import find, place_of
from amends.model.driving import Ask, noted, taken
from amends.model.fan import Fan, lanes
from amends.model.forming import as_it_is, takes_one
from amends.model.join import Failed, Join, Losers, Ok, Verdict
from amends.model.source import Source
from amends.model.stream import Parts, Stream, Values

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator

    from amends.model.chunk import Entry, Lapse
    from amends.model.fan import Chunks
    from amends.model.join import End

T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
A = TypeVar("A")

MOST_SHOWN = 100
"""How many failures the exception group holds; `partial.failed` has all of them."""


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item that failed: the item, the error of its step (or of its saga), and how many attempts there were."""

    item: Any
    error: StepFailed
    attempts: int


class Counts(NamedTuple):
    """How many items of a fan-out succeeded, failed, were lost, and were not started."""

    ok: int
    failed: int
    lost: int
    not_started: int


class Partial(Generic[R_co]):
    """What came of the items of a fan-out, in the order in which they were read. `done` says how many succeeded."""

    _keep_instead = "Return what you need of it: `.ok`, `.done`, or texts made of `.failed`."

    def __init__(self, fan: Fan, chunks: Chunks) -> None:
        self.done = chunks.done
        self._fan = fan
        self._reading = chunks.reading
        self._parts: list[bytes] = []
        self._lapses: list[Lapse] = []
        self._lost: list[Entry] = []
        self._rest: list[Entry] = []
        self._redriven = False
        for raw, part in chunks.parts():
            self._parts.append(raw)
            self._lapses += part.failed
            self._lost += part.lost
            self._rest += part.rest

    def __repr__(self) -> str:
        return f"<{self.done} done, {len(self._lapses)} failed>"

    def __iter__(self) -> Iterator[R_co]:
        decode = self._fan.fn.signature.result.decode
        return (decode(value) for part in self._parts for value in read(part).values)

    @property
    def ok(self) -> tuple[R_co, ...]:
        """The values of the items that succeeded; without those that `reduce` or `async for` were given before it failed."""
        return tuple(self)

    @property
    def failed(self) -> tuple[FailedItem, ...]:
        """The items that failed."""
        return tuple(self._failed_item(lapse) for lapse in self._lapses)

    @property
    def lost(self) -> tuple[Any, ...]:
        """The items that were at work when too many had failed: `losers` says what became of them."""
        return tuple(self._fan.source.item(entry) for entry in self._lost)

    @property
    def not_started(self) -> tuple[Any, ...]:
        """The items that were not begun when too many had failed: the rest of the items is read for this."""
        return tuple(self._fan.source.item(entry) for entry in (*self._rest, *self._reading.rest()))

    @property
    def counts(self) -> Counts:
        """How many items there are of each kind; if nobody knows how many are left, they are read for this."""
        left = len(self._reading.rest()) if self._reading.left is None else self._reading.left
        return Counts(self.done, len(self._lapses), len(self._lost), len(self._rest) + left)

    @property
    def exceeded(self) -> bool:
        """Whether more items failed than are tolerated."""
        return self._fan.too_many(len(self._lapses), self.done + len(self._lapses), True)

    def values(self) -> tuple[R_co, ...]:
        """The same as `ok`; raises `TooManyFailures` if more items failed than are tolerated."""
        if self.exceeded:
            raise self.refusal()
        return self.ok

    def refusal(self) -> TooManyFailures:
        """The error of a fan-out of which too much failed."""
        shown = [self._failed_item(lapse).error for lapse in self._lapses[:MOST_SHOWN]]
        items = "1 item" if len(self._lapses) == 1 else f"{len(self._lapses)} items"
        why = f"{items} of each({self._fan.fn.name}, …) failed, and tolerate={self._fan.tolerate!r}"
        return TooManyFailures(why, shown, self)

    def redrive(self) -> Each[R_co]:
        """Try again what failed, and go on with what was not started: to be awaited.

        An item is tried under the same key, unless that was cancelled because nobody knew whether it took effect. One that a
        person had to decide about (`error.in_doubt`) is what that person made of it, and is not tried. What was done is not
        done again, nor is it in what comes of this.

        Raises:
            DefinitionError: too much failed and `losers` is "undo", so all that was done is undone: call `each` again. Or
                this was called before.
        """
        if self.exceeded and self._fan.losers == "undo":
            raise DefinitionError(
                "redrive() goes on from what was done, and this fan-out undid that, because too much failed. "
                "Call each() again, or let it keep what was done: each(..., losers='keep')."
            )
        if self._redriven:
            raise DefinitionError("redrive() was called before: redrive what came of that, and no item twice.")
        self._redriven = True
        self._reading.put_back([*(lapse.entry for lapse in self._lapses if not lapse.in_doubt), *self._rest])
        return noted(_each(self._fan.over(self._reading)))

    def _failed_item(self, lapse: Lapse) -> FailedItem:
        error = StepFailed(
            self._fan.fn.name,
            error_type=lapse.error.type,
            error_message=lapse.error.message,
            error_data=shape_of(Any).decode(lapse.error.data),
            attempts=lapse.attempts,
            in_doubt=lapse.in_doubt,
        )
        return FailedItem(self._fan.source.item(lapse.entry), error, lapse.attempts)


@dataclass(frozen=True, slots=True)
class Each(Join[Partial[R_co]]):
    """A fan-out, made by `each`: to be awaited, reduced, or iterated over."""

    fan: Fan = field(kw_only=True)

    @property
    def alone(self) -> bool:
        """Whether it can be no branch of another join."""
        return self.fan.source.is_async

    @property
    def mapped(self) -> Any:
        """What is called for each item."""
        return self.fan.fn

    def __repr__(self) -> str:
        return f"each({self.fan.fn.name}, …)"

    def __await__(self) -> Generator[Any, Any, Partial[R_co]]:
        if self.fan.source.is_async:
            return self._collect().__await__()
        return super(Each, self).__await__()

    async def _collect(self) -> Partial[R_co]:
        stream = self._stream(keep=True)
        async for _ in stream:
            pass
        whole: Partial[R_co] = stream.value
        return whole

    def __aiter__(self) -> AsyncIterator[R_co]:
        return Values(self.parts(early=True))

    def parts(self, *, early: bool = False) -> AsyncIterator[list[R_co]]:
        """The values in the order of the items, a chunk at a time.

        Args:
            early: begin with small chunks, so that the first values come soon.
        """
        return Parts(self._stream(early=early), self.fan.fn)

    def _stream(self, *, early: bool = False, keep: bool = False) -> Stream:
        taken(self)
        reading = self.fan.source.reading()
        fan = self.fan.over(reading, streamed=True, early=early)
        return Stream(_each(fan), reading, fan.limit if early else chunk.MOST_ITEMS, keep)

    @overload
    def reduce(self, fn: Callable[[A, R_co], A], initial: A) -> Folded[A]: ...
    @overload
    def reduce(self, fn: Callable[[A, list[R_co]], Ask[A]], initial: A) -> Folded[A]: ...
    def reduce(self, fn: Callable[[A, R_co], A] | Callable[[A, list[R_co]], Ask[A]], initial: A) -> Folded[A]:
        """Fold the values in the order of the items, without holding more of them than a chunk.

        Args:
            fn: a pure function of the value so far and the next value; or a step (or a saga) of the value so far and the
                list of a chunk's values, which is called once for each chunk.
            initial: the value to begin with.

        Returns:
            what can be awaited in a saga for the last value; it raises what awaiting the fan-out raises.

        Raises:
            DefinitionError: `fn` is an `async def` that is no step, or no function.
        """
        cure = "Make it a `def` of the value so far and the next value, or put @step on it and take a list of values."
        door.pure(fn, "reduce(fn, ...)", cure)
        return noted(Folded(self, fn, initial), self)


class Folded(Generic[A]):
    """The fold of a fan-out, to be awaited in a saga."""

    def __init__(self, each: Each[Any], fn: Any, initial: A) -> None:
        self._each, self._fn, self._initial = each, fn, initial

    def __repr__(self) -> str:
        return f"{self._each!r}.reduce({getattr(self._fn, '__name__', self._fn)}, …)"

    def __await__(self) -> Generator[Any, Any, A]:
        taken(self)
        return self._fold().__await__()

    async def _fold(self) -> A:
        value = self._initial
        async for part in self._each.parts():
            if isinstance(self._fn, Target):
                value = await self._fn(value, part)
            else:
                for each in part:
                    value = self._fn(value, each)
        return value


def each(
    fn: Callable[[T], Ask[R]],
    items: Iterable[T] | AsyncIterable[T] | Callable[[], Iterable[Iterable[T]]],
    /,
    *,
    limit: int,
    tolerate: float = 0,
    item_key: Callable[[T], str] | None = None,
    losers: Losers = "undo",
) -> Each[R]:
    """Call a step or a saga for each item, a limited number at once.

    Items may be read anew after a crash, in another order too; only what was not begun yet is read then for the first
    time. An item is known by `item_key`, or else by its content.

    Args:
        fn: a step or a saga with one argument, the item.
        items: an iterable; or, for more of them than should be in memory, a function without arguments that gives an
            iterable of pages, each an iterable of items; or an async iterable, which may await steps.
        limit: how many items are at work at once, at least 1.
        tolerate: how many items may fail: a number, or a fraction below 1 of all items. As soon as more have failed, it
            is over.
        item_key: the identity of an item, a str; an item with the same identity and another content after a crash parks
            the run.
        losers: when too many have failed, what becomes of the others, finished ones included: "undo" (the default),
            "keep", or "cancel". With "keep", chunks that are at work come to their end.

    Returns:
        when awaited, a `Partial`; see `Each` for `reduce` and `async for`.

    Raises:
        TooManyFailures: in the body; `partial` holds what came.
        DefinitionError: `fn` is not a step or a saga, or a number is out of its range.
    """
    called = _checked(fn, items, limit, tolerate, losers)
    if item_key is not None:
        door.function(item_key, "each(item_key=...)", "Give a function of an item that gives a str.")
    return noted(_each(Fan(called, Source(called, items, item_key), limit, tolerate, losers)))


def _checked(fn: Any, items: Any, limit: Any, tolerate: Any, losers: Any) -> Target[..., Any]:
    """What is called for each item, if all that is given can be meant."""
    if not isinstance(fn, Target) or find(place_of(fn)) is not fn:
        raise DefinitionError(f"each() takes a step or a saga itself, not {fn!r}. {as_it_is(fn)}")
    takes_one("each", fn, "the item")
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise DefinitionError(f"each(limit={limit!r}): how many items are at work at once, at least 1.")
    number = isinstance(tolerate, (int, float)) and not isinstance(tolerate, bool)
    if not number or not (0 <= tolerate < 1 or (isinstance(tolerate, int) and tolerate >= 1)):
        raise DefinitionError(f"each(tolerate={tolerate!r}): a whole number of items, or a fraction below 1.")
    if losers not in ("undo", "keep", "cancel"):
        raise DefinitionError(f"each(losers={losers!r}): 'undo', 'keep' or 'cancel'.")
    if isinstance(items, (str, bytes)) or not (isinstance(items, (Iterable, AsyncIterable)) or callable(items)):
        raise DefinitionError(f"each() takes items as an iterable, an async iterable, or a function, not {items!r}.")
    if inspect.iscoroutinefunction(items) or inspect.isasyncgenfunction(items):
        raise DefinitionError(f"each(): {items!r} is async, and a function of items is not. Call it, and give what it gives.")
    return fn


def _each(fan: Fan) -> Each[Any]:
    def answer(chunks: Chunks, verdict: Verdict) -> End:
        if chunks.broken is not None:
            return chunks.broken
        partial: Partial[Any] = Partial(fan, chunks)
        return Ok(partial) if verdict is Verdict.MET else Failed(partial.refusal())

    return Each("each", (), fan, answer, fan.losers, limit=lanes(fan.limit), fan=fan)
