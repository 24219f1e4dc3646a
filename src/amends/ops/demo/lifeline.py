"""A child of the demo ends when the demo does, however that ended: its standard input is a pipe that only the demo holds."""

from __future__ import annotations

import os
import sys
import threading


def end_with_the_demo() -> None:
    """End this process at once when the other end of its standard input is gone."""
    threading.Thread(target=_wait, name="lifeline", daemon=True).start()


def _wait() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)
