"""How times and states are written for people."""

from __future__ import annotations

from datetime import UTC, datetime

STYLES = {
    "running": "cyan",
    "compensating": "yellow",
    "needs_attention": "bold red",
    "completed": "green",
    "compensated": "blue",
    "partly_compensated": "blue",
    "abandoned": "magenta",
}
"""A clean rollback is a correct outcome: never red."""


def instant(at: float) -> str:
    """A time of day, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def span(seconds: float) -> str:
    """A duration, short."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def when(at: float | None, now: float) -> str:
    """An instant, with how far off it is."""
    if at is None:
        return "at no set time"
    away = f"in {span(at - now)}" if at > now else f"{span(now - at)} ago"
    return f"{instant(at)} ({away})"
