"""The demonstration's cluster: node processes under a supervisor, in a directory of its own."""

import asyncio
import shutil
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import redis

from trilemma.client import control
from trilemma.client.layout import free_places, lay_out
from trilemma.client.supervisor import Supervisor

START_S = 10.0
SEGMENT_BYTES = 16 << 20


class DemoCluster:
    """Three nodes n1, n2, n3; a context manager that leaves nothing behind.

    Args:
        command: how a node is started; tests plant a bug here.
    """

    def __init__(self, command: Sequence[str] = (sys.executable, "-m", "trilemma")) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="trilemma-demo-"))
        self._places = free_places(3)
        self.names = tuple(place.name for place in self._places)
        self.addresses = {place.name: place.address for place in self._places}
        self._started = threading.Event()
        self._command = command
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def _run(self) -> None:
        asyncio.run(Supervisor(self.directory, self._places, self._command).run(self._started.set))

    def __enter__(self) -> "DemoCluster":
        lay_out(self.directory, self._places, "cp", lab=True, segment_bytes=SEGMENT_BYTES)
        self._thread.start()
        if not self._started.wait(START_S):
            raise control.NoClusterError("the nodes were not started in time")
        control.wait_until_ready(self.addresses)
        return self

    def __exit__(self, *_: object) -> None:
        control.ask(self.directory, "stop")
        self._thread.join()
        shutil.rmtree(self.directory, ignore_errors=True)

    def client(self, name: str, **options: object) -> redis.Redis:
        """Return a client of one node; replies as bytes."""
        return control.connect(self.addresses[name], decode_responses=False, **options)

    def command(self, name: str, *words: str) -> object:
        """Send one command to a node."""
        with self.client(name) as client:
            return client.execute_command(*words)

    def process(self, action: str, name: str) -> None:
        """Kill, start, pause or resume a node's process."""
        control.ask(self.directory, action, name)
