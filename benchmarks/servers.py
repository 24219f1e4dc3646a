"""The servers that some engines need: on loopback, on a free port, in a folder that is thrown away, stopped afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import venvs

PATIENCE = 120.0
"""Seconds that a server gets to answer."""
GRACE = 10.0
"""Seconds that it gets to end."""


class Absent(Exception):
    """A server that cannot be had here; its text says what to do."""


@dataclass(frozen=True)
class Server:
    """A server that answers: its address for clients, and the number of its first process."""

    address: str
    pid: int


@contextmanager
def postgres(folder: Path) -> Iterator[Server]:
    """PostgreSQL as it ships; never as root, which it refuses."""
    commands = _postgres_commands()
    if commands is None:
        raise Absent("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    data, port = folder / "data", _free_port()
    user = "postgres" if os.getuid() == 0 else None
    data.mkdir()
    if user is not None:
        for path in (folder, data):
            shutil.chown(path, user)
    subprocess.run(
        [str(commands / "initdb"), "--pgdata", str(data), "--username", "bench", "--auth", "trust", "--no-instructions"],
        user=user, cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "max_connections": 200}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    address = f"postgresql://bench@127.0.0.1:{port}/postgres"
    ready = [str(commands / "pg_isready"), "--dbname", address]
    command = [str(commands / "postgres"), "-D", str(data), *options]
    with _running(command, folder, lambda: subprocess.run(ready, capture_output=True).returncode == 0, user=user) as pid:
        yield Server(address, pid)


def postgres_version() -> str:
    """Of the PostgreSQL that is installed, or nothing."""
    commands = _postgres_commands()
    return "" if commands is None else subprocess.check_output([str(commands / "postgres"), "-V"], text=True).split()[2]


def _postgres_commands() -> Path | None:
    known = [*sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")), Path(shutil.which("initdb") or "")]
    return next((path.resolve().parent for path in known if path.is_file()), None)


@contextmanager
def restate(folder: Path) -> Iterator[Server]:
    """The Restate server as it ships, without its telemetry. The address holds two: for calls, and for its administration."""
    found = next(
        iter(venvs.home("restate-server").glob("node_modules/@restatedev/restate-server-*/bin/restate-server")), None
    )
    if found is None:
        raise Absent("the Restate server is not installed; make bench-peers does it, with npm")
    calls, admin, node = (_free_port() for _ in range(3))
    (folder / "restate.toml").write_text(
        f'base-dir = "{folder}/data"\nnode-name = "bench"\nlisten-mode = "tcp"\nbind-ip = "127.0.0.1"\nbind-port = {node}\n'
        f'advertised-host = "127.0.0.1"\ndisable-telemetry = true\nlog-filter = "error"\n'
        f"[ingress]\nbind-port = {calls}\n[admin]\nbind-port = {admin}\ndisable-web-ui = true\n"
    )
    command = [str(found), "--no-logo", "--config-file", str(folder / "restate.toml")]
    with _running(
        command, folder, lambda: _answers(f"http://127.0.0.1:{admin}/health", f"http://127.0.0.1:{calls}/restate/health")
    ) as pid:
        yield Server(f"http://127.0.0.1:{calls} http://127.0.0.1:{admin}", pid)


@contextmanager
def temporal(folder: Path) -> Iterator[Server]:
    """Temporal's development server with its state in a file, and so on disk."""
    found = venvs.home("temporal") / "bin" / "temporal"
    if not found.exists():
        raise Absent("the Temporal server is not installed; make bench-peers does it")
    port = _free_port()
    command = [
        str(found), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port), "--log-level", "error",
        "--db-filename", str(folder / "temporal.db"),
    ]  # fmt: skip
    check = [str(found), "operator", "cluster", "health", "--address", f"127.0.0.1:{port}"]
    with _running(command, folder, lambda: subprocess.run(check, capture_output=True).returncode == 0) as pid:
        yield Server(f"127.0.0.1:{port}", pid)


@contextmanager
def prefect(folder: Path) -> Iterator[Server]:
    """Prefect's server as it ships, on SQLite, without its telemetry."""
    found = venvs.home("prefect") / "bin" / "prefect"
    if not found.exists():
        raise Absent("Prefect is not installed; make bench-peers does it")
    port = _free_port()
    command = [str(found), "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    address = f"http://127.0.0.1:{port}/api"
    quiet = {"PREFECT_HOME": str(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    with _running(command, folder, lambda: _answers(f"{address}/health"), extra=quiet) as pid:
        yield Server(address, pid)


ALL = {"postgres": postgres, "restate": restate, "temporal": temporal, "prefect": prefect}


@contextmanager
def _running(
    command: list[str],
    folder: Path,
    answers: Callable[[], bool],
    *,
    user: str | None = None,
    extra: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Start a server, wait until it answers, and end it with all that it started."""
    with (folder / "log").open("wb") as log:
        started = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=user, start_new_session=True,
            env={**os.environ, **(extra or {})},
        )  # fmt: skip
    try:
        end = time.monotonic() + PATIENCE
        while not answers():
            name, last = Path(command[0]).name, (folder / "log").read_text().strip().rpartition("\n")[2]
            if started.poll() is not None:
                raise Absent(f"{name} ended with {started.returncode}: {last}")
            if time.monotonic() > end:
                raise Absent(f"{name} did not answer within {PATIENCE:.0f} seconds: {last}")
            time.sleep(0.1)
        yield started.pid
    finally:
        _end(started)


def _end(started: subprocess.Popen[bytes]) -> None:
    """Ask for the end as a terminal does, which all of these servers take for a quick one; then insist."""
    started.send_signal(signal.SIGINT)
    try:
        started.wait(GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def _answers(*urls: str) -> bool:
    try:
        for url in urls:
            with urllib.request.urlopen(url, timeout=2) as response:
                response.read()
    except OSError:  # not yet
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
