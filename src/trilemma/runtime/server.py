"""One node, whole: its directory, storage, sockets, peers and turns, brought up in order and taken down in reverse.

Usable by a process (`runtime.process`) and on the loop of a thread (`trilemma.local`): it installs no signal handler,
changes no global setting, and leaves no thread, descriptor or lock behind.
"""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from trilemma.base.errors import error, register
from trilemma.base.invariant import InvariantViolated
from trilemma.base.time import US_PER_S, Now
from trilemma.node.config import NodeConfig
from trilemma.node.defect import DEFECTS, described, refused
from trilemma.node.machine import Node
from trilemma.resp.reply import encode_error
from trilemma.runtime.address import split_address
from trilemma.runtime.admission import Admission
from trilemma.runtime.clients import LISTEN_BACKLOG, ClientLimits, Clients
from trilemma.runtime.clock import read_clock
from trilemma.runtime.closings import Closings
from trilemma.runtime.config import ServerConfig, member_ids
from trilemma.runtime.directory import DataDirectory
from trilemma.runtime.disk import DiskStorage
from trilemma.runtime.durable_files import WHOLE
from trilemma.runtime.ending import Ending
from trilemma.runtime.facts import fixed_facts
from trilemma.runtime.founding import Founding
from trilemma.runtime.handshake import Identity
from trilemma.runtime.listening import Sockets, StartRefused, address_of, bind, listen
from trilemma.runtime.loop import NodeLoop
from trilemma.runtime.metrics import REQUEST_BYTES_MAX, MetricsServer
from trilemma.runtime.peers import PeerTransport
from trilemma.runtime.port import Core, Laboratory, Storage
from trilemma.runtime.readings import readings
from trilemma.runtime.refusal import STORAGE_PROBLEMS, refusal
from trilemma.runtime.rewrite import answer_rewrite
from trilemma.runtime.room import Room, free_bytes
from trilemma.runtime.trace import make_logger, write_trace
from trilemma.runtime.watch import Watch
from trilemma.storage.port import Engine, LogReader, Recovered

register(
    "lab_off",
    "ERR the lab is switched off on this node",
    "start the cluster with `trilemma up --lab`, or a node with lab = true",
)
ENTROPY_BITS = 62

MakeNode = Callable[[NodeConfig, Recovered, LogReader, Engine, Now, int], Core]


