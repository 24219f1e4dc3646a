"""Whether an exception is an answer, or the sign that an answer was lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LOST = (TimeoutError, OSError, EOFError)
"""Time-outs, connections lost, streams cut short."""

LOST_BY_NAME = frozenset(
    {
        "aiohttp.client_exceptions.ClientConnectionError",
        "aiohttp.client_exceptions.ClientPayloadError",
        "anyio.BrokenResourceError",
        "anyio._core._exceptions.BrokenResourceError",
        "anyio.EndOfStream",
        "anyio._core._exceptions.EndOfStream",
        "asyncpg.exceptions.PostgresConnectionError",
        "botocore.exceptions.HTTPClientError",
        "concurrent.futures._base.BrokenExecutor",
        "http.client.HTTPException",
        "httpcore.NetworkError",
        "httpcore.RemoteProtocolError",
        "httpcore.TimeoutException",
        "httpx.TransportError",
        "imaplib.IMAP4.abort",
        "multiprocessing.context.TimeoutError",
        "pika.exceptions.AMQPConnectionError",
        "psycopg.OperationalError",
        "psycopg2.OperationalError",
        "pymongo.errors.ConnectionFailure",
        "redis.exceptions.ConnectionError",
        "redis.exceptions.TimeoutError",
        "requests.exceptions.ConnectionError",
        "requests.exceptions.Timeout",
        "requests.exceptions.ChunkedEncodingError",
        "stripe._error.APIConnectionError",
        "stripe.error.APIConnectionError",
        "subprocess.TimeoutExpired",
        "urllib3.exceptions.ProtocolError",
        "urllib3.exceptions.TimeoutError",
        "websockets.exceptions.ConnectionClosed",
    }
)
"""Libraries whose lost answers are not always of a built-in kind; named, so that none has to be imported."""

GRPC_ANSWERS = frozenset(
    {
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
        "FAILED_PRECONDITION",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "RESOURCE_EXHAUSTED",
    }
)
"""Status codes of gRPC with which a server says no; the others may come from anywhere on the way."""


def answer_was_lost(error: BaseException) -> bool:
    """Whether nobody can know from this error if the call took effect.

    True for time-outs, `OSError` (a connection lost), known client libraries' equivalents, what is raised `from` one of
    these or in its `except`, a group that holds one, and everything that is not an `Exception` (the step was interrupted).
    Who raises `from None` in an `except` says that it is an answer all the same. An HTTP response
    of the class 4xx is an answer, even where it is raised as an `OSError`; one of 5xx is not: the server, or a gateway
    before it, failed in the midst of the work, and RFC 9110 (section 15.6) says nothing of what was done by then.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        lost = _says(link)
        if lost is not None:
            return lost
        seen.add(id(link))
        link = link.__cause__ if link.__suppress_context__ else link.__cause__ or link.__context__
    return False


def _says(error: BaseException) -> bool | None:
    """Whether an error by itself says that the answer was lost, or that it is an answer; None when it says neither."""
    if not isinstance(error, Exception):
        return True
    if isinstance(error, BaseExceptionGroup):
        return any(answer_was_lost(each) for each in error.exceptions) or None
    status = _status(error)
    if status is not None:
        return status >= 500
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    if "grpc.RpcError" in names:
        return _grpc_code(error) not in GRPC_ANSWERS
    if "subprocess.CalledProcessError" in names:
        return getattr(error, "returncode", 0) < 0  # it was killed; else what it says is its answer
    return isinstance(error, LOST) or not names.isdisjoint(LOST_BY_NAME) or None


def _status(error: Exception) -> int | None:
    """The status of the HTTP response that an error stands for, if it stands for one."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, Mapping):  # botocore's
        response = response.get("ResponseMetadata")
        status = response.get("HTTPStatusCode") if isinstance(response, Mapping) else None
        return status if isinstance(status, int) else None
    found = [getattr(response, "status_code", None), getattr(response, "status", None)]
    if isinstance(error, OSError):
        found.append(getattr(error, "code", None))  # urllib's
    if type(error).__module__.startswith("aiohttp."):
        found.append(getattr(error, "status", None))
    return next((status for status in found if isinstance(status, int) and 100 <= status <= 599), None)


def _grpc_code(error: Any) -> str:
    """The name of the status that a call by gRPC has ended with; empty when it has none."""
    code = getattr(error, "code", None)
    return str(getattr(code(), "name", "")) if callable(code) else ""
