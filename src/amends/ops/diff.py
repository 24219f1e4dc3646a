"""The error of a run whose code has changed: its diff as lines, and what it has in common with those of other runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from amends.ops.words import plain

if TYPE_CHECKING:
    from amends.stores.port import Letter

DIFF = re.compile(r"^(.*?)\n *- recorded: (.*?)\n *\+ asked: +(.*?)(?:\n(Bring back .*))?$", re.DOTALL)
"""The text of `Diverged`; it may have been cut."""

CODE = re.compile(r"^(\w+)\(|\b(?:step|saga|verb|name)='([^']*)'")
"""What the code says of a record: its kind and whom it is about. Its place and its values differ from run to run."""


def lines(error: str) -> str:
    """An error on one line; of a diff, each side on its own."""
    found = DIFF.match(error)
    if found is None:
        return plain(error)
    before, recorded, asked, after = (plain(part or "") for part in found.groups())
    return "\n".join(line for line in (before, f"  - recorded: {recorded}", f"  + asked:    {asked}", after) if line)


def alike(letter: Letter) -> tuple[str, str]:
    """What letters are grouped by: their kind and their error; of runs that one change of a saga has stopped, the change."""
    found = DIFF.match(letter.error) if letter.kind == "diverged" else None
    if found is None:
        return letter.kind, letter.error
    recorded, asked = (" ".join(kind or name for kind, name in CODE.findall(found[side])) or found[side] for side in (2, 3))
    return letter.kind, f"{letter.saga}: {recorded}, {asked}"
