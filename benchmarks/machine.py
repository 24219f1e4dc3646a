"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import tempfile
from pathlib import Path

from benchmarks import servers, venvs
from benchmarks.entries import Entry


def described() -> dict[str, str]:
    """The machine, and the versions of what amends runs on."""
    return {
        "processor": f"{_first_line('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"Linux {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "PostgreSQL": servers.postgres_version() or "none",
        "disk": disk(Path(tempfile.gettempdir())),
    }


def _first_line(path: str, name: str) -> str:
    lines = Path(path).read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")


def disk(path: Path) -> str:
    """The file system that a path is on."""
    done = subprocess.run(["stat", "--file-system", "--format", "%T", str(path)], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def version(entry: Entry) -> str:
    """The versions of an engine's packages that are pinned here."""
    pins = [pin for name in (entry.venv, entry.also) for pin in venvs.pins(name)]
    found = (pin.replace("==", " ") if "==" in pin else " ".join(pin.rsplit("@", 1)) for pin in pins)
    return ", ".join(each for each in found if each.split()[0] in entry.packages)
