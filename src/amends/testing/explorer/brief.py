"""Long stories cut short: what is in the middle of many lines, and the end of a long one, is counted and not told."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MOST_LINES = 80
"""Lines that are told of many: half of them are the first, half of them the last."""

MOST_LETTERS = 1_000
"""Letters that are told of one line."""

T = TypeVar("T")


def brief(
    things: Sequence[T], told: Callable[[T], Iterable[str]], keep: Callable[[T], bool] = lambda _: False
) -> Iterator[str]:
    """The lines that are told of the first and the last of many things, and of those between that are to be kept."""
    left_out = 0
    for number, thing in enumerate(things):
        if min(number, len(things) - 1 - number) >= MOST_LINES // 2 and not keep(thing):
            left_out += 1
            continue
        if left_out:
            yield f"  … {left_out:,} more …"
        left_out = 0
        yield from told(thing)


def cut(words: str) -> str:
    """The words, or as many of them as are told of one line."""
    more = len(words) - MOST_LETTERS
    return words if more <= 0 else f"{words[:MOST_LETTERS]}… ({more:,} more letters)"
