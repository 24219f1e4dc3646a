"""Power cuts: what a disk may hold when the power goes, at any operation, with what was not synced kept, lost or torn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeAlias

SECTOR = 512
"""Bytes that a disk writes wholly or not at all."""

KEPT = (0.0, 0.1, 0.5, 0.9, 1.0)
"""How much of what was not synced a power cut spares: one of these each time, so that the extremes are often tried."""

TORN = 0.3
"""The part of the writes under way of which some sectors reach the disk and others do not."""

GONE = ("-shm",)
"""Files that are memory shared by processes: nothing of them is left."""


class Op(NamedTuple):
    """One operation on a file; a `truncate` has its size as the offset."""

    kind: str
    name: str
    offset: int
    data: bytes


class Recorder:
    """A `shim.Disk` on which all goes well, and that remembers what was done, in order."""

    def __init__(self) -> None:
        self.ops: list[Op] = []

    def may(self, kind: str, name: str) -> int:
        """See `Disk`."""
        return 0

    def note(self, kind: str, name: str, offset: int = 0, data: bytes = b"") -> None:
        """See `Disk`."""
        self.ops.append(Op(kind, name, offset, data))

    def cut_short(self, name: str) -> bool:
        """See `Disk`."""
        return False


Pending: TypeAlias = list[Op]


@dataclass
class File:
    """A file as the disk holds it: what is safe, what is on its way, and whether its name is safe."""

    safe: bytearray = field(default_factory=bytearray)
    pending: Pending = field(default_factory=list)
    named: bool = False
    deleted: bool = False

    def sync(self) -> None:
        """All that was written is safe now."""
        for op in self.pending:
            _apply(self.safe, op)
        self.pending.clear()

    def after(self, luck: Random, kept: float) -> bytes:
        """What is left of it after a power cut that spares a part of what was on its way."""
        left = bytearray(self.safe)
        for op in self.pending:
            if op.kind == "write" and luck.random() < TORN:
                _tear(left, op, luck, kept)
            elif luck.random() < kept:
                _apply(left, op)
        return bytes(left)


class Disk:
    """All files, moved on operation by operation."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}

    def do(self, op: Op) -> None:
        """One operation happens."""
        if op.kind == "syncdir":
            for file in self.files.values():
                file.named = True
            self.files = {name: file for name, file in self.files.items() if not file.deleted}
            return
        if op.name.endswith(GONE):
            return
        file = self.files.setdefault(op.name, File())
        if op.kind == "sync":
            file.sync()
        elif op.kind == "delete":
            file.deleted = True
        elif op.kind == "create":
            file.deleted = False
        elif op.kind in ("write", "truncate"):
            file.pending.append(op)

    def cut(self, luck: Random, folder: Path) -> None:
        """Write what is left after a power cut into an empty folder."""
        kept = luck.choice(KEPT)
        for name, file in self.files.items():
            is_there = file.named or luck.random() < kept
            if file.deleted and luck.random() < 0.5:
                is_there = False
            if is_there:
                (folder / name).write_bytes(file.after(luck, kept))


def moments(ops: list[Op]) -> Iterator[tuple[int, Disk]]:
    """The disk before the first operation, and after each."""
    disk = Disk()
    yield 0, disk
    for number, op in enumerate(ops, start=1):
        disk.do(op)
        yield number, disk


def _apply(content: bytearray, op: Op) -> None:
    if op.kind == "truncate":
        del content[op.offset :]
        content.extend(bytes(op.offset - len(content)))
        return
    end = op.offset + len(op.data)
    content.extend(bytes(max(0, end - len(content))))
    content[op.offset : end] = op.data


def _tear(content: bytearray, op: Op, luck: Random, kept: float) -> None:
    """Some sectors of a write reach the disk, and some do not."""
    start = 0
    while start < len(op.data):
        stop = min(len(op.data), start + SECTOR - (op.offset + start) % SECTOR)
        if luck.random() < kept:
            _apply(content, Op("write", op.name, op.offset + start, op.data[start:stop]))
        start = stop
