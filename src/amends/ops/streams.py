"""The streams that people read: signs that one cannot show are told with others, and one that takes nothing is noticed."""

from __future__ import annotations

import codecs
import errno
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, TextIO

import click

UNWRITTEN = 6

LOST = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO)
"""How a stream fails to be written; a pipe that nobody reads any more is no failure, and a store has errors of its own."""

DONE = "What the command did stays done."

SIGNS = {"├": "|", "└": "`", "─": "-", "│": "|", "…": "...", "✗": "x"}
"""What stands for a sign where only ASCII, or little else, can be shown; any other character is spelled out."""


def _shown(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(SIGNS.get(c) or ascii(c)[1:-1] for c in text), error.end


codecs.register_error("amends", _shown)


class Commands(click.Group):
    """Commands whose output can be shown wherever it goes, or is said not to have been written."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run a command."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="amends")
        try:
            return super().main(*args, **options)
        except OSError as error:
            if error.errno not in LOST or error.filename is not None:
                raise
            _throw_away(sys.stdout)
            with suppress(OSError):
                click.echo(f"amends: the output cannot be written: {error.strerror}. {DONE}", err=True)
            _throw_away(sys.stderr)
            sys.exit(UNWRITTEN)


def _throw_away(stream: TextIO) -> None:
    """Let go of what cannot be written, or else Python tries once more as it ends, and says how that failed."""
    try:
        stream.flush()
    except OSError:
        with suppress(OSError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
