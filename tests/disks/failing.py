"""A disk on which one operation fails, once or from then on."""

from __future__ import annotations

IOERR, FULL = 10, 13
CODES = {IOERR: "input/output error", FULL: "disk full"}
"""The codes with which SQLite says what the operating system said (EIO, ENOSPC)."""

CANTOPEN = 14


class Failing:
    """A `shim.Disk`; counts the operations that can fail, and lets number `at` fail. `failed` names it."""

    def __init__(self, at: int, code: int, *, for_ever: bool) -> None:
        self.count = 0
        self.failed = ""
        self._at = at
        self._code = code
        self._for_ever = for_ever

    def __str__(self) -> str:
        return f"{CODES.get(self._code, 'nothing')} {'for ever' if self._for_ever else 'once'}"

    def strike(self, after: int) -> None:
        """Let the operation fail that comes after so many more."""
        self._at = self.count + after

    def may(self, kind: str, name: str) -> int:
        """See `Disk`. Only writes find the disk full."""
        number, self.count = self.count, self.count + 1
        if self._at < 0 or number < self._at or (number > self._at and not self._for_ever):
            return 0
        if self._code == FULL and kind not in ("write", "truncate", "open", "shm_map"):
            return 0
        self.failed = self.failed or kind
        return CANTOPEN if kind == "open" else self._code

    def note(self, kind: str, name: str, offset: int = 0, data: bytes = b"") -> None:
        """See `Disk`."""

    def cut_short(self, name: str) -> bool:
        """See `Disk`."""
        return True
