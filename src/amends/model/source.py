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

MOST_AHEAD = 4 * MOST_BYTES
"""How many bytes of items are read ahead, to know how many are left."""


class Source:
    """The items of a fan-out over `fn`, which may be read anew: by a replay, or for another attempt.

    Args:
        fn: what is called for each.
        items: an iterable; an async iterable; or a function that gives an iterable of pages, each an iterable of items.
        key: the identity of an item, if it is not its content.
        begun: what is left of them, if they are not read from the start.
    """

    def __init__(
        self, fn: Target[..., Any], items: Any, key: Callable[[Any], str] | None, begun: Reading | None = None
    ) -> None:
        self.fn = fn
        self._items = items
        self._key = key
        self._begun = begun
        self._length = None if begun is None else begun.left

    @property
    def is_async(self) -> bool:
        """Whether reading it awaits something."""
        return isinstance(self._items, AsyncIterable) if self._begun is None else self._begun.is_async

    @property
    def length(self) -> int | None:
        """How many items there are, if that is known."""
        if self._begun is not None:
            return self._length
        return len(self._items) if isinstance(self._items, Sized) else None

    def reading(self) -> Reading:
        """Begin to read, or go on."""
        if self._begun is not None:
            return self._begun
        return Reading(self, self._pages(), self._items if self.is_async else None)

    def from_here(self, reading: Reading) -> Source:
        """What is left of it."""
        return Source(self.fn, self._items, self._key, reading)

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

    def __init__(self, source: Source, items: Iterator[Any], coming: AsyncIterable[Any] | None) -> None:
        self.at_end = False
        self._items = items
        self._source = source
        self._length = source.length
        self._fetched = 0
        self._read: deque[Entry] = deque()
        self._size = 0
        self._displaced: dict[bytes, deque[Entry]] = {}
        self._coming: AsyncIterator[Any] | None = None if coming is None else coming.__aiter__()

    @property
    def is_async(self) -> bool:
        """Whether reading on awaits something."""
        return self._coming is not None

    @property
    def left(self) -> int | None:
        """How many entries are left, if that is known."""
        if self.at_end:
            return self._kept
        return None if self._length is None else self._kept + max(0, self._length - self._fetched)

    async def fill(self, most: int) -> None:
        """Read on, until there is enough for a chunk: only an async source needs this."""
        while self._coming is not None and len(self._read) < most:
            try:
                item = await self._coming.__anext__()
            except StopAsyncIteration:
                self._coming = None
            else:
                self._keep(self._source.entry(item))

    def ahead(self, most: int) -> int:
        """Read on, until so many entries are kept, or as much as fits; how many are known to be left, at most so many."""
        self._put_displaced_back()
        while len(self._read) < most and self._size < MOST_AHEAD:
            if not self._fetch():
                return len(self._read)
        return most

    def holds_more_than(self, number: int) -> bool:
        """Whether more than so many entries are left."""
        while self._kept <= number:
            if not self._fetch():
                return False
        return True

    def rest(self) -> list[Entry]:
        """All that is left; it is read, but not handed out."""
        self._put_displaced_back()
        while self._fetch():
            pass
        return list(self._read)

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Take back entries, to hand them out before the others."""
        self._read.extendleft(reversed(list(entries)))
        self._size = sum(len(entry.args) for entry in self._read)

    def take(self, most: int) -> list[Entry]:
        """The next entries: at most so many, and not too much in bytes."""
        self._put_displaced_back()
        taken: list[Entry] = []
        size = 0
        while len(taken) < most and (self._read or self._fetch()):
            size += len(self._read[0].args)
            if taken and size > MOST_BYTES:
                break
            taken.append(self._next())
        return taken

    def find(self, marks: bytes, keyed: bool) -> list[Entry]:
        """The entries of a chunk as it was taken before a crash, wherever they are in the source now.

        Raises:
            IllegalFact: one of them is not there any more, or has another content.
        """
        width = 2 * MARK if keyed else MARK
        return [self._find(marks[at : at + width]) for at in range(0, len(marks), width)]

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
            entry = self._next()
            mark = marked(entry)[:MARK]
            if mark == identity:
                return entry
            self._displaced.setdefault(mark, deque()).append(entry)
        new = next((bytes(same[0].args).decode() for same in self._displaced.values() if same), "nothing")
        raise IllegalFact(
            f"an item of each({self._source.fn.name}) that was read before a crash is not among the items any more; "
            f"of those that are there now, the first that is new is {new}"
        )

    @property
    def _kept(self) -> int:
        return len(self._read) + sum(map(len, self._displaced.values()))

    def _put_displaced_back(self) -> None:
        """Those that were passed over in a search come first, once nothing more is searched for."""
        if self._displaced:
            self.put_back(entry for same in self._displaced.values() for entry in same)
            self._displaced.clear()

    def _next(self) -> Entry:
        entry = self._read.popleft()
        self._size -= len(entry.args)
        return entry

    def _fetch(self) -> bool:
        for item in self._items:
            self._keep(self._source.entry(item))
            return True
        self.at_end = self._coming is None
        return False

    def _keep(self, entry: Entry) -> None:
        self._fetched += 1
        self._size += len(entry.args)
        self._read.append(entry)
