"""Fan-out over any number of items: a join of chunks, each a nested run that holds so many items and no more.

The run that awaits `each` knows only its chunks, and a chunk knows only its items. So memory, journals and recovery are
bounded by the size of a chunk, however many items there are, and a chunk is undone as every nested run is.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import AsyncIterable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from amends.errors import DefinitionError, StepFailed, TooManyFailures
from amends.model.call import Call, Target
from amends.model.chunk import MOST_ITEMS, Chunk, Spec, read, read_fingerprint
from amends.model.codec import shape_of
from amends.model.definition import find, place_of
from amends.model.driving import Ask, noted, taken
from amends.model.forming import as_it_is, takes_one
from amends.model.join import Failed, Join, Losers, Ok, Verdict
from amends.model.source import Source
from amends.model.tally import Enduring, Tally

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator

    from amends.model.chunk import Entry, Lapse
    from amends.model.join import End
    from amends.model.records import ChildWanted

T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
A = TypeVar("A")

LANES = 4
"""How many chunks of one fan-out are at work at once, at most; each has its part of the limit."""

MOST_SHOWN = 100
"""How many failures the exception group holds; `partial.failed` has all of them."""


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item that failed: the item, the error of its step (or of its saga), and how many attempts there were."""

    item: Any
    error: StepFailed
    attempts: int


@dataclass(frozen=True, slots=True)
class Fan:
    """What a fan-out does: call `fn` for the items of `source`, `limit` at once; `chunks` is the saga of its chunks."""

    fn: Target[..., Any]
    source: Source
    limit: int
    tolerate: float
    losers: Losers

    def allowed(self, ended: int, *, complete: bool) -> float:
        """How many items may fail; as long as nobody knows how many there are, a fraction is judged by those that ended."""
        if isinstance(self.tolerate, int):
            return self.tolerate
        if self.source.length is not None:
            return math.floor(self.tolerate * self.source.length)
        return math.floor(self.tolerate * ended) if complete or ended >= MOST_ITEMS else math.inf

    def too_many(self, failed: int, ended: int, complete: bool) -> bool:
        """Whether more items failed than are tolerated."""
        return failed > self.allowed(ended, complete=complete)

    def most(self, items: int) -> int:
        """How many of so many items may fail before it is no use to go on with them."""
        return int(min(items, self.allowed(0, complete=False)))

    def failed_item(self, lapse: Lapse) -> FailedItem:
        """A failure as it is shown to the saga."""
        error = StepFailed(
            self.fn.name,
            error_type=lapse.error.type,
            error_message=lapse.error.message,
            error_data=shape_of(Any).decode(lapse.error.data),
            attempts=lapse.attempts,
        )
        return FailedItem(self.source.item(lapse.entry), error, lapse.attempts)

    def over(self, entries: Iterable[Entry], tolerate: float) -> Fan:
        """The same for items that were read before."""
        return Fan(self.fn, self.source.with_entries(entries), self.limit, tolerate, self.losers)


class Partial(Generic[R_co]):
    """What came of the items of a fan-out, in the order in which they were read. `done` says how many succeeded."""

    def __init__(self, fan: Fan, parts: list[bytes]) -> None:
        self._fan = fan
        self.raw = parts
        results = [read(part) for part in parts]
        self.done = sum(len(part.values) for part in results)
        self._lapses = [lapse for part in results for lapse in part.failed]
        self._rest = [entry for part in results for entry in part.rest]

    def __repr__(self) -> str:
        return f"<{self.done} done, {len(self._lapses)} failed, {len(self._rest)} not started>"

    def __iter__(self) -> Iterator[R_co]:
        decode = self._fan.fn.signature.result.decode
        return (decode(value) for part in self.raw for value in read(part).values)

    @property
    def ok(self) -> tuple[R_co, ...]:
        """The values of the items that succeeded."""
        return tuple(self)

    @property
    def failed(self) -> tuple[FailedItem, ...]:
        """The items that failed."""
        return tuple(self._fan.failed_item(lapse) for lapse in self._lapses)

    @property
    def not_started(self) -> tuple[Any, ...]:
        """The items that were read and have no end of their own, because the fan-out was over before."""
        return tuple(self._fan.source.item(entry) for entry in self._rest)

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
        failed = self.failed
        items = "1 item" if len(failed) == 1 else f"{len(failed)} items"
        why = f"{items} of each({self._fan.fn.name}, …) failed, and tolerate={self._fan.tolerate!r}"
        return TooManyFailures(why, [item.error for item in failed[:MOST_SHOWN]], self)

    def redrive(self) -> Each[R_co]:
        """Try again what failed, under the same keys: to be awaited.

        Raises:
            DefinitionError: more failed than was tolerated, so all that was done is undone: call `each` again.
        """
        if self.exceeded:
            raise DefinitionError("redrive() tries again what failed of a fan-out that succeeded; this one did not.")
        entries = [lapse.entry for lapse in self._lapses]
        return noted(_each(self._fan.over(entries, self._fan.tolerate)))


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
        return Partial(self.fan, [part async for part in self._parts()])

    async def __aiter__(self) -> AsyncIterator[R_co]:
        async for part in self.parts():
            for value in part:
                yield value

    async def parts(self) -> AsyncIterator[list[R_co]]:
        """The values in the order of the items, a chunk at a time; who leaves early starts nothing more."""
        decode = self.fan.fn.signature.result.decode
        async for part in self._parts():
            yield [decode(value) for value in read(part).values]

    @overload
    def reduce(self, fn: Callable[[A, list[R_co]], Ask[A]], initial: A) -> Folded[A]: ...
    @overload
    def reduce(self, fn: Callable[[A, R_co], A], initial: A) -> Folded[A]: ...
    def reduce(self, fn: Callable[[A, R_co], A] | Callable[[A, list[R_co]], Ask[A]], initial: A) -> Folded[A]:
        """Fold the values in the order of the items, without holding more of them than a chunk.

        Args:
            fn: a pure function of the value so far and the next value; or a step (or a saga) of the value so far and the
                list of a chunk's values, which is called once for each chunk.
            initial: the value to begin with.

        Returns:
            what can be awaited in a saga for the last value; it raises what awaiting the fan-out raises.

        Raises:
            DefinitionError: `fn` is an `async def` that is no step.
        """
        if inspect.iscoroutinefunction(fn):
            raise DefinitionError(
                f"reduce() takes a pure function (a `def`), or a step that is called once for each chunk, not {fn!r}. "
                "Make it a `def` of the value so far and the next value, or put @step on it and take a list of values."
            )
        return noted(Folded(self, fn, initial), self)

    async def _parts(self) -> AsyncIterator[bytes]:
        """The results of one chunk after the other; together they fail as the whole would."""
        taken(self)
        failed = done = 0
        reading = self.fan.source.reading()
        await reading.fill(MOST_ITEMS)
        while entries := reading.take(MOST_ITEMS):
            left = self.fan.allowed(done + failed, complete=False) - failed
            partial: Partial[R_co] = await _each(self.fan.over(entries, int(min(len(entries), max(0, left)))))
            failed, done = failed + len(partial.failed), done + partial.done
            for part in partial.raw:
                yield part
            await reading.fill(MOST_ITEMS)
        if self.fan.too_many(failed, failed + done, True):
            raise Partial[R_co](self.fan, []).refusal()


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


