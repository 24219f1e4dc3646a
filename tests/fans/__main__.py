"""The long form of the proofs of fan-out: `python -m tests.fans [items]`, a million by default."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.fans import proofs


def main(items: int) -> None:
    """Print what was found; an assertion that fails is the end."""
    for name in ("killed", "stopped", "stopped, unknown"):
        with tempfile.TemporaryDirectory() as folder:
            if name == "killed":
                found = proofs.killed(Path(folder), items, 50)
            else:
                found = proofs.given_up(Path(folder), items, 50, name == "stopped")
        print(f"{name}: {found}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
