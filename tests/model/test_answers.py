"""Which exceptions are answers, and which are lost answers."""

from __future__ import annotations

import asyncio
import http.client
import urllib.error
from email.message import Message

import pytest

from amends.model.answers import answer_was_lost
from amends.model.call import Options


class Wrapped(Exception):
    pass


def wrapped(inner: BaseException) -> Wrapped:
    error = Wrapped()
    error.__cause__ = inner
    return error


TransportError = type("TransportError", (Exception,), {"__module__": "httpx"})
ReadTimeout = type("ReadTimeout", (TransportError,), {"__module__": "httpx"})


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (ValueError(), False),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (http.client.RemoteDisconnected(), True),
        (http.client.IncompleteRead(b""), True),
        (ReadTimeout(), True),
        (wrapped(OSError()), True),
        (wrapped(ValueError()), False),
        (asyncio.CancelledError(), True),
        (SystemExit(1), True),
        (urllib.error.HTTPError("http://x", 404, "no", Message(), None), False),
        (urllib.error.URLError("refused"), True),
    ],
    ids=repr,
)
def test_lost(error: BaseException, lost: bool) -> None:
    assert answer_was_lost(error) is lost
    if isinstance(error, urllib.error.HTTPError):
        error.close()


def test_options_move_types_from_one_side_to_the_other() -> None:
    options = Options(doubt=ValueError, fails=(ConnectionRefusedError,))
    assert options.leaves_doubt(ValueError()) and not options.leaves_doubt(ConnectionRefusedError())
    assert options.leaves_doubt(ConnectionResetError())
