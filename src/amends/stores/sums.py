"""The checksum of a run's row: over what it says of the run, computed by the database whenever it writes that."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

SUM = "row_sum(CAST(id AS BLOB), CAST(saga AS BLOB), CAST(parent AS BLOB), CAST({state} AS BLOB), {outcome})"
"""The checksum of a row in SQL: texts go in as bytes, because a flipped bit can make them no text at all."""

INTACT = f"(sum IS {SUM.format(state='state', outcome='outcome')})"
"""Whether a row is as it was written."""


def row_sum(*parts: bytes | None) -> bytes:
    """The checksum: BLAKE2b (RFC 7693) of 8 bytes over the parts, each with its length in front."""
    hasher = blake2b(digest_size=8)
    for part in parts:
        hasher.update((-1 if part is None else len(part)).to_bytes(8, "big", signed=True))
        hasher.update(part or b"")
    return hasher.digest()


def teach(db: sqlite3.Connection) -> None:
    """Let a connection compute checksums, and read texts that are none: they show what is wrong with them."""
    db.create_function("row_sum", 5, row_sum, deterministic=True)
    db.text_factory = _text


def _text(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")
