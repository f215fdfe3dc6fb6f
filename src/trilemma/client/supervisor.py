"""The supervisor of a local cluster: starts node processes, and pauses, kills and restarts them by its own child ids.

One JSON object per line on a socket in the cluster's directory; `control` is the other end. What it did not start it
cannot touch.
"""

import asyncio
import fcntl
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from trilemma.client.layout import CONTROL, LayoutRefused, NodePlace
from trilemma.client.leftover import STOP_S

LINE_BYTES_MAX = 64 << 10

FAULTS = ("kill", "pause")
"""Actions that injure a node; whoever runs a cluster for its data has the others."""

_ALLOW_FAULTS = "`trilemma down`, then `trilemma up --lab` allows it"

LOG_TAIL_BYTES = 4096
"""How far back a node's last line is looked for."""

SAID_CHARACTERS_MAX = 400
"""How much of that line is told."""


class NodeProcess:
    """One child."""

    def __init__(self, place: NodePlace, directory: Path, command: Sequence[str]) -> None:
        self.place = place
        self._command = command
        self._home = directory / place.name
        self._child: asyncio.subprocess.Process | None = None
        self._log: IO[bytes] | None = None
        self._log_from = 0
        self.is_paused = False
        self._turn = asyncio.Lock()
        """Who starts or ends it is through with it before the next one."""
        self._is_left = False
        """Whether it was stopped for good."""

    @property
    def state(self) -> str:
        """running, paused, or down with the exit status."""
        child = self._child
        if child is None:
            return "down"
        if child.returncode is not None:
            return f"down (exit {child.returncode})"
        return "paused" if self.is_paused else "running"

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._child is not None and self._child.returncode is None

    @property
    def pid(self) -> int | None:
        """The process id, None while it is down."""
        return self._child.pid if self._child is not None and self.is_running else None

    @property
    def said(self) -> str:
        """The last line that it logged since it was started last; empty where there is none."""
        try:
            with (self._home / "log").open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_from, size - LOG_TAIL_BYTES))
                lines = log.read().decode("utf-8", "replace").split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")[:SAID_CHARACTERS_MAX]

    async def start(self) -> None:
        """Start it, unless it runs, or was stopped for good."""
        async with self._turn:
            if not self.is_running and not self._is_left:
                await self._start()

    async def _start(self) -> None:
        self._log = (self._home / "log").open("ab")
        self._log_from = self._log.tell()
        self._child = await asyncio.create_subprocess_exec(
            *self._command,
            "serve",
            "--config",
            str(self._home / "node.toml"),
            stdout=self._log,
            stderr=self._log,
            stdin=asyncio.subprocess.DEVNULL,
        )
        self._log.close()
        self.is_paused = False

    def signal(self, number: int) -> None:
        """Send a signal to the child, if it runs."""
        if self._child is not None and self.is_running:
            self._child.send_signal(number)

    async def kill(self) -> None:
        """End it at once."""
        async with self._turn:
            await self._kill()

    async def _kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self._wait()

    async def stop(self) -> None:
        """Have it hand over and leave for good; kill it where that takes too long."""
        async with self._turn:
            self._is_left = True
            if self.is_paused:
                self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._wait(), STOP_S)
            except TimeoutError:
                await self._kill()

    async def _wait(self) -> None:
        if self._child is not None:
            await self._child.wait()


class Supervisor:
    """All nodes of one directory."""

    def __init__(
        self,
        directory: Path,
        places: list[NodePlace],
        command: Sequence[str] = (sys.executable, "-m", "trilemma"),
        *,
        has_lab: bool = False,
    ) -> None:
        """Prepare to run them.

        Args:
            command: what `serve --config FILE` is appended to.
            has_lab: whether it may be told to inject faults; whoever asks may always start and resume what is there.
        """
        self._has_lab = has_lab
        self._directory = directory
        self._nodes = {place.name: NodeProcess(place, directory, command) for place in places}
        self._stopped = asyncio.Event()
        self.is_ready = False
        """Whether the nodes were seen to serve; whoever sees it says so here, for others who ask."""
        self.lacking: dict[str, str] = {}
        """Why some were seen not to, while a majority does; by name."""

    def stop(self) -> None:
        """Have `run` stop the nodes and return."""
        self._stopped.set()

    async def run(self, started: Callable[[], None]) -> None:
        """Run the cluster until it is told to stop. `started` is called when the processes are started.

        Raises:
            LayoutRefused: another supervisor has the directory.
        """
        with _held(self._directory):
            await self._run(started)

    async def _run(self, started: Callable[[], None]) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, self.stop)
        path = self._directory / CONTROL
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, path, limit=LINE_BYTES_MAX)
        os.chmod(path, 0o600)
        try:
            await asyncio.gather(*(node.start() for node in self._nodes.values()))
            started()
            await self._stopped.wait()
        finally:
            await asyncio.gather(*(node.stop() for node in self._nodes.values()))
            server.close()
            path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._answer(await _line(reader))
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict) or not isinstance(request.get("do"), str):
            return {"error": "one JSON object on a line is expected, with 'do' and, of a node, 'node'"}
        action, name = request["do"], request.get("node")
        if action == "status":
            return {
                "pid": os.getpid(),
                "ready": self.is_ready,
                "lacking": self.lacking,
                "stopping": self._stopped.is_set(),
                "nodes": [self._describe(node) for node in self._nodes.values()],
            }
        if action == "stop":
            self.stop()
            return {"ok": True}
        node = self._nodes.get(name) if isinstance(name, str) else None
        if node is None:
            return {"error": f"no node {name!r}; there are {', '.join(self._nodes)}"}
        return await self._act(action, node)

    async def _act(self, action: str, node: NodeProcess) -> dict[str, Any]:
        if action in FAULTS and not self._has_lab:
            return {"error": f"{action} is a fault, and this cluster was started without --lab; {_ALLOW_FAULTS}"}
        if action in ("pause", "resume") and not node.is_running:
            return {"error": f"{node.place.name} is {node.state}: only what runs can be paused or resumed"}
        match action:
            case "kill":
                await node.kill()
            case "start":
                await node.start()
            case "restart":
                await node.kill()
                await node.start()
            case "pause":
                node.signal(signal.SIGSTOP)
                node.is_paused = True
            case "resume":
                node.signal(signal.SIGCONT)
                node.is_paused = False
            case _:
                return {"error": f"unknown action {action!r}"}
        return {"ok": True, "node": self._describe(node)}

    @staticmethod
    def _describe(node: NodeProcess) -> dict[str, Any]:
        told = {"name": node.place.name, "address": node.place.address, "pid": node.pid, "state": node.state}
        return told | {"said": node.said}


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """Keep every other supervisor out of a directory; a lock ends with its process, however that ends."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise LayoutRefused(f"another supervisor runs the cluster in {directory}") from problem
        yield
    finally:
        os.close(descriptor)


async def _line(reader: asyncio.StreamReader) -> bytes:
    """Return what was asked; nothing where the line is longer than any that is."""
    try:
        return await reader.readline()
    except ValueError:
        return b""
