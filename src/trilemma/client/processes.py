"""A cluster of node processes for a while, under a supervisor in this process, in a directory of its own."""

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


class ProcessCluster:
    """Nodes n1, n2, ...; a context manager that leaves nothing behind. LAB is allowed.

    Args:
        command: how a node is started; tests plant a bug here.
        nodes: how many.
        default_mode: of the keyspace `default`.
        segment_bytes: of the log.
    """

    def __init__(
        self,
        command: Sequence[str] = (sys.executable, "-m", "trilemma"),
        *,
        nodes: int = 3,
        default_mode: str = "cp",
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="trilemma-"))
        self._places = free_places(nodes)
        self._default_mode = default_mode
        self._segment_bytes = segment_bytes
        self.names = tuple(place.name for place in self._places)
        self.addresses = {place.name: place.address for place in self._places}
        self._started = threading.Event()
        self._command = command
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def _run(self) -> None:
        supervisor = Supervisor(self.directory, self._places, self._command, has_lab=True)
        asyncio.run(supervisor.run(self._started.set))

    def __enter__(self) -> "ProcessCluster":
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def _start(self) -> None:
        lay_out(self.directory, self._places, self._default_mode, lab=True, segment_bytes=self._segment_bytes)
        self._thread.start()
        if not self._started.wait(START_S):
            raise control.NoClusterError("the nodes were not started in time")
        control.wait_until_ready(self.addresses)

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._thread.is_alive():
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

    def create(self, name: str, mode: str, *settings: str) -> None:
        """Make a keyspace: see `control.create`."""
        with self.client("n1") as client:
            control.create(client, name, mode, *settings)

    def leader(self, keyspace: str, at: str = "n1") -> str | None:
        """Return who leads a keyspace's first shard, as one node knows it; None where nobody does, as on `ap`."""
        facts = self.command(at, "KEYSPACE", "INFO", keyspace)
        if isinstance(facts, list):
            facts = dict(zip(facts[::2], facts[1::2], strict=True))
        leaders = facts[b"leaders"] if isinstance(facts, dict) else None
        return leaders[0].decode() if leaders and leaders[0] else None

    def digests(self, keyspace: str, names: Sequence[str] | None = None) -> set[bytes]:
        """Return the digests of a keyspace's rows on all nodes, or those named; one where they agree."""
        return {
            digest
            for name in names or self.names
            for found, _, _, digest in self.command(name, "CAP", "DIGEST")  # type: ignore[attr-defined]
            if found == keyspace.encode()
        }

    def pid(self, name: str) -> int:
        """Return the process id of a node that runs."""
        nodes = control.ask(self.directory, "status")["nodes"]
        return int(next(node["pid"] for node in nodes if node["name"] == name))

    def disk_bytes(self, name: str) -> int:
        """Return how much a node has on its disk."""
        files = [path for path in (self.directory / name / "data").rglob("*") if path.is_file()]
        return sum(path.stat().st_size for path in files)

    def log_tail(self, name: str, lines: int = 12) -> str:
        """Return the last lines that a node logged."""
        return "\n".join((self.directory / name / "log").read_text("utf-8", "replace").splitlines()[-lines:])

    def process(self, action: str, name: str) -> None:
        """Kill, start, pause or resume a node's process."""
        control.ask(self.directory, action, name)
