"""Bears workers fast: one process that has imported everything, has no threads, and forks."""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from tests.storms.worker import Board, Life, Place, live

MOST_BIRTHS = 1 << 16
"""Places on the board; after so many births they are used again."""

PR_SET_PDEATHSIG = 1


@dataclass(eq=False)
class Child:
    """A worker, as the one that bore it knows it. `code` is the exit code, or minus the signal, once it has ended."""

    pid: int
    life: Life
    board: Board
    stopped: bool = False
    code: int | None = None


class ForkServer:
    """Forks, signals and reaps workers. When the `with` ends, none of them is left."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._shown = memoryview(mmap.mmap(-1, 2 * MOST_BIRTHS))
        self._children: dict[int, Child] = {}

    def __enter__(self) -> Self:
        gc.collect()
        gc.freeze()  # what is there now is shared by all workers, and stays so
        self._bell, self._rope = os.pipe()
        os.set_blocking(self._bell, False)
        os.set_blocking(self._rope, False)
        signal.set_wakeup_fd(self._rope, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        for child in list(self._children.values()):
            self.kill(child)
        while self._children:
            self.wait(1.0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self._bell)
        os.close(self._rope)

    def bear(self, life: Life) -> Child:
        """One more worker."""
        assert threading.active_count() == 1, "a process with threads must not fork"
        board = Board(self._shown, life.number)
        board.clear()
        me = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._be(me, life, board)
        child = self._children[pid] = Child(pid, life, board)
        return child

    def _be(self, parent: int, life: Life, board: Board) -> None:
        """What the child does after the fork; it never returns."""
        code = 70
        try:
            die_with(parent)
            board.say_tied()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(self._bell)
            os.close(self._rope)
            log = os.open(self._place.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            live(self._place, life, board)
            code = 0
        except BaseException:  # whatever it is, it ends in the log and not in the code of the parent
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def kill(self, child: Child) -> None:
        """`kill -9`."""
        self._signal(child, signal.SIGKILL)

    def stop(self, child: Child) -> None:
        """Stop it where it is."""
        self._signal(child, signal.SIGSTOP)

    def wake(self, child: Child) -> None:
        """Let it go on, as if nothing had been."""
        child.stopped = False
        self._signal(child, signal.SIGCONT)

    def _signal(self, child: Child, what: signal.Signals) -> None:
        if child.code is None:  # not reaped yet, so its number is still its own
            os.kill(child.pid, what)

    def wait(self, patience: float) -> list[Child]:
        """The workers that ended or stopped, as soon as there are any, within so many seconds."""
        changed = self._reap()
        if not changed and patience > 0:
            select.select([self._bell], [], [], patience)
            changed = self._reap()
        return changed

    def wait_for(self, what: Callable[[], bool], patience: float, step: float = 0.02) -> bool:
        """Wait until something is so; False when it is not so within about so many seconds."""
        for _ in range(int(patience / step)):
            self._reap()
            if what():
                return True
            select.select([], [], [], step)
        return what()

    def _reap(self) -> list[Child]:
        try:
            os.read(self._bell, 4096)
        except BlockingIOError:
            pass
        changed: list[Child] = []
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            if pid == 0:
                break
            child = self._children[pid]
            if os.WIFSTOPPED(status):
                child.stopped = True
            else:
                child.code = os.waitstatus_to_exitcode(status)
                del self._children[pid]
            changed.append(child)
        return changed


def die_with(parent: int) -> None:
    """End this process when its parent does, where the system can do that (Linux); elsewhere its group is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
