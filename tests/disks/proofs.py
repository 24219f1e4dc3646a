"""What is proven about disks, each as one function that says what it found: power cuts, and operations that fail."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from amends.stores import files
from amends.stores.port import Durability
from tests.disks.failing import CODES, Failing
from tests.disks.power import Op, Recorder, moments
from tests.disks.shim import Shim
from tests.disks.work import Acknowledged, checkpoint_often, goes_on, lost, work


@dataclass
class Findings:
    """How many cases there were, and what was wrong: `lost` says where acknowledged turns were missing."""

    cases: int = 0
    lost: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)

    def add(self, case: str, wrong: Sequence[str]) -> None:
        """One case."""
        self.cases += 1
        for each in wrong:
            kind = self.corrupt if each.startswith("corrupt") else self.stuck if each.startswith("refused") else self.lost
            kind.append(f"{case}: {each}")

    @property
    def all(self) -> list[str]:
        """All that is wrong."""
        return self.lost + self.corrupt + self.stuck

    def __str__(self) -> str:
        return f"{self.cases} cases: lost {len(self.lost)}, corrupt {len(self.corrupt)}, stuck {len(self.stuck)}"


def recorded(durability: Durability) -> tuple[list[Op], Acknowledged]:
    """All that the work does to a disk, and what it was told meanwhile."""
    recorder = Recorder()
    said = Acknowledged(lambda: len(recorder.ops))
    with _folder() as folder, _early_checkpoints(), Shim(recorder).installed():
        work(folder / "a.db", durability, said)
    assert not said.refused, said.refused
    return recorder.ops, said


def power_cuts(durability: Durability, *, images: int, seed: int, use_every: int = 7) -> Findings:
    """Cut the power before and after every operation, `images` times each; every `use_every`th file is then used again."""
    ops, said = recorded(durability)
    found, luck = Findings(), Random(seed)
    with _folder() as folder:
        for moment, disk in moments(ops):
            if moment:
                found.seen[ops[moment - 1].kind] += 1
            for number in range(images):
                place = folder / f"{moment}-{number}"
                place.mkdir()
                disk.cut(luck, place)
                wrong = lost(place / "a.db", said.by(moment))
                if not wrong and found.cases % use_every == 0:
                    wrong = goes_on(place / "a.db")
                found.add(f"power cut {number} after operation {moment} of {len(ops)}", wrong)
                shutil.rmtree(place)
    return found


def failures(*, every: int, first: int = 0) -> Findings:
    """Let every `every`th operation fail, once and for ever, with each code; then all goes well again."""
    found = Findings()
    total = _count()
    for at in range(first, total, every):
        for code in CODES:
            for for_ever in (False, True):
                disk = Failing(at, code, for_ever=for_ever)
                case = f"operation {at} of {total} ({disk}) fails"
                found.add(case, _failed(disk, found))
    return found


def _failed(disk: Failing, found: Findings) -> list[str]:
    said = Acknowledged(lambda: 0)
    with _folder() as folder, _early_checkpoints():
        with Shim(disk).installed():
            work(folder / "a.db", "full", said)
        found.seen[disk.failed or "nothing"] += 1
        wrong = [f"refused without a cure: {refused!r}" for refused in said.refused if len(str(refused).split()) < 6]
        wrong += lost(folder / "a.db", said.by(0))
        return wrong or goes_on(folder / "a.db")


def _count() -> int:
    """How many operations the work makes that can fail."""
    disk = Failing(-1, 0, for_ever=False)
    with _folder() as folder, _early_checkpoints(), Shim(disk).installed():
        work(folder / "a.db", "full", Acknowledged(lambda: 0))
    return disk.count


@contextmanager
def _folder() -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="amends-disk-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        yield place
    finally:
        shutil.rmtree(place)


@contextmanager
def _early_checkpoints() -> Iterator[None]:
    real: Callable[..., object] = files._set
    checkpoint_often(setattr)
    try:
        yield
    finally:
        setattr(files, "_set", real)  # noqa: B010 (a module's function, put back)
