"""A cluster within this process: the same nodes, over real loopback sockets and RocksDB in a directory of their own.

import trilemma

with trilemma.local(nodes=3) as cluster:
    cluster.client("n1").set("greeting", "hello")
    cluster.cut("n3")
"""

import os
import shutil
import tempfile
import time
from enum import Enum
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from trilemma.base.errors import ReplyError
from trilemma.client.control import create
from trilemma.client.layout import HOST
from trilemma.client.nodes import Nodes
from trilemma.client.probe import why_not_served
from trilemma.keyspace.settings import Mode
from trilemma.lab.faults import parse
from trilemma.runtime.config import MemberOptions, ServerConfig
from trilemma.runtime.listening import Sockets
from trilemma.runtime.server import Server

READY_S = 10.0
POLL_S = 0.005
SEGMENT_BYTES = 8 << 20
SECRET = "a cluster within one process"


class _Stage(Enum):
    """Where a cluster is in its life, which it lives once."""

    NEW = "does not run yet: use it inside `with trilemma.local() as cluster:`"
    RUNNING = "runs already"
    ENDED = "has ended: make another one with trilemma.local()"


class LocalCluster:
    """Nodes n1, n2, ... Use it as a context manager, once; it leaves nothing behind.

    Whatever takes a node's name raises ValueError where there is no such node, and RuntimeError outside of the `with`
    block or where it needs a node that runs and that one is down.
    """

    def __init__(self, nodes: int = 3, default_mode: str = "cp", directory: Path | None = None) -> None:
        """Args: directory: where data is kept, and left; None for one that is removed at the end.

        Raises:
            ValueError: `nodes` is below 1, or `default_mode` is no mode.
        """
        if isinstance(nodes, bool) or not isinstance(nodes, int) or nodes < 1:
            raise ValueError(f"nodes is a whole number from 1 on, not {nodes!r}")
        if default_mode not in [mode.value for mode in Mode]:
            raise ValueError(f"default_mode is cp, ap or ca, not {default_mode!r}")
        self.names = tuple(f"n{number}" for number in range(1, nodes + 1))
        self._default_mode = default_mode
        self._stage = _Stage.NEW
        self._owns_directory = directory is None
        # The directory and the nodes' thread come with `start`: a cluster that nobody starts leaves nothing behind.
        self._directory = directory or Path()
        self._process = 0
        """The process that it runs in: in one that was forked from it there are no nodes."""
        self._nodes = Nodes(self.names)
        self._configs: dict[str, ServerConfig] = {}
        self._clients: list[redis.Redis] = []

    def __enter__(self) -> "LocalCluster":
        self.start()
        return self

    def __exit__(self, _kind: object, problem: BaseException | None, _trace: object) -> None:
        try:
            self.stop()
        except Exception as second:
            if problem is None:
                raise
            problem.add_note(f"besides, the cluster could not be stopped cleanly: {second}")

    # Life

    def start(self) -> None:
        """Start all nodes, and wait until every one of them serves.

        Raises:
            RuntimeError: the cluster runs already, or has ended.
        """
        if self._stage is not _Stage.NEW:
            raise RuntimeError(f"the cluster {self._stage.value}")
        if self._owns_directory:
            self._directory = Path(tempfile.mkdtemp(prefix="trilemma-"))
        self._nodes.begin()
        self._stage = _Stage.RUNNING
        self._process = os.getpid()
        try:
            sockets = {name: Sockets.free(HOST) for name in self.names}
            members = tuple(self._member(number, sockets[name]) for number, name in enumerate(self.names, 1))
            for name in self.names:
                self._configs[name] = self._config(name, members)
            self._nodes.start_all(self._configs, sockets)
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def _member(self, number: int, sockets: Sockets) -> MemberOptions:
        address, peer_address = sockets.client.getsockname(), sockets.peer.getsockname()
        return MemberOptions(number, f"n{number}", f"{HOST}:{address[1]}", f"{HOST}:{peer_address[1]}")

    def _config(self, name: str, members: tuple[MemberOptions, ...]) -> ServerConfig:
        return ServerConfig(
            name=name,
            dir=str(self._directory / name),
            cluster_id="local",
            members=members,
            secret=SECRET,
            default_mode=self._default_mode,  # type: ignore[arg-type]
            lab=True,
            segment_bytes=SEGMENT_BYTES,
            log_level="error",
        )

    def wait_until_ready(self) -> None:
        """Wait until every running node answers a read and a write of the keyspace `default`.

        Raises:
            TimeoutError: one does not within READY_S.
        """
        end = time.monotonic() + READY_S
        for name in list(self._nodes.servers):
            with self._client(name) as client:
                while (problem := why_not_served(client)) is not None:
                    if time.monotonic() > end:
                        raise TimeoutError(f"{name} does not serve: {problem}") from problem
                    time.sleep(POLL_S)

    def stop(self) -> None:
        """Stop all nodes, close all clients, remove the directory if it was made here; once is enough.

        Raises:
            Exception: what kept a node from stopping cleanly; nothing is left behind all the same.
        """
        if self._stage is not _Stage.RUNNING or os.getpid() != self._process:
            return
        self._stage = _Stage.ENDED
        for client in self._clients:
            client.close()
        self._clients.clear()
        try:
            self._nodes.end()
        finally:
            if self._owns_directory:
                shutil.rmtree(self._directory, ignore_errors=True)

    # Use

    def _must_run(self) -> None:
        if self._stage is not _Stage.RUNNING:
            raise RuntimeError(f"the cluster {self._stage.value}")
        if os.getpid() != self._process:
            raise RuntimeError("the cluster runs in the process that this one was forked from")

    def _known(self, name: str) -> None:
        self._must_run()
        if name not in self.names:
            raise ValueError(f"there is no node {name!r}; the nodes are {', '.join(self.names)}")

    def _running(self, name: str) -> Server:
        self._known(name)
        server = self._nodes.servers.get(name)
        if server is None:
            raise RuntimeError(f"{name} is down; `restart` starts it")
        return server

    def _any_running(self) -> str:
        self._must_run()
        running = list(self._nodes.servers)
        if not running:
            raise RuntimeError("every node is down; `restart` starts one")
        return running[0]

    def address(self, name: str) -> tuple[str, int]:
        """Return a node's host and port for clients."""
        self._known(name)
        host, _, port = self._configs[name].me.address.rpartition(":")
        return host, int(port)

    def client(self, name: str, **options: Any) -> redis.Redis:
        """Return a redis-py client of one node that never retries; it is closed with the cluster."""
        client = self._client(name, **options)
        self._clients.append(client)
        return client

    def _client(self, name: str, **options: Any) -> redis.Redis:
        """Return a client that whoever asks for it closes."""
        host, port = self.address(name)
        chosen: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "decode_responses": True, **options}
        return redis.Redis(host=host, port=port, **chosen)

    def create(self, name: str, mode: str, *settings: str) -> None:
        """Make a keyspace, as KEYSPACE CREATE does; patient with a node that has not been heard of for a moment."""
        with self._client(self._any_running()) as client:
            create(client, name, mode, *settings)

    # Faults

    def _lab(self, *words: str) -> None:
        """Give a LAB command at any node that runs.

        Raises:
            ValueError: it names no link, or is otherwise none.
        """
        name = self._any_running()
        try:
            parse(list(words), {known: number for number, known in enumerate(self.names, 1)})
        except ReplyError as problem:
            raise ValueError(problem.text.removeprefix("ERR ")) from None
        with self._client(name) as client:
            client.execute_command("LAB", *words)

    def cut(self, where: str) -> None:
        """Cut links: `n3` all of n3's, `n1-n2` one both ways, `n1>n2` one way."""
        self._lab("CUT", where)

    def slow(self, where: str, delay: str) -> None:
        """Slow links down, by `80ms` for example."""
        self._lab("SLOW", where, delay)

    def heal(self, where: str | None = None) -> None:
        """Heal all links, or those named."""
        self._lab("HEAL", *([] if where is None else [where]))

    def kill(self, name: str) -> None:
        """End a node at once: nothing is handed over."""
        self._running(name)
        self._nodes.stop(name)

    def restart(self, name: str) -> None:
        """Start a node again on its data and its ports. It may reach no other at first: `wait_until_ready` waits."""
        self._known(name)
        self._nodes.stop(name)
        self._nodes.start(name)

    def pause(self, name: str) -> None:
        """Have a node stand still."""
        self._nodes.do(self._running(name).turns.pause)

    def resume(self, name: str) -> None:
        """Have it go on."""
        self._nodes.do(self._running(name).turns.resume)


def local(nodes: int = 3, default_mode: str = "cp", directory: Path | None = None) -> LocalCluster:
    """Return a cluster to be used as a context manager.

    Args:
        nodes: how many; named n1, n2, ...
        default_mode: the mode of the keyspace `default`: cp, ap or ca.
        directory: where data is kept, and left; None for one that is removed at the end.

    Raises:
        ValueError: `nodes` is below 1, or `default_mode` is no mode.
    """
    return LocalCluster(nodes, default_mode, directory)
