"""A mutant: one decided rule taken out of the code by exchanging one piece of its text."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SRC = ROOT / "src"


@dataclass(frozen=True)
class Mutant:
    """A named defect.

    `rule` is the decided rule that it breaks, under the word that it belongs to; `file` lies in `src/amends`; `old` is
    there exactly once. `by` names the tests that are most likely to find it: they are tried before all others.
    """

    name: str
    rule: str
    file: str
    old: str
    new: str
    by: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """The word that its rule belongs to: `Outcomes`, `Order`, `Key`."""
        return self.rule.partition(":")[0]

    def applied(self, text: str) -> str:
        """The text with the defect; raises `ValueError` when the piece is not there exactly once."""
        found = text.count(self.old)
        if found != 1:
            raise ValueError(f"mutant {self.name!r} no longer applies: its text is {found} times in {self.file}, not once")
        return text.replace(self.old, self.new)

    def apply(self, src: Path) -> None:
        """Put the defect into a copy of `src`."""
        path = src / "amends" / self.file
        mutated = self.applied(path.read_text())
        for stale in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
            stale.unlink()
        path.write_text(mutated)


def copied(src: Path, to: Path) -> Path:
    """A copy of `src`, with its bytecode, which stays good as long as a file does not change."""
    shutil.copytree(src, to)
    return to
