"""Which exceptions are answers, and which are lost answers."""

from __future__ import annotations

import asyncio
import http.client as http_client
import imaplib
import multiprocessing
import subprocess
import urllib.error
from concurrent.futures.process import BrokenProcessPool
from email.message import Message
from types import SimpleNamespace

import pytest

from amends.model.answers import answer_was_lost
from amends.model.call import Options


class Wrapped(Exception):
    pass


def wrapped(inner: BaseException) -> Wrapped:
    error = Wrapped()
    error.__cause__ = inner
    return error


def instead_of(lost: BaseException, error: Exception | None = None, *, settled: bool = False) -> Exception:
    """What a step raises in the `except` of another error; `from None`, if that is settled."""
    error = error or Wrapped()
    error.__context__, error.__suppress_context__ = lost, settled
    return error


TransportError = type("TransportError", (Exception,), {"__module__": "httpx"})
ReadTimeout = type("ReadTimeout", (TransportError,), {"__module__": "httpx"})


def named(module: str, name: str, base: type[Exception] = Exception, **attributes: object) -> Exception:
    """An error as a library raises it that need not be installed here."""
    kind = type(name.rpartition(".")[2], (base,), {"__module__": module, "__qualname__": name})
    error = kind("as a library raises it")
    for attribute, value in attributes.items():
        setattr(error, attribute, value)
    return error


def http(status: int, base: type[Exception] = Exception) -> Exception:
    return named("httpx", "HTTPStatusError", base, response=SimpleNamespace(status_code=status))


def grpc(code: str) -> Exception:
    return named("grpc", "RpcError", code=lambda: SimpleNamespace(name=code))


def amazon(status: int) -> Exception:
    response = {"Error": {"Code": "x"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return named("botocore.exceptions", "ClientError", response=response)


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (ValueError(), False),
        (KeyError("receipt"), False),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (EOFError(), True),
        (asyncio.IncompleteReadError(b"", 4), True),
        (http_client.RemoteDisconnected(), True),
        (http_client.IncompleteRead(b""), True),
        (ReadTimeout(), True),
        (wrapped(OSError()), True),
        (wrapped(ValueError()), False),
        (instead_of(TimeoutError()), True),
        (instead_of(KeyError()), False),
        (instead_of(wrapped(OSError())), True),
        (instead_of(TimeoutError(), settled=True), False),
        (instead_of(OSError(), http(409)), False),
        (asyncio.CancelledError(), True),
        (SystemExit(1), True),
        (urllib.error.HTTPError("http://x", 404, "no", Message(), None), False),
        (urllib.error.HTTPError("http://x", 504, "the gateway's", Message(), None), True),
        (urllib.error.URLError("refused"), True),
        (ExceptionGroup("two", [ValueError(), ConnectionResetError()]), True),
        (ExceptionGroup("deep", [ExceptionGroup("er", [wrapped(TimeoutError())])]), True),
        (ExceptionGroup("two", [ValueError(), KeyError()]), False),
        (wrapped(ExceptionGroup("one", [OSError()])), True),
        (http(402), False),
        (http(402, OSError), False),
        (http(500), True),
        (http(503, OSError), True),
        (wrapped(http(502)), True),
        (amazon(400), False),
        (amazon(500), True),
        (named("aiohttp.client_exceptions", "ClientResponseError", status=409), False),
        (named("aiohttp.client_exceptions", "ClientResponseError", status=500), True),
        (named("shop", "Declined", status=500, code=500), False),
        (grpc("UNAVAILABLE"), True),
        (grpc("INVALID_ARGUMENT"), False),
        (subprocess.TimeoutExpired("pay", 1), True),
        (subprocess.CalledProcessError(-9, "pay"), True),
        (subprocess.CalledProcessError(2, "pay"), False),
        (BrokenProcessPool("killed"), True),
        (multiprocessing.TimeoutError(), True),
        (imaplib.IMAP4.abort("gone"), True),
        (imaplib.IMAP4.error("no"), False),
        (named("redis.exceptions", "ConnectionError"), True),
        (named("websockets.exceptions", "ConnectionClosed"), True),
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
