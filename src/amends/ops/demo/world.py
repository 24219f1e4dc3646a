"""The outside world of the demo: a shop, a bank and a carrier behind HTTP, in a process and with a ledger of their own.

Every operation honours its idempotency key: the same key again gets the stored answer. Some cards are declined, some
parcels refused, and some answers are lost: the effect is applied, and the connection is dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FORWARD = {"release": "reserve", "refund": "charge", "unship": "ship", "retract": "confirm"}


class World:
    """What has happened outside; the ledger gets one line for each effect, in one write."""

    def __init__(self, ledger: str, seed: int, stuck: str) -> None:
        self._file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._seed = seed
        self._stuck = stuck
        self._lock = threading.Lock()
        self._answers: dict[str, dict[str, Any]] = {}
        self._asked: dict[str, int] = {}
        self.refunds_work = False
        self.lost = 0

    def ask(self, op: str, key: str, order: str) -> tuple[int, dict[str, Any] | None]:
        """Do an operation once per key; the status and the answer, or no answer when it gets lost."""
        time.sleep(0.01 + 0.03 * self._chance(key, "pace"))
        with self._lock:
            asked = self._asked[key] = self._asked.get(key, 0) + 1
            if key not in self._answers:
                refused = self._refusal(op, order)
                if refused is not None:
                    return refused
                self._answers[key] = {"id": f"{op}-{order}-{key[:6]}"}
                line = {"op": op, "order": order, "key": key}
                os.write(self._file, (json.dumps(line) + "\n").encode())
            if asked == 1 and self._chance(key, "lost") < 0.08:
                self.lost += 1
                return 200, None
            return 200, self._answers[key]

    def find(self, key: str) -> dict[str, Any] | None:
        """What was answered to a key, if anything was done."""
        with self._lock:
            return self._answers.get(key)

    def _refusal(self, op: str, order: str) -> tuple[int, dict[str, Any]] | None:
        number = int(order.rpartition("-")[2])
        if op == "charge" and number % 7 == 3:
            return 402, {"refused": "card declined"}
        if op == "ship" and number % 11 == 5:
            return 409, {"refused": "no such address"}
        if op == "refund" and order == self._stuck and not self.refunds_work:
            return 503, {"refused": "refunds are down"}
        return None

    def _chance(self, key: str, what: str) -> float:
        digest = hashlib.sha256(f"{self._seed}/{key}/{what}".encode()).digest()
        return int.from_bytes(digest[:4], "big") / 2**32


class Answer(BaseHTTPRequestHandler):
    """One request."""

    world: World
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """An operation, or the operator's switch."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if self.path == "/admin/refunds-on":
            self.world.refunds_work = True
            self._send(200, {})
            return
        status, answer = self.world.ask(self.path.strip("/"), self.headers["Idempotency-Key"], body["order"])
        if answer is None:
            self.close_connection = True
            self.connection.close()
        else:
            self._send(status, answer)

    def do_GET(self) -> None:
        """Whether something was done under a key."""
        if self.path == "/admin/lost":
            self._send(200, {"lost": self.world.lost})
            return
        answer = self.world.find(self.path.rpartition("/")[2])
        self._send(200 if answer else 404, answer or {})

    def log_message(self, format: str, *args: Any) -> None:
        """The ledger is the log."""

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:
            pass  # the one who asked was killed; what is done is done


class Server(ThreadingHTTPServer):
    """Keeps quiet about clients that are killed in the middle of a request."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is what this world is for."""


def serve(ledger: str, seed: int, stuck: str) -> None:
    """Serve on a free port of the loopback interface, which is printed first."""
    Answer.world = World(ledger, seed, stuck)
    with Server(("127.0.0.1", 0), Answer) as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), sys.argv[3])
