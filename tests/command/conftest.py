"""A real redis-server beside a node of ours, for comparing replies."""

import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

START_S = 10.0


class RedisServer:
    """A redis-server on a free port, without persistence, spoken to in raw bytes."""

    def __init__(self, directory: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            ["redis-server", *arguments, "--dir", str(directory), "--proto-max-bulk-len", str(16 << 20)],
            stdout=subprocess.DEVNULL,
        )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        end = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)
            else:
                return

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=START_S)

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed (make test-deps)")
    with tempfile.TemporaryDirectory() as directory:
        server = RedisServer(Path(directory))
        yield server
        server.stop()


@pytest.fixture(scope="session")
def chosen_seed(pytestconfig: pytest.Config) -> int:
    """The seed of all random commands: another one each run, unless the command line names one."""
    given_seed = pytestconfig.getoption("--hypothesis-seed")
    return random.SystemRandom().getrandbits(32) if given_seed is None else int(given_seed)


@pytest.fixture(autouse=True)
def _seed_is_named(request: pytest.FixtureRequest) -> None:
    """Have a failure say how to send the same commands again."""
    if "chosen_seed" in request.fixturenames:
        chosen = request.getfixturevalue("chosen_seed")
        request.node.add_report_section("call", "seed", f"the same commands again: --hypothesis-seed={chosen}")
