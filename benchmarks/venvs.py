"""The virtual environments of the peers, below `.bench`: made once, and again when the pinned versions change."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PINNED = Path(__file__).parent / "peers" / "versions"
"""A file of requirements for each environment; for what npm has, a `.npm` file of the same kind."""


def home(name: str) -> Path:
    """Where an environment is, or would be."""
    return ROOT / ".bench" / name


def python(name: str) -> Path | None:
    """Its interpreter, when it is there and holds the versions that are pinned. The empty name is amends' own."""
    if not name:
        return Path(sys.executable)
    return home(name) / "bin" / "python" if _is_made(name) else None


def pins(name: str) -> list[str]:
    """The packages of an environment with their versions; none for a server that is not ours to install."""
    return [pin for path in PINNED.glob(f"{name}.*") for pin in path.read_text().split()]


def make(name: str) -> str | None:
    """Make an environment, and give the reason when that cannot be done."""
    if _is_made(name):
        return None
    shutil.rmtree(home(name), ignore_errors=True)
    home(name).mkdir(parents=True)
    for command in _commands(name):
        try:
            done = subprocess.run(command, cwd=home(name), capture_output=True, text=True)
        except OSError as error:
            return f"{command[0]}: {error.strerror}"
        if done.returncode:
            return f"{' '.join(command[-3:])}: {(done.stderr or done.stdout).strip()[-300:]}"
    (home(name) / "made").write_text(_digest(name))
    return None


def _commands(name: str) -> list[list[str]]:
    if (PINNED / f"{name}.npm").exists():
        # Nothing of a package runs on installation: what is wanted is in the packages as they are.
        return [["npm", "install", "--ignore-scripts", "--no-fund", "--no-audit", *pins(name)]]
    pip = [str(home(name) / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return [[sys.executable, "-m", "venv", str(home(name))], [*pip, *pins(name)]]


def _digest(name: str) -> str:
    return hashlib.sha256(" ".join([*pins(name), sys.version]).encode()).hexdigest()


def _is_made(name: str) -> bool:
    made = home(name) / "made"
    return made.exists() and made.read_text() == _digest(name)