class Chunks:
    """Makes the chunks of a fan-out, as there is room for them."""

    def __init__(self, fan: Fan, saga: str, base: str) -> None:
        self._fan = fan
        self._saga = Chunk(saga)
        self._base = base
        self._reading = fan.source.reading()
        self._number = 0
        self._limit = 0

    def next(self, foretold: ChildWanted | None) -> Ask[Any] | None:
        """The next chunk; a replay finds its items again, wherever they are now."""
        if foretold is None:
            entries, of = self._reading.take(MOST_ITEMS), self._fan.source.length or 0
        else:
            known = read_fingerprint(foretold.args)
            entries, of = self._reading.find(known.marks, known.keyed), known.of
        if not entries:
            return None
        if not self._limit:
            alone = not self._reading.holds_more_than(0)
            self._limit = self._fan.limit if alone else self._fan.limit // lanes(self._fan.limit)
        self._number += 1
        base = f"{self._base}.{self._number}"
        fan = self._fan
        spec = Spec(place_of(fan.fn), base, self._limit, fan.most(len(entries)), fan.losers, entries, of)
        return Call(self._saga, (spec,), {})


def lanes(limit: int) -> int:
    """How many chunks are at work at once: as many as share the limit evenly."""
    return max(number for number in range(1, LANES + 1) if limit % number == 0)


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
            iterable of pages, each an iterable of items; or an async iterable, which may await steps: its items are taken
            a chunk at a time, one chunk after the other.
        limit: how many items are at work at once, at least 1.
        tolerate: how many items may fail: a number, or a fraction below 1 of all items. As soon as more have failed, it
            is over.
        item_key: the identity of an item, a str; an item with the same identity and another content after a crash parks
            the run.
        losers: when too many have failed, what becomes of the others, finished ones included: "undo" (the default),
            "keep", or "cancel".

    Returns:
        when awaited, a `Partial`; see `Each` for `reduce` and `async for`.

    Raises:
        TooManyFailures: in the body; `partial` holds what came.
        DefinitionError: `fn` is not a step or a saga, or a number is out of its range.
    """
    called = _checked(fn, items, limit, tolerate, losers)
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
    def answer(tally: Tally, verdict: Verdict) -> End:
        ends = [end for _, end in sorted(tally.ends.items())]
        broken = next((end for end in ends if isinstance(end, Failed)), None)
        if broken is not None:
            return broken
        partial: Partial[Any] = Partial(fan, [end.value for end in ends if isinstance(end, Ok)])
        return Ok(partial) if verdict is Verdict.MET else Failed(partial.refusal())

    def feed(saga: str, base: str) -> Chunks:
        return Chunks(fan, saga, base)

    rule = Enduring(_weighed, fan.too_many, Verdict.LOST)
    return Each("each", (), rule, answer, fan.losers, limit=lanes(fan.limit), feed=feed, fan=fan)


def _weighed(end: End) -> tuple[int, int]:
    """How many items of a chunk have ended, and how many failed; a chunk that failed as a whole is too much in any case."""
    if isinstance(end, Failed):
        return 0, 1 << 62
    results = read(end.value)
    return len(results.values) + len(results.failed), len(results.failed)
