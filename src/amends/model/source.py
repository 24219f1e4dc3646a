"""Where the items of a fan-out come from, read a chunk at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sized
from typing import TYPE_CHECKING, Any

from amends.errors import DefinitionError, IllegalFact
from amends.model.chunk import MARK, MOST_BYTES, Entry, marked
from amends.model.records import Raw

if TYPE_CHECKING:
    from amends.model.call import Target


class Source:
    """The items of a fan-out over `fn`, which may be read anew: by a replay, or for another attempt.

    Args:
        fn: what is called for each.
        items: an iterable; an async iterable; or a function that gives an iterable of pages, each an iterable of items.
        key: the identity of an item, if it is not its content.
        entries: items that were read before, and come first.
    """

    def __init__(
        self, fn: Target[..., Any], items: Any, key: Callable[[Any], str] | None, entries: tuple[Entry, ...] = ()
    ) -> None:
        self.fn = fn
        self._items = items
        self._key = key
        self._entries = entries

    @property
    def is_async(self) -> bool:
        """Whether reading it awaits something."""
        return isinstance(self._items, AsyncIterable)

    @property
    def length(self) -> int | None:
        """How many items there are, if that is known."""
        return len(self._entries) + len(self._items) if isinstance(self._items, Sized) else None

    def reading(self) -> Reading:
        """Begin to read."""
        return Reading(self, self._entries, self._pages(), self._items if self.is_async else None)

    def with_entries(self, entries: Iterable[Entry], rest: Iterable[Any] = ()) -> Source:
        """A source of items that were read before, and then of the rest."""
        return Source(self.fn, rest, self._key, tuple(entries))

    def entry(self, item: Any) -> Entry:
        """An item as it is kept."""
        args = self.fn.signature.encode((item,), {})
        key = "" if self._key is None else self._key(item)
        if not isinstance(key, str):
            raise DefinitionError(f"each(item_key=...) gave {key!r} for {item!r}: it must give a str.")
        return Entry(Raw(args), key)

    def item(self, entry: Entry) -> Any:
        """The item that an entry was made of."""
        values = self.fn.signature.decode(entry.args)
        return values[self.fn.signature.first]

    def _pages(self) -> Iterator[Any]:
        if self.is_async:
            return
        if isinstance(self._items, Iterable):
            yield from self._items
        else:
            for page in self._items():
                if isinstance(page, (str, bytes)) or not isinstance(page, Iterable):
                    raise DefinitionError(
                        f"the function that gives the items of each({self.fn.name}, …) must give pages, each a list of "
                        f"items; it gave {page!r}."
                    )
                yield from page


class Reading:
    """A source that is being read. What was read and not handed out yet is kept."""

    def __init__(
        self, source: Source, entries: Iterable[Entry], items: Iterator[Any], coming: AsyncIterable[Any] | None
    ) -> None:
        self.items = items
        self._source = source
        self._read = deque(entries)
        self._displaced: dict[bytes, deque[Entry]] = {}
        self._coming: AsyncIterator[Any] | None = None if coming is None else coming.__aiter__()

    async def fill(self, most: int) -> None:
        """Read on, until there is enough for a chunk: only an async source needs this."""
        while self._coming is not None and len(self._read) < most:
            try:
                self._read.append(self._source.entry(await self._coming.__anext__()))
            except StopAsyncIteration:
                self._coming = None

    def holds_more_than(self, number: int) -> bool:
        """Whether more than so many entries are left."""
        while len(self._read) <= number:
            if not self._fetch():
                return False
        return True

    def take(self, most: int) -> list[Entry]:
        """The next entries: at most so many, and not too much in bytes."""
        taken: list[Entry] = []
        size = 0
        while len(taken) < most and (self._read or self._fetch()):
            size += len(bytes(self._read[0].args))
            if taken and size > MOST_BYTES:
                break
            taken.append(self._read.popleft())
        return taken

    def find(self, marks: bytes, keyed: bool) -> list[Entry]:
        """The entries of a chunk as it was taken before a crash, wherever they are in the source now.

        Raises:
            IllegalFact: one of them is not there any more, or has another content.
        """
        width = 2 * MARK if keyed else MARK
        found = [self._find(marks[at : at + width]) for at in range(0, len(marks), width)]
        if self._displaced:
            self._read.extendleft(reversed([entry for same in self._displaced.values() for entry in same]))
            self._displaced.clear()
        return found

    def _find(self, mark: bytes) -> Entry:
        identity = mark[:MARK]
        there = self._displaced.get(identity)
        entry = there.popleft() if there else self._look_for(identity)
        if marked(entry) != mark:
            raise IllegalFact(
                f"item {entry.key!r} of each({self._source.fn.name}) is not what it was when the run fanned out: "
                f"now it is {bytes(entry.args).decode()}"
            )
        return entry

    def _look_for(self, identity: bytes) -> Entry:
        while self._read or self._fetch():
            entry = self._read.popleft()
            if marked(entry)[:MARK] == identity:
                return entry
            self._displaced.setdefault(marked(entry)[:MARK], deque()).append(entry)
        new = next((bytes(same[0].args).decode() for same in self._displaced.values() if same), "nothing")
        raise IllegalFact(
            f"an item of each({self._source.fn.name}) that was read before a crash is not among the items any more; "
            f"of those that are there now, the first that is new is {new}"
        )

    def _fetch(self) -> bool:
        for item in self.items:
            self._read.append(self._source.entry(item))
            return True
        return False
