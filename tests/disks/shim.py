"""A disk under SQLite: everything that the library asks of the operating system passes here, is noted, and may fail.

How it is done, and why so. The store opens its files with the standard library's `sqlite3`. A wrapper such as apsw brings
its own copy of SQLite, so its virtual file systems cannot be put under the store; a library in front of libc needs a
compiler on every machine that tests; a fake connection would leave out the very code whose promises are to be proven. So
a virtual file system (VFS) is registered, through ctypes, with the copy of SQLite that `sqlite3` itself runs on, and made
its default. Nothing above knows: the store, the standard library and SQLite's pager, log and checkpoints are the real ones.

The VFS adds nothing of its own either. A file is opened by SQLite's own code for Unix, in the memory that SQLite gave for
it; then its table of methods is exchanged for a copy in which some entries are ours, and ours call the original. Locks and
shared memory are real. That a directory was synced is not guessed: SQLite's own system call for it is watched.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

P, INT, I64, TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_char_p
CREATE = 0x4
"""SQLITE_OPEN_CREATE"""


def _call(*arguments: Any) -> Any:
    return ctypes.CFUNCTYPE(INT, *arguments)


METHODS: dict[str, Any] = {
    "close": _call(P),
    "read": _call(P, P, INT, I64),
    "write": _call(P, P, INT, I64),
    "truncate": _call(P, I64),
    "sync": _call(P, INT),
    "size": _call(P, P),
    "lock": _call(P, INT),
    "unlock": _call(P, INT),
    "reserved": _call(P, P),
    "control": _call(P, INT, P),
    "sector": _call(P),
    "traits": _call(P),
    "shm_map": _call(P, INT, INT, INT, P),
}
"""The methods of a file that are looked at, in the order of `struct sqlite3_io_methods`."""

VFS_CALLS: dict[str, Any] = {
    "open": _call(P, P, P, INT, P),
    "delete": _call(P, TEXT, INT),
    "access": _call(P, TEXT, INT, P),
}
DIRECTORY = _call(TEXT, P)


class Methods(ctypes.Structure):
    """`struct sqlite3_io_methods`; what comes last is only copied."""

    _fields_ = [("version", INT), *((name, P) for name in METHODS), *((name, P) for name in ("a", "b", "c", "d", "e"))]


class Vfs(ctypes.Structure):
    """`struct sqlite3_vfs`; what is not named is only copied."""

    _fields_ = [
        ("version", INT),
        ("file_size", INT),
        ("longest_path", INT),
        ("next", P),
        ("name", TEXT),
        ("data", P),
        *((name, P) for name in VFS_CALLS),
        *((f"rest{number}", P) for number in range(10)),
        ("set_system_call", _call(P, TEXT, P)),
        ("get_system_call", ctypes.CFUNCTYPE(P, P, TEXT)),
        ("next_system_call", P),
    ]


class Disk(Protocol):
    """Who is told what happens, by the file's name without its directory."""

    def may(self, kind: str, name: str) -> int:
        """Whether an operation may happen: 0, or the SQLite code with which it fails."""
        ...

    def note(self, kind: str, name: str, offset: int = 0, data: bytes = b"") -> None:
        """It happens now; a `truncate` has its size as the offset."""
        ...

    def cut_short(self, name: str) -> bool:
        """Whether a write that fails leaves its first half behind."""
        ...


