"""The outside world of the demo: a shop, a bank and a carrier behind HTTP, in a process and with a ledger of their own.

Every operation honours its idempotency key: the same key again gets the stored answer. Requests and answers get lost on
the way, some orders are refused, and what is cancelled by key before it was heard of can never happen afterwards.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, TypeAlias

from amends.ops.demo.fates import Fate, draw_fates
from amends.ops.demo.lifeline import end_with_the_demo

UNDOES = {"release": "reserve", "refund": "charge", "unship": "ship", "retract": "confirm"}
OPERATIONS = frozenset(UNDOES) | frozenset(UNDOES.values())

Answer: TypeAlias = tuple[int, dict[str, Any]]
Mishap: TypeAlias = Literal["request lost", "answer lost", "busy"] | None

LOST_FOR_GOOD: dict[tuple[Fate | None, str], Mishap] = {
    (Fate.SILENT_BANK, "charge"): "answer lost",
    (Fate.SILENT_CARRIER, "ship"): "answer lost",
    (Fate.DEAF_CARRIER, "ship"): "request lost",
}
REFUSED: dict[tuple[Fate | None, str], Answer] = {
    (Fate.DECLINED, "charge"): (402, {"refused": "card declined"}),
    (Fate.REFUSED, "ship"): (409, {"refused": "no such address"}),
    (Fate.STUCK, "ship"): (409, {"refused": "no such address"}),
    (Fate.UNWELCOME, "confirm"): (409, {"refused": "the customer has moved away"}),
}
BAD_LUCK: tuple[tuple[Mishap, float], ...] = (("answer lost", 0.08), ("request lost", 0.03), ("busy", 0.03))
"""What may happen to any call, the first two times it is made."""

SLOWEST = 0.04
"""Seconds that a request is on its way at most, and its answer as long again."""


@dataclass(frozen=True)
class Request:
    """What the world is asked to do; `undoes` is the key of the operation that an undo takes back."""

    op: str
    order: str
    undoes: str | None
    details: str


@dataclass
class World:
    """What has happened outside; the ledger gets one line for each effect, in one write."""

    ledger: int
    seed: int
    fates: dict[str, Fate]
    refunds_work: bool = False
    counts: Counter[str] = field(default_factory=Counter[str])
    _seq: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _asked: Counter[str] = field(default_factory=Counter[str])
    _stored: dict[str, tuple[Request, Answer]] = field(default_factory=dict[str, tuple[Request, Answer]])
    _cancelled: set[str] = field(default_factory=set[str])

    def ask(self, key: str, request: Request) -> Answer | None:
        """Do an operation once per key; None when the connection is lost before the answer arrives."""
        with self._lock:
            self._asked[key] += 1
            asked = self._asked[key]
            mishap = self._mishap(key, request, asked)
            if mishap is not None:
                self.counts[mishap] += 1
        self._travel(key, f"to/{asked}")
        if mishap == "request lost":
            return None
        if mishap == "busy":
            return 503, {"refused": "busy"}
        with self._lock:
            answer = self._perform(key, request)
        self._travel(key, f"from/{asked}")
        return None if mishap == "answer lost" else answer

    def find(self, key: str) -> Answer:
        """What was answered to a key, if anything was done."""
        with self._lock:
            _, answer = self._stored.get(key, (None, (404, {})))
            return answer

    def _perform(self, key: str, request: Request) -> Answer:
        if key in self._stored:
            before, answer = self._stored[key]
            if before != request:
                return self._misuse(key, request, f"the key was used for {before}")
            self.counts["answered from store"] += 1
            return answer
        refusal = self._refusal(key, request)
        if refusal is not None:
            return refusal
        answer = 200, {"id": f"{request.op}-{request.order}-{key[:6]}"}
        if request.undoes is None or request.undoes in self._stored:
            self._write(key, request)
        else:
            self._cancelled.add(request.undoes)
            self.counts["cancelled before it was heard of"] += 1
        self._stored[key] = request, answer
        return answer

    def _refusal(self, key: str, request: Request) -> Answer | None:
        fate = self.fates.get(request.order)
        if key in self._cancelled:
            return 410, {"refused": "cancelled before it was heard of"}
        if request.undoes in self._stored:
            done, _ = self._stored[request.undoes]
            if (done.op, done.order) != (UNDOES.get(request.op), request.order):
                return self._misuse(key, request, f"it would undo {done}")
        if request.op == "refund" and fate is Fate.STUCK and not self.refunds_work:
            return 503, {"refused": "refunds are down"}
        return REFUSED.get((fate, request.op))

    def _misuse(self, key: str, request: Request, why: str) -> Answer:
        self._write(key, request, misuse=why)
        return 422, {"refused": why}

    def _write(self, key: str, request: Request, **more: str) -> None:
        self._seq += 1
        line = {"seq": self._seq, "op": request.op, "order": request.order, "key": key, "undoes": request.undoes, **more}
        os.write(self.ledger, (json.dumps(line) + "\n").encode())

    def _mishap(self, key: str, request: Request, asked: int) -> Mishap:
        for_good = LOST_FOR_GOOD.get((self.fates.get(request.order), request.op))
        if for_good is not None or asked > 2:
            return for_good
        drawn = self._chance(key, f"mishap/{asked}")
        for mishap, share in BAD_LUCK:
            if drawn < share:
                return mishap
            drawn -= share
        return None

    def _travel(self, key: str, leg: str) -> None:
        time.sleep(SLOWEST * self._chance(key, leg))

    def _chance(self, key: str, what: str) -> float:
        digest = hashlib.sha256(f"{self.seed}/{key}/{what}".encode()).digest()
        return int.from_bytes(digest[:4], "big") / 2**32


class Desk(BaseHTTPRequestHandler):
    """The desk at which the world is asked: one request."""

    world: World
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """An operation, or the operator's switch."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        op, key = self.path.strip("/"), self.headers.get("Idempotency-Key")
        if self.path == "/admin/refunds-on":
            self.world.refunds_work = True
            self._send(200, {})
        elif op not in OPERATIONS or not key:
            self._send(400, {"refused": "name an operation, and an Idempotency-Key"})
        else:
            request = Request(op, body.pop("order"), body.pop("undoes", None), json.dumps(body, sort_keys=True))
            self._answer(self.world.ask(key, request))

    def do_GET(self) -> None:
        """What was done under a key, or how often what happened."""
        if self.path == "/admin/counts":
            self._send(200, dict(self.world.counts))
        else:
            self._send(*self.world.find(self.path.rpartition("/")[2]))

    def log_message(self, format: str, *args: Any) -> None:
        """The ledger is the log."""

    def _answer(self, answer: Answer | None) -> None:
        if answer is None:
            self.close_connection = True
            self.connection.close()
        else:
            self._send(*answer)

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        try:
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            pass  # the one who asked was killed; what is done is done


class Server(ThreadingHTTPServer):
    """Keeps quiet about clients that are killed in the middle of a request."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is what this world is for."""


def serve(ledger: str, seed: int, orders: int) -> None:
    """Serve on a free port of the loopback interface, which is printed first."""
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    Desk.world = World(file, seed, draw_fates(seed, orders))
    with Server(("127.0.0.1", 0), Desk) as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    end_with_the_demo()
    serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
