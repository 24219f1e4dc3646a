"""Idempotency keys, fingerprints and luck: all drawn from what is recorded, the same on every machine."""

from __future__ import annotations

from hashlib import blake2b
from itertools import zip_longest
from typing import Any
from uuid import UUID

import msgspec

MOST_DIFFERENCES = 20
MOST_SHOWN = 200


def step_key(namespace: str, saga: str, run_id: str, pos: int, step: str, args: bytes, generation: int = 0) -> str:
    """The idempotency key of a step: 32 hexadecimal digits, the same on every attempt and after every crash.

    A BLAKE2b hash (RFC 7693, 16 bytes) of its parts, each with its length in front so that no two splits are alike. It
    holds no attempt, epoch, process or time. `generation` grows when an effect was undone and is wanted anew.
    """
    run = f"{len(namespace)}:{namespace}{len(saga)}:{saga}{len(run_id)}:{run_id}"
    head = f"{run}{pos}:{len(step)}:{step}{generation}:"
    return blake2b(head.encode() + args, digest_size=16).hexdigest()


def undo_key(key: str) -> str:
    """The idempotency key of the undo of the step with this key."""
    return blake2b(b"undo", digest_size=16, key=key.encode()).hexdigest()


def luck(seed: bytes, number: int) -> bytes:
    """The 16 pseudo-random bytes of a draw: the same for the same seed and number."""
    return blake2b(number.to_bytes(8, "big"), digest_size=16, key=seed[:64]).digest()


def luck_float(seed: bytes, number: int) -> float:
    """A number of at least 0 and below 1 (53 bits)."""
    return (int.from_bytes(luck(seed, number)[:8], "big") >> 11) / (1 << 53)


def luck_uuid(seed: bytes, number: int) -> UUID:
    """A UUID of version 4 (RFC 9562)."""
    return UUID(bytes=luck(seed, number), version=4)


def diff(old: bytes, new: bytes) -> str:
    """Where two JSON documents part, a line for each side of each difference."""
    lines: list[str] = []
    _differences(msgspec.json.decode(old), msgspec.json.decode(new), "", lines)
    shown = lines[: 2 * MOST_DIFFERENCES]
    if len(lines) > len(shown):
        shown.append(f"… and {(len(lines) - len(shown)) // 2} more")
    return "\n".join(shown)


def _differences(old: Any, new: Any, path: str, lines: list[str]) -> None:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            _differences(old.get(name, _ABSENT), new.get(name, _ABSENT), f"{path}.{name}" if path else name, lines)
    elif isinstance(old, list) and isinstance(new, list):
        for index, (was, now) in enumerate(zip_longest(old, new, fillvalue=_ABSENT)):
            _differences(was, now, f"{path}[{index}]", lines)
    elif old != new or type(old) is not type(new):
        was, now = _shown(_text(old), _text(new))
        where = f"{path}: " if path else ""
        lines += [f"- {where}{was}", f"+ {where}{now}"]


_ABSENT = object()


def _text(value: Any) -> str:
    return "(absent)" if value is _ABSENT else msgspec.json.encode(value).decode()


def _shown(old: str, new: str) -> tuple[str, str]:
    """Both texts, or of long ones the piece around the place where they part."""
    parted = next(
        (index for index, (was, now) in enumerate(zip(old, new, strict=False)) if was != now), min(len(old), len(new))
    )
    start = max(0, parted - MOST_SHOWN // 2)
    cut = slice(start, start + MOST_SHOWN)
    return ("…" + old[cut], "…" + new[cut]) if start else (old[cut], new[cut])
