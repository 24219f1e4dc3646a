"""What is on a disk after a power cut: all that was synced, and of the rest whatever luck has left."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

SECTOR = 512
LUCK = (0.0, 0.1, 0.5, 0.9, 1.0)
"""How much of what was not synced survives; one of these for each power cut, so that the extremes are often tried."""

Image: TypeAlias = dict[str, bytes]
"""The files of a directory, by name."""


class Op(NamedTuple):
    """One operation on the disk; a `truncate` has its size as the offset."""

    kind: str
    name: str
    offset: int = 0
    data: bytes = b""


@dataclass
class Inode:
    """A file without its name: what is safe, and what was done since the last sync."""

    safe: bytes = b""
    loose: list[Op] = field(default_factory=list)

    def sync(self) -> None:
        for op in self.loose:
            self.safe = _applied(self.safe, op)
        self.loose.clear()


class Platter:
    """The disk, as far as it got. A disk that lies says that it has synced, and has not.

    A file's name is not safe before its directory was synced, even when its content is: POSIX promises no more.
    """

    def __init__(self, image: Image, *, lies: bool = False) -> None:
        self._safe: dict[str, Inode] = {name: Inode(content) for name, content in image.items()}
        self._names: dict[str, Inode] = dict(self._safe)
        self._loose: list[tuple[str, Inode | None]] = []
        self._lies = lies

    def run(self, op: Op) -> None:
        """Let one operation happen."""
        if op.kind == "create" or (op.kind == "open" and op.name not in self._names):
            self._rename(op.name, Inode())
        elif op.kind == "delete":
            self._rename(op.name, None)
        elif op.kind in ("write", "truncate"):
            self._names[op.name].loose.append(op)
        elif op.kind == "sync" and not self._lies:
            self._names[op.name].sync()
        elif op.kind == "syncdir" and not self._lies:
            self._safe = dict(self._names)
            self._loose.clear()

    def _rename(self, name: str, inode: Inode | None) -> None:
        if inode is None:
            self._names.pop(name, None)
        else:
            self._names[name] = inode
        self._loose.append((name, inode))

    def cut(self, luck: random.Random) -> Image:
        """What is found when the power comes back. Of the changes of one name a first part survives, and of the writes
        to a file any of them, whole or in sectors; a name does not wait for its content, nor the other way round."""
        kept = luck.choice(LUCK)
        found = dict(self._safe)
        for name in sorted({name for name, _ in self._loose}):
            for changed in [inode for each, inode in self._loose if each == name]:
                if luck.random() >= kept:
                    break
                if changed is None:
                    found.pop(name, None)
                else:
                    found[name] = changed
        image = {name: _survivor(inode, kept, luck) for name, inode in sorted(found.items())}
        if luck.random() < 0.5:
            image["a.db-shm"] = luck.randbytes(32768)  # it is memory, but its file may be left, with anything in it
        return image


def _survivor(inode: Inode, kept: float, luck: random.Random) -> bytes:
    content = inode.safe
    for op in inode.loose:
        fate = luck.random()
        if op.kind == "write" and fate >= kept and luck.random() < 0.25:
            content = _torn(content, op, luck)
        elif fate < kept:
            content = _applied(content, op, luck)
    return content


def _torn(content: bytes, op: Op, luck: random.Random) -> bytes:
    """Some sectors of a write, perhaps none: then the file may have grown without getting what it grew for."""
    end = op.offset + len(op.data)
    if luck.random() < 0.5:
        content = _grown(content, end, luck)
    for start in range(op.offset - op.offset % SECTOR, end, SECTOR):
        if luck.random() < 0.5:
            first, last = max(start, op.offset), min(start + SECTOR, end)
            piece = op.data[first - op.offset : last - op.offset]
            content = _applied(content, Op("write", op.name, first, piece), luck)
    return content


def _applied(content: bytes, op: Op, luck: random.Random | None = None) -> bytes:
    if op.kind == "truncate":
        return content[: op.offset].ljust(op.offset, b"\0")
    content = _grown(content, op.offset, luck)
    return content[: op.offset] + op.data + content[op.offset + len(op.data) :]


def _grown(content: bytes, size: int, luck: random.Random | None) -> bytes:
    """A hole that nobody wrote to holds zeros, or what was on those sectors before."""
    missing = size - len(content)
    if missing <= 0:
        return content
    return content + (luck.randbytes(missing) if luck is not None and luck.random() < 0.5 else bytes(missing))
