"""A chunk of a fan-out: a nested run that calls a function for so many items, and keeps what came of each."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from amends.errors import Compensated, DefinitionError, NotStorable, StepFailed
from amends.model.codec import shape_of
from amends.model.definition import find
from amends.model.failure import failure_of
from amends.model.item import Item
from amends.model.join import Failed, Join, Losers, Ok, Verdict
from amends.model.records import NULL, Failure, Raw
from amends.model.saga import Saga
from amends.model.tally import Enduring, Tally

if TYPE_CHECKING:
    from amends.model.join import End

NAME = "//each"
"""A chunk's saga is named after the saga that fans out: whoever drives that drives its chunks."""

MOST_ITEMS = 1000
MOST_BYTES = 1 << 20
"""A chunk holds no more items, and if it holds more than one no more bytes of them, than these."""


MARK = 8
"""Bytes of the fingerprint of an item; and as many of its content, where the item has a key."""


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One item, as the arguments of its call. `key` is its identity, if it has one; `name` is drawn into its key.

    A chunk gives it to items that have none yet, and it stays as long as the key may be used again.
    """

    args: Raw
    key: str = ""
    name: str = ""

    @property
    def identity(self) -> bytes:
        """What tells it from other items: its key, or its content."""
        return self.key.encode() or bytes(self.args)


class Lapse(msgspec.Struct, frozen=True, array_like=True):
    """An item that failed."""

    entry: Entry
    error: Failure
    attempts: int
    in_doubt: bool = False


class Spec(msgspec.Struct, frozen=True):
    """The input of a chunk: call what is found at `fn` for each entry, `limit` at once, until more than `most` failed.

    Once `share` have failed nothing more is begun, and the rest is handed back. `of` is how many items the whole fan-out had
    when the chunk was made, 0 if nobody knew.
    """

    fn: str
    base: str
    limit: int
    share: int
    most: int
    losers: Losers
    entries: list[Entry]
    of: int = 0


class Brief(msgspec.Struct, frozen=True):
    """How many items of a chunk succeeded and how many failed; those begun that had no end yet; and those never begun."""

    done: int
    lapsed: int
    lost: list[Entry]
    rest: list[Entry]


class Results(Brief, frozen=True):
    """What came of a chunk's items, in their order: values and failures."""

    values: list[Raw]
    failed: list[Lapse]


_spec = msgspec.json.Decoder(Spec)
_results = msgspec.json.Decoder(Results)
_brief = msgspec.json.Decoder(Brief)
_encode = msgspec.json.Encoder().encode


def read(raw: bytes) -> Results:
    """The results of a chunk."""
    return _results.decode(raw)


def read_brief(raw: bytes) -> Brief:
    """The results of a chunk, without its values and failures."""
    return _brief.decode(raw)


def without_values(raw: bytes) -> bytes:
    """The results of a chunk, without its values."""
    return _encode(msgspec.structs.replace(read(raw), values=[]))


class Fingerprint(msgspec.Struct, frozen=True):
    """What the run that fans out keeps of a chunk's input: `marks` holds the fingerprints of its items, one after another.

    `base` is the name of the chunk, and begins with the run's id and the position of the fan-out in it.
    """

    fn: str
    base: str
    items: int
    keyed: bool
    marks: bytes
    of: int


_fingerprint = msgspec.json.Decoder(Fingerprint)


def fingerprint(spec: Spec) -> bytes:
    """The fingerprint of a chunk, as it is journaled."""
    keyed = bool(spec.entries[0].key)
    return _encode(Fingerprint(spec.fn, spec.base, len(spec.entries), keyed, marks(spec.entries), spec.of))


def read_fingerprint(raw: bytes | Raw) -> Fingerprint:
    """The fingerprint of a chunk from the journal."""
    return _fingerprint.decode(raw)


def marks(entries: list[Entry]) -> bytes:
    """The fingerprints of items, one after another."""
    return b"".join(map(marked, entries))


def marked(entry: Entry) -> bytes:
    """The fingerprint of an item: of its identity, and of its content if that is not the same."""
    identity = blake2b(entry.identity, digest_size=MARK).digest()
    return identity if not entry.key else identity + blake2b(bytes(entry.args), digest_size=MARK).digest()


class Chunk(Saga[..., Any]):
    """The saga of the chunks of one saga's fan-outs; its value stays as it is written."""

    def __init__(self, saga_name: str) -> None:
        super().__init__(_chunk, saga_name + NAME, None)

    @cached_property
    def signature(self) -> Any:
        """Items are encoded once, and decoded where they are used."""
        return _Input()


class _Input:
    """Stands for a signature."""

    def __init__(self) -> None:
        self.result = _Output()

    def store(self, args: tuple[Spec], _: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
        return _encode(args[0]), {"spec": args[0]}

    def decode(self, raw: bytes | Raw) -> dict[str, Any]:
        try:
            return {"spec": _spec.decode(raw)}
        except msgspec.DecodeError as error:
            raise NotStorable(f"the input of a chunk cannot be read: {error}") from error


class _Output:
    """Stands for a shape."""

    def encode(self, value: Results) -> bytes:
        return _encode(value)

    def decode(self, raw: bytes | Raw) -> bytes:
        return bytes(raw)


async def _chunk(spec: Spec) -> Results:
    """Call the function for each item, a limited number at once, and stop when too many have failed."""
    fn = find(spec.fn)
    if fn is None:
        raise DefinitionError(f"there is no {spec.fn} in this process: import its module where the engine is made.")
    entries = named(spec.entries, spec.base)

    def answer(tally: Tally, _: Verdict) -> End:
        return Ok(tally)

    items = tuple(Item(fn, bytes(entry.args), entry.name, entry.identity) for entry in entries)
    rule = Enduring(spec.share, spec.most)
    tally: Tally = await Join("items", items, rule, answer, spec.losers, limit=spec.limit)
    ended = sorted(tally.ends.items())
    values = [end.value for _, end in ended if isinstance(end, Ok)]
    failed = [_lapse(entries[index], end.error) for index, end in ended if isinstance(end, Failed)]
    lost = [entry for index, entry in enumerate(entries[: tally.begun]) if index not in tally.ends]
    return Results(len(values), len(failed), lost, entries[tally.begun :], values, failed)


def named(entries: list[Entry], base: str) -> list[Entry]:
    """The entries with the names that their keys are made of: equal items are told apart by their number among equals."""
    seen: Counter[bytes] = Counter()
    told: list[Entry] = []
    for entry in entries:
        number = seen[entry.identity]
        seen[entry.identity] += 1
        told.append(entry if entry.name else Entry(entry.args, entry.key, f"{base}.{number}"))
    return told


def _lapse(entry: Entry, error: Exception) -> Lapse:
    """A failure, with the entry for another attempt: under the same key, unless that was cancelled and is of no use."""
    if isinstance(error, StepFailed) and error.undone:
        entry = Entry(entry.args, entry.key, f"{entry.name}+")
    return Lapse(entry, *_told(error), isinstance(error, StepFailed) and error.in_doubt)


def _told(error: Exception) -> tuple[Failure, int]:
    """A failure as it is kept, and how many attempts there were."""
    if isinstance(error, StepFailed):
        return Failure(
            error.error_type, error.error_message, data=Raw(shape_of(Any).encode(error.error_data))
        ), error.attempts
    if isinstance(error, Compensated) and isinstance(error.cause, Failure):
        return msgspec.structs.replace(error.cause, traceback=""), 1
    return msgspec.structs.replace(failure_of(error), traceback="", data=NULL), 1
