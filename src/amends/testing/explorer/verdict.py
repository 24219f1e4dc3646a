"""What the run of a world says of itself, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amends.testing.explorer.ending import Ending


def of(ending: Ending) -> str:
    """How it ended and why, what it left in the world, and for what it needs a person."""
    if ending.row is None:
        return "it never began"
    parts = [ending.state.replace("_", " ")]
    if ending.cause is not None:
        parts.append(f"because of {ending.cause}")
    parts += [f"{kept.step} stays: {kept.why}" for kept in ending.kept]
    parts += [
        f"dead letter {letter.id} ({letter.kind}) about {letter.step or 'the run'}: {letter.error}"
        for letter in ending.letters
    ]
    return "; ".join(parts)