class Shim:
    """The VFS; while it is installed, connections that are opened go through it, for as long as they live."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._sqlite = ctypes.CDLL(_sqlite3.__file__)
        self._sqlite.sqlite3_vfs_find.restype = ctypes.POINTER(Vfs)
        self._real: Vfs = self._sqlite.sqlite3_vfs_find(None).contents
        self._calls = {name: kind(getattr(self._real, name)) for name, kind in VFS_CALLS.items()}
        self._files: dict[int, str] = {}
        self._originals: dict[int, dict[str, Any]] = {}
        self._tables: dict[int, Methods] = {}
        self._directory: Any = None
        mine = {name: kind(getattr(self, f"_{name}")) for name, kind in METHODS.items() if hasattr(self, f"_{name}")}
        self._vfs = Vfs.from_buffer_copy(self._real)
        self._vfs.name = b"amends-disk"
        self._mine = mine | {name: kind(getattr(self, f"_{name}")) for name, kind in VFS_CALLS.items()}
        for name in VFS_CALLS:
            setattr(self._vfs, name, _address(self._mine[name]))

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Under every connection that is opened meanwhile; all of them are closed by the end."""
        real = ctypes.byref(self._real)
        self._directory = DIRECTORY(self._real.get_system_call(real, b"openDirectory"))
        hook = DIRECTORY(self._open_directory)
        self._sqlite.sqlite3_vfs_register(ctypes.byref(self._vfs), 1)
        self._real.set_system_call(real, b"openDirectory", _address(hook))
        try:
            yield
        finally:
            self._real.set_system_call(real, b"openDirectory", None)
            self._sqlite.sqlite3_vfs_unregister(ctypes.byref(self._vfs))
            self._sqlite.sqlite3_vfs_register(real, 1)
            assert not self._files, f"still open: {sorted(self._files.values())}"

    # ── the file system ─────────────────────────────────────────────────────────────────────────

    def _open(self, _: int, path: int | None, file: int, flags: int, out: int) -> int:
        whole = os.fsdecode(ctypes.string_at(path)) if path else ""
        name, is_new = os.path.basename(whole), not os.path.exists(whole)
        code = self._disk.may("open", name)
        methods = P.from_address(file)
        if code:
            methods.value = None
            return code
        if flags & CREATE and is_new:
            self._disk.note("create", name)
        code = self._calls["open"](ctypes.addressof(self._real), path, file, flags, out)
        if code == 0 and methods.value is not None:
            self._disk.note("open", name)
            self._files[file] = name
            methods.value = ctypes.addressof(self._table(methods.value))
        return code

    def _table(self, real: int) -> Methods:
        """A copy of SQLite's own table of methods, with ours in it."""
        if real not in self._tables:
            table = Methods.from_buffer_copy(Methods.from_address(real))
            originals = {name: kind(getattr(table, name)) for name, kind in METHODS.items() if getattr(table, name)}
            for name in originals.keys() & self._mine.keys():
                setattr(table, name, _address(self._mine[name]))
            self._tables[real] = table
            self._originals[ctypes.addressof(table)] = originals
        return self._tables[real]

    def _delete(self, _: int, path: bytes, sync: int) -> int:
        name = os.path.basename(os.fsdecode(path))
        code = self._disk.may("delete", name)
        if code:
            return code
        if os.path.exists(path):
            self._disk.note("delete", name)
        return self._calls["delete"](ctypes.addressof(self._real), path, sync)  # type: ignore[no-any-return]

    def _access(self, _: int, path: bytes, flags: int, out: int) -> int:
        code = self._disk.may("access", os.path.basename(os.fsdecode(path)))
        return code or self._calls["access"](ctypes.addressof(self._real), path, flags, out)

    def _open_directory(self, path: bytes, out: int) -> int:
        self._disk.note("syncdir", "")
        return self._directory(path, out)  # type: ignore[no-any-return]

    # ── a file ──────────────────────────────────────────────────────────────────────────────────

    def _original(self, name: str, file: int) -> Any:
        return self._originals[P.from_address(file).value or 0][name]

    def _close(self, file: int) -> int:
        original = self._original("close", file)
        del self._files[file]
        return original(file)  # type: ignore[no-any-return]

    def _read(self, file: int, buffer: int, count: int, offset: int) -> int:
        code = self._disk.may("read", self._files[file])
        return code or self._original("read", file)(file, buffer, count, offset)

    def _write(self, file: int, buffer: int, count: int, offset: int) -> int:
        name, original = self._files[file], self._original("write", file)
        code = self._disk.may("write", name)
        if code:
            if self._disk.cut_short(name):
                original(file, buffer, count // 2, offset)
            return code
        self._disk.note("write", name, offset, ctypes.string_at(buffer, count))
        return original(file, buffer, count, offset)  # type: ignore[no-any-return]

    def _truncate(self, file: int, size: int) -> int:
        name = self._files[file]
        code = self._disk.may("truncate", name)
        if code:
            return code
        self._disk.note("truncate", name, size)
        return self._original("truncate", file)(file, size)  # type: ignore[no-any-return]

    def _sync(self, file: int, flags: int) -> int:
        name = self._files[file]
        code = self._disk.may("sync", name)
        if code:
            return code
        self._disk.note("sync", name)
        return self._original("sync", file)(file, flags)  # type: ignore[no-any-return]

    def _size(self, file: int, out: int) -> int:
        return self._disk.may("size", self._files[file]) or self._original("size", file)(file, out)

    def _lock(self, file: int, level: int) -> int:
        return self._disk.may("lock", self._files[file]) or self._original("lock", file)(file, level)

    def _shm_map(self, file: int, region: int, size: int, extend: int, out: int) -> int:
        code = self._disk.may("shm_map", self._files[file])
        if code:
            P.from_address(out).value = None
            return code
        return self._original("shm_map", file)(file, region, size, extend, out)  # type: ignore[no-any-return]


def _address(function: Any) -> int:
    found = ctypes.cast(function, P).value
    assert found is not None
    return found