class Server:
    """A node that runs on the current event loop between `start` and `stop`."""

    def __init__(
        self,
        config: ServerConfig,
        *,
        lab: Laboratory | None = None,
        sockets: Sockets | None = None,
        storage: Callable[[DataDirectory], Storage] | None = None,
        logger: FilteringBoundLogger | None = None,
        make_node: MakeNode = Node,
        config_file: Path | None = None,
        free_bytes: Callable[[Path], int] = free_bytes,
    ) -> None:
        """Args: lab: ignored unless the configuration allows it; storage: made for the data directory;
        config_file: what CONFIG REWRITE writes; free_bytes: how much is free on the disk of a path."""
        self.config = config
        self.logger = logger or make_logger(config.name, config.log_level, config.log_format)
        self.clients: Clients
        self.peers: PeerTransport
        self.turns: NodeLoop
        self.node: Core
        self.client_address: tuple[str, int]
        self.peer_address: tuple[str, int]
        self._founding = Founding.of(config.default_mode, member_ids(config))
        self._lab = lab if config.lab else None
        self._sockets = sockets
        self._config_file = config_file
        self._make_storage = storage or (
            lambda directory: DiskStorage(
                directory.path, config.segment_bytes, directory.log_reaches, directory.identity.log_segment
            )
        )
        self._make_node = make_node
        self._stack = AsyncExitStack()
        self._listeners: list[asyncio.Server] = []
        self._ending: Ending
        self.storage: Storage
        self.room = Room(config.reserve_bytes, free_bytes)

    async def start(self) -> None:
        """Bring the node up; it listens when this returns.

        Raises:
            StartRefused: with a sentence for the operator; nothing is left behind.
        """
        self._ending = Ending(self.config, self.logger)
        try:
            await self._start()
        except BaseException as problem:
            worse = await self._undo()
            sentence = refusal(self.config, worse or problem)
            if sentence is None:
                raise
            raise StartRefused(sentence) from (worse or problem)

    async def _undo(self) -> Exception | None:
        """Take down what a start has brought up; return what the disk did meanwhile that is worse than a refusal."""
        try:
            await self._stack.aclose()
        except STORAGE_PROBLEMS as worse:
            return worse
        return None

    async def stop(self) -> None:
        """Take the node down, handed over or not.

        Raises:
            DataDamaged: its rows turn out damaged, or the disk fails their last flush or the log's last sync.
        """
        self._ending.lift_bound()
        try:
            await self._stack.aclose()
        except STORAGE_PROBLEMS as problem:
            damage = self._ending.damaged(problem)
            if damage is not None:
                raise damage from problem
        finally:
            self._ending.end()
        self.logger.info("stopped")

    async def wait(self) -> None:
        """Return when the node has left (SIGTERM, SHUTDOWN) or was stopped.

        Raises:
            Exception: what broke the node: DataDamaged, also where the disk fails log or rows; InvariantViolated.
        """
        await self._ending.wait()

    def begin_shutdown(self) -> None:
        """Have the node hand over what it leads; `wait` returns then, or after a bound; a client may call it off."""
        self.turns.begin_shutdown()
        self._ending.bound()

    # Up

    async def _start(self) -> None:
        config = self.config
        secret = config.read_secret()
        sockets = self._sockets or Sockets.for_config(config)
        self._stack.callback(sockets.close)
        self.client_address, self.peer_address = address_of(sockets.client), address_of(sockets.peer)
        directory = DataDirectory(Path(config.dir), config.cluster_id, config.me.id, self._founding)
        self._stack.callback(directory.close)
        await self._start_node(directory, secret)
        if isinstance(self.node, Node):
            self.node.information.facts.update(fixed_facts(config, self.client_address[1], self._config_file))
        counters, states = self.clients.counters, self.peers.states
        watch = Watch(self.node, self.storage, self.turns, self.room, Path(config.dir), counters, states, self.logger)
        self._stack.callback(watch.stop)
        watch.start()
        await self._listen(sockets)
        await self._listen_for_metrics()
        self.logger.info("started", clients=self.client_address, peers=self.peer_address)

    async def _start_node(self, directory: DataDirectory, secret: bytes) -> None:
        # One thread: for recovery, flushes of rows, peers.json, and for the last sync, which must follow the flushes.
        thread = ThreadPoolExecutor(1, f"trilemma-{self.config.name}")
        self._stack.callback(thread.shutdown)
        self.turns = NodeLoop(
            read_clock,
            flusher=thread,
            answer=self._answer,
            traced=lambda trace: write_trace(self.logger, trace),
            left=self._ending.end,
            stayed=self._ending.lift_bound,
            failed=self._failed,
        )
        storage = self._make_storage(directory)
        recovered = await self._open(storage, thread)
        node_config = self.config.node_config(directory.identity.disk_id, directory.identity.starts)
        self.storage = storage
        entropy = secrets.randbits(ENTROPY_BITS)
        try:
            self.node = self._make_node(node_config, recovered, storage.log, storage.engine, read_clock(), entropy)
        except InvariantViolated as problem:
            raise StartRefused(
                f"{self.config.dir}: log and rows do not belong together ({problem}); {WHOLE}"
            ) from problem
        await asyncio.get_running_loop().run_in_executor(thread, directory.meets_peers)
        self._make_outlets(directory, secret, thread)
        self._stack.callback(self.turns.stop)
        self.turns.start(self.node, storage.log, storage.engine, self.clients, self.peers)

    async def _open(self, storage: Storage, thread: Executor) -> Recovered:
        loop = asyncio.get_running_loop()
        try:
            recovered = await loop.run_in_executor(
                thread, storage.open, self.turns.persisted, self.turns.storage_failed
            )
        except OSError as problem:
            raise StartRefused(f"{problem.filename or self.config.dir}: {problem.strerror or problem}") from problem

        async def close() -> None:
            await loop.run_in_executor(thread, storage.close)

        self._stack.push_async_callback(close)
        return recovered

    def _make_outlets(self, directory: DataDirectory, secret: bytes, thread: Executor) -> None:
        config = self.config
        limits = ClientLimits(config.maxclients, config.output_bytes_max, config.output_pause_bytes)
        closings = Closings(self.logger)
        self._stack.callback(closings.stop)
        self.clients = Clients(self.turns, limits, closings.note)
        identity = Identity(
            config.cluster_id,
            config.me.id,
            directory.identity.lineage,
            secret,
            member_ids(config),
            Admission(directory, thread).check_disk,
            self._founding.digest,
        )
        self.peers = PeerTransport(
            identity,
            self.turns.receive_peer,
            lambda peer, what: self.logger.info("peer", peer=peer, said=what),
            config.timing.timing().detection_us / US_PER_S,
            self._lab,
        )

    async def _listen(self, sockets: Sockets) -> None:
        loop = asyncio.get_running_loop()
        addresses = {
            member.id: split_address(member.peer_address)
            for member in self.config.members
            if member.name != self.config.name
        }
        self.peers.start(addresses)
        self._stack.push_async_callback(self.peers.stop)
        self._stack.push_async_callback(self.clients.stop)
        for factory, listening in (
            (self.peers.incoming, sockets.peer),
            (self.clients.connection, sockets.client),
        ):
            listen(listening)
            listener = await loop.create_server(factory, sock=listening, backlog=LISTEN_BACKLOG)
            self._listeners.append(listener)
            self._stack.callback(listener.close)

    async def _listen_for_metrics(self) -> None:
        port = self.config.metrics_port
        if port:
            metrics = MetricsServer(lambda: readings(self))
            listening = bind(self.config.bind or split_address(self.config.me.address)[0], port)
            listen(listening)
            server = await asyncio.start_server(metrics.handle, sock=listening, limit=REQUEST_BYTES_MAX)
            self._stack.callback(server.close)

    # What the node and the shell ask of each other

    def _answer(self, words: list[bytes], protocol: int, done: Callable[[bytes], None]) -> None:
        try:
            self._carry_out(words, protocol, done)
        except DEFECTS as problem:
            if isinstance(self.node, Node):
                self.node.note_defect(described(words[:2], problem))  # what follows may hold a password
            done(encode_error(refused(words, problem).text))

    def _carry_out(self, words: list[bytes], protocol: int, done: Callable[[bytes], None]) -> None:
        if words[0].lower() == b"config":
            done(answer_rewrite(self._config_file, words[2:]))
        elif self._lab is None:
            done(encode_error(error("lab_off").text))
        else:
            self._lab.answer(words, protocol, done)

    def _failed(self, problem: Exception) -> None:
        """Stop serving at once: the node's state is not to be trusted, and no reply of it either."""
        for listener in self._listeners:
            listener.close()
        self.clients.abort()
        self._ending.broke(problem)
