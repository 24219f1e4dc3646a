"""How times, states and foreign text are written for people."""

from __future__ import annotations

from datetime import UTC, datetime

STYLES = {
    "running": "cyan",
    "compensating": "yellow",
    "needs_attention": "bold red",
    "held": "green",
    "completed": "green",
    "compensated": "blue",
    "partly_compensated": "blue",
    "abandoned": "magenta",
}
"""A clean rollback is a correct outcome: never red."""

YEAR = 365.2425 * 86400
"""Seconds."""


def plain(text: str) -> str:
    """Text that others wrote, on one line and without anything that a terminal would obey."""
    return " ".join(printable(text).split())


def printable(text: str) -> str:
    """Text that others wrote: its lines stay, what a terminal would obey is spelled out."""
    return "".join(c if c.isprintable() or c == "\n" else " " if c == "\t" else ascii(c)[1:-1] for c in text)


def short(text: str, most: int) -> str:
    """Text cut to a length, and marked as cut."""
    return text if len(text) <= most else text[: most - 1] + "…"


def state_words(state: str) -> str:
    """A state's name for people."""
    return state.replace("_", " ")


def instant(at: float) -> str:
    """A date and time of day, in UTC; of an instant that no calendar reaches, its year."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"the year {_large(1970 + at // YEAR)}"


def span(seconds: float) -> str:
    """A duration, short; negative when a clock was set back."""
    if seconds < 0:
        return f"-{span(-seconds)}"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days" if seconds < 2 * YEAR else f"{_large(seconds / YEAR)} years"


def _large(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0") if number < 1000 else f"{number:.0f}" if number < 1e9 else f"{number:.0e}"


def plus(seconds: float) -> str:
    """A time within a story, from its start."""
    if seconds < 120:
        return span(seconds) if seconds < 0 else f"+{span(seconds)}"
    minutes, rest = divmod(int(seconds), 60)
    return f"+{minutes // 60}:{minutes % 60:02}:{rest:02}"


def when(at: float, now: float) -> str:
    """An instant, with how far off it is."""
    away = f"in {span(at - now)}" if at > now else f"{span(now - at)} ago"
    return f"{instant(at)} ({away})"


def times(count: int) -> str:
    """How often."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def count(number: int) -> str:
    """A number with its thousands set apart."""
    return f"{number:,}"


def sentence(text: object) -> str:
    """Text that others wrote, on one line and with an end."""
    said = plain(str(text))
    return said if said.endswith((".", "!", "?")) else f"{said}."
