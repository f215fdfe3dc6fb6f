"""A node of its own process, and bare connections to it: what goes out and comes back, byte for byte."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from trilemma.runtime.listening import Sockets

QUIET_S = 0.12
"""How long nothing must come before a reply counts as complete."""

PATIENCE_S = 10.0
CLIENTS_MAX = 90
MIB = 1 << 20


class LiveNode:
    """A cluster of one node, as a process."""

    def __init__(self, directory: Path, **options: object) -> None:
        sockets = Sockets.free()
        address, peer_address = sockets.addresses
        sockets.close()
        self.port = int(address.rpartition(":")[2])
        lines = [f"{name} = {str(value).lower()}" for name, value in options.items()]
        file = directory / "n1.toml"
        file.write_text(
            f'name = "n1"\ndir = "{directory}/n1"\ncluster_id = "c"\nsecret = "sixteen bytes or more"\n'
            + "\n".join(lines)
            + f'\n[[members]]\nid = 1\nname = "n1"\naddress = "{address}"\npeer_address = "{peer_address}"\n'
        )
        self.log = (directory / "stderr").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "trilemma", "serve", "--config", str(file)], stderr=self.log, stdout=self.log
        )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> None:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            try:
                if self.ask(b"*3\r\n$3\r\nSET\r\n$5\r\nready\r\n$1\r\n1\r\n") == b"+OK\r\n":
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise TimeoutError("the node does not serve")

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def exchange(self, *parts: bytes, half_close: bool = False) -> tuple[bytes, bool]:
        """Send on a new connection; return what came until it was quiet, and whether the node closed it."""
        with closing(self.connect()) as connection:
            for part in parts:
                connection.sendall(part)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            return self.read(connection)

    @staticmethod
    def read(connection: socket.socket, quiet_s: float = QUIET_S) -> tuple[bytes, bool]:
        """Return what comes until it is quiet for a while, and whether the node closed the connection."""
        found = bytearray()
        connection.settimeout(PATIENCE_S)
        while True:
            try:
                data = connection.recv(1 << 20)
            except TimeoutError:
                return bytes(found), False
            except ConnectionResetError:
                return bytes(found), True
            if not data:
                return bytes(found), True
            found += data
            connection.settimeout(quiet_s)

    def ask(self, request: bytes) -> bytes:
        """Send a request and return its reply, on a new connection."""
        return self.exchange(request)[0]

    def is_alive(self) -> bool:
        """Say whether another connection is served."""
        return self.ask(b"PING\r\n") == b"+PONG\r\n"

    @property
    def resident_bytes(self) -> int:
        """The memory of the process."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self.log.close()


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    live = LiveNode(tmp_path_factory.mktemp("live"), maxclients=CLIENTS_MAX)
    yield live
    live.stop()


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[LiveNode]:
    """A node whose password is set while it runs, so that the fixture could tell when it serves."""
    live = LiveNode(tmp_path)
    assert live.ask(b"CONFIG SET requirepass sesame\r\n") == b"+OK\r\n"
    yield live
    live.stop()
