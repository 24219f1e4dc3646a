"""What a piece of work costs: CPU, memory and bytes written, of this process and of the server that it talks to."""

from __future__ import annotations

import os
import re
import resource
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Reading:
    """Totals since the start: CPU seconds, and bytes sent to the disk."""

    cpu: float
    written: int

    def __sub__(self, other: Reading) -> Reading:
        return Reading(self.cpu - other.cpu, self.written - other.written)


def read(server: int | None) -> Reading:
    """This process together with a server's tree; what a server has for children that ended is counted with it."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    tree = _tree(server) if server is not None else []
    cpu = own.ru_utime + own.ru_stime + sum(_cpu(pid) for pid in tree)
    return Reading(cpu, _written("self") + sum(_written(str(pid)) for pid in tree))


def memory(server: int | None) -> int:
    """Bytes of memory now: of this process, and what a server's tree holds beyond what it shares with others."""
    tree = _tree(server) if server is not None else []
    return sum(_resident(str(pid)) for pid in ["self", *tree])


def peak() -> int:
    """KiB of memory that this program has had at most; what its parent had before it became this one does not count."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None, "Linux says how much memory a program has had"
    return int(found[1])


def kept(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _tree(root: int) -> list[int]:
    found = [root]
    for pid in found:
        try:
            children = Path(f"/proc/{pid}/task").glob("*/children")
            found.extend(int(child) for path in children for child in path.read_text().split())
        except OSError:  # it has ended, and its parent counts it
            pass
    return found


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended, and its parent counts it
        return 0.0
    return sum(int(field) for field in fields[11:15]) / TICKS


def _written(pid: str) -> int:
    return _lines(f"/proc/{pid}/io").get("write_bytes", 0)


def _resident(pid: str) -> int:
    return _lines(f"/proc/{pid}/smaps_rollup").get("Pss", 0) * 1024


def _lines(path: str) -> dict[str, int]:
    """The numbers of one of the kernel's files with a name and a number on each line."""
    try:
        text = Path(path).read_text()
    except OSError:  # it has ended, or is another user's
        return {}
    pairs = (line.split()[:2] for line in text.splitlines() if line.count(":") == 1)
    return {name.removesuffix(":"): int(value) for name, value in pairs if value.isdecimal()}
