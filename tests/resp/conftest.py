"""A real redis-server to compare with, one for all tests of this folder."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REDIS_SERVER = shutil.which("redis-server")
ANSWER_SECONDS_MAX = 5.0
QUIET_SECONDS = 0.15
LAST_REPLY = b"$12\r\nthat was all\r\n"
LAST_REQUEST = b"*2\r\n$4\r\nECHO\r\n" + LAST_REPLY

Exchange = Callable[[bytes], bytes]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_server(port: int) -> None:
    deadline = time.monotonic() + ANSWER_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise TimeoutError("redis-server does not listen")


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a redis-server 7.0 of our own, without persistence."""
    if REDIS_SERVER is None:
        pytest.skip("redis-server is not installed (make test-deps)")
    directory: Path = tmp_path_factory.mktemp("redis")
    port = _free_port()
    options = [
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--enable-debug-command",
        "yes",
        "--dir",
        str(directory),
    ]
    with (directory / "log").open("wb") as log, subprocess.Popen([REDIS_SERVER, *options], stdout=log) as server:
        try:
            _await_server(port)
            yield port
        finally:
            server.terminate()


@pytest.fixture
def exchange(redis_port: int) -> Exchange:
    """Send bytes on a fresh connection and return all that came back until silence or close (b"<closed>" appended)."""

    def run(request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", redis_port), timeout=ANSWER_SECONDS_MAX) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(request)
            connection.settimeout(QUIET_SECONDS)
            answer = b""
            while True:
                try:
                    chunk = connection.recv(1 << 16)
                except TimeoutError:
                    return answer
                except ConnectionResetError:
                    chunk = b""
                if not chunk:
                    return answer + b"<closed>"
                answer += chunk

    return run


@pytest.fixture
def converse(redis_port: int) -> Exchange:
    """Send whole requests on a fresh connection that stays open, and return their replies."""

    def run(requests: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", redis_port), timeout=ANSWER_SECONDS_MAX) as connection:
            connection.sendall(requests + LAST_REQUEST)
            answer = b""
            while not answer.endswith(LAST_REPLY):
                chunk = connection.recv(1 << 16)
                if not chunk:
                    raise ConnectionError(f"redis-server closed after {answer!r}")
                answer += chunk
            return answer.removesuffix(LAST_REPLY)

    return run
