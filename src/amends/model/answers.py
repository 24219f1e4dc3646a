"""Whether an exception is an answer, or the sign that an answer was lost."""

from __future__ import annotations

LOST_BY_NAME = frozenset(
    {
        "aiohttp.client_exceptions.ClientConnectionError",
        "aiohttp.client_exceptions.ClientPayloadError",
        "botocore.exceptions.HTTPClientError",
        "httpcore.NetworkError",
        "httpcore.RemoteProtocolError",
        "httpcore.TimeoutException",
        "httpx.TransportError",
        "requests.exceptions.ConnectionError",
        "requests.exceptions.Timeout",
        "requests.exceptions.ChunkedEncodingError",
        "urllib3.exceptions.ProtocolError",
        "urllib3.exceptions.TimeoutError",
        "http.client.HTTPException",
    }
)
"""Client libraries whose lost answers are not always `OSError`s; named, so that none has to be imported."""


def answer_was_lost(error: BaseException) -> bool:
    """Whether nobody can know from this error if the call took effect.

    True for time-outs, `OSError` (a connection lost), known client libraries' equivalents, what is raised `from` one of
    these, and everything that is not an `Exception` (the step was interrupted). An HTTP error response is an answer even
    where its class is an `OSError`.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        if _is_response(link):
            return False
        if not isinstance(link, Exception) or isinstance(link, (TimeoutError, OSError)) or _known_by_name(link):
            return True
        seen.add(id(link))
        link = link.__cause__
    return False


def _is_response(error: BaseException) -> bool:
    return isinstance(error, OSError) and (
        getattr(error, "response", None) is not None or isinstance(getattr(error, "code", None), int)
    )


def _known_by_name(error: BaseException) -> bool:
    return any(f"{kind.__module__}.{kind.__qualname__}" in LOST_BY_NAME for kind in type(error).__mro__)
