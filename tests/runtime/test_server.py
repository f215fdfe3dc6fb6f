"""A node whole, over real sockets: start, refusals, shutdown, breakage, the lab, what is left behind."""

import asyncio
import os
import shutil
import socket
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from errno import EIO, ENOENT
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ClusterDownError, ResponseError

from answered import answered
from trilemma.base.ids import ShardId
from trilemma.base.invariant import DiskRollback
from trilemma.lab.desk import Desk
from trilemma.node.effects import Effects
from trilemma.runtime import ending, watch
from trilemma.runtime.config import MemberOptions, ServerConfig, member_ids
from trilemma.runtime.disk import DiskStorage, MemoryStorage
from trilemma.runtime.durable_files import WHOLE
from trilemma.runtime.listening import Sockets, StartRefused
from trilemma.runtime.log import LogFailedError
from trilemma.runtime.port import Storage
from trilemma.runtime.refusal import DataDamaged
from trilemma.runtime.row_problems import CorruptRowsError
from trilemma.runtime.server import Server
from trilemma.runtime.trace import make_logger
from trilemma.storage.port import LogRecord, LogWrite, RecordKind

SECRET = "sixteen bytes or more"


class Cluster:
    """Nodes with memory for disks, on ports of the system's choice."""

    def __init__(self, size: int, path: Path) -> None:
        self.path = path
        self.storages = {f"n{number}": MemoryStorage() for number in range(1, size + 1)}
        self.servers: dict[str, Server] = {}
        self.said = StringIO()
        self._first = {name: Sockets.free() for name in self.storages}
        self._members = tuple(
            MemberOptions(number, name, *sockets.addresses)
            for number, (name, sockets) in enumerate(self._first.items(), 1)
        )
        self._stack = AsyncExitStack()

    def config(self, name: str, **changes: Any) -> ServerConfig:
        usual = {"dir": str(self.path / name), "secret": SECRET, "lab": True}
        return ServerConfig(name=name, cluster_id="c", members=self._members, **{**usual, **changes})

    async def start(self, name: str, **changes: Any) -> Server:
        config = self.config(name, **changes)
        server = self.servers[name] = Server(
            config,
            lab=Desk(config.me.id, member_ids(config)),
            sockets=self._first.pop(name, None),
            storage=lambda _: self.storages[name],
            logger=make_logger(name, "info", "json", self.said),
        )
        await server.start()
        return server

    def around(self, make_node: Callable[..., Any], storage: Storage | None = None) -> Server:
        """Return n1 with another node in it; it is not started, nor is it taken down by `stop`."""
        return Server(
            self.config("n1"),
            sockets=self._first.pop("n1"),
            storage=lambda _: storage or MemoryStorage(),
            logger=make_logger("n1", "info", "json", self.said),
            make_node=make_node,
        )

    def client(self, name: str) -> Any:
        client = Redis(port=self.servers[name].client_address[1], retry=None, socket_timeout=10)
        self._stack.push_async_callback(client.aclose)
        return client

    async def stop(self) -> None:
        await self._stack.aclose()
        for server in self.servers.values():
            await server.stop()


@pytest.fixture
def cluster(run: Any, tmp_path: Path) -> Callable[..., None]:
    """Run a body with a cluster that is taken down after it."""

    def cluster(body: Callable[[Cluster], Any], size: int = 1) -> None:
        async def main() -> None:
            made = Cluster(size, tmp_path)
            try:
                await body(made)
            finally:
                await made.stop()

        run(main())

    return cluster


def test_a_node_serves_a_redis_client_and_tells_what_it_is(cluster: Any) -> None:
    async def body(cluster: Cluster) -> None:
        server = await cluster.start("n1")
        client = cluster.client("n1")
        assert await answered(client, "SET", "k", "v")
        assert await client.get("k") == b"v"
        info = await client.info()
        assert info["tcp_port"] == server.client_address[1]
        assert info["process_id"] == os.getpid()
        assert info["used_memory"] > 1 << 20
        assert info["starts"] == 1

    cluster(body)


def test_a_monitor_that_does_not_read_is_closed_at_the_bound_and_nobody_else_waits_for_it(cluster: Any) -> None:
    async def body(cluster: Cluster) -> None:
        server = await cluster.start("n1", output_bytes_max=1 << 20, output_pause_bytes=1 << 16)
        client = cluster.client("n1")
        await answered(client, "SET", "k", "v")
        reader, writer = await asyncio.open_connection(*server.client_address, limit=1 << 24)
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            slow.connect(server.client_address)
            slow.sendall(b"MONITOR\r\n")
            writer.write(b"MONITOR\r\n")
            assert await reader.readline() == b"+OK\r\n"
            sent = 0
            while "its unread replies passed the bound" not in cluster.said.getvalue():
                assert await client.set("k", f"{sent} {'x' * (1 << 18)}")
                assert f'"k" "{sent} xxx'.encode() in await reader.readline()
                sent += 1
                assert sent < 100
        await client.ping()
        assert b'"PING"' in await reader.readline()
        writer.close()
        await writer.wait_closed()

    cluster(body)


def test_shutdown_of_a_client_ends_the_node_and_what_was_written_is_there_at_the_next_start(cluster: Any) -> None:
    async def body(cluster: Cluster) -> None:
        server = await cluster.start("n1")
        client = cluster.client("n1")
        await answered(client, "SET", "k", "v")
        await client.shutdown()
        async with asyncio.timeout(10):
            await server.wait()
        await server.stop()
        await cluster.start("n1")
        assert await answered(cluster.client("n1"), "GET", "k") == b"v"
        assert (await cluster.client("n1").info())["starts"] == 2

    cluster(body)


def test_a_node_that_cannot_hand_over_is_stopped_after_a_bound(
    cluster: Any, node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "SHUTDOWN_S", 0.02)

    async def body(cluster: Cluster) -> None:
        server = cluster.around(lambda *_: node)
        await server.start()
        server.begin_shutdown()
        async with asyncio.timeout(10):
            await server.wait()
        await server.stop()
        assert ("shutdown",) in node.seen

    cluster(body)


def test_a_shutdown_that_is_called_off_leaves_no_bound_behind_and_the_next_one_has_its_own(
    cluster: Any, node: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(recording: Any) -> None:
        if ("client", 1, b"SHUTDOWN ABORT") in recording.seen:
            recording.seen.clear()
            recording.next = Effects(stays=True, next_deadline_us=1 << 60)

    node.plan = plan

    async def body(cluster: Cluster) -> None:
        server = cluster.servers["n1"] = cluster.around(lambda *_: node)
        await server.start()
        server.begin_shutdown()
        bound = server._ending._bound
        assert bound is not None
        server.begin_shutdown()
        assert server._ending._bound is bound
        _, writer = await asyncio.open_connection(*server.client_address)
        writer.write(b"SHUTDOWN ABORT")
        await until(bound.cancelled)
        assert not server._ending._ended.done()
        monkeypatch.setattr(ending, "SHUTDOWN_S", 0.02)
        server.begin_shutdown()
        async with asyncio.timeout(10):
            await server.wait()
        writer.transport.abort()

    cluster(body)


def test_a_node_that_breaks_closes_its_clients_and_says_why(cluster: Any, node: Any, until: Any) -> None:
    def broken(_: Any) -> None:
        if ("client", 1, b"x") in node.seen:
            raise ValueError("an invariant is broken")

    node.plan = broken

    async def body(cluster: Cluster) -> None:
        server = cluster.servers["n1"] = cluster.around(lambda *_: node)
        await server.start()
        reader, writer = await asyncio.open_connection(*server.client_address)
        writer.write(b"x")
        with pytest.raises(ValueError, match="an invariant is broken"):
            await server.wait()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.transport.abort()
        assert "the node broke and stops" in cluster.said.getvalue()
        for port in (server.client_address, server.peer_address):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*port)

    cluster(body)


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (CorruptRowsError("Corruption: in 000007.sst"), f": Corruption: in 000007.sst; {WHOLE}"),
        (
            DiskRollback("entries up to 7 of shard 1024 were acknowledged from it, and it holds those up to 5"),
            " is an older copy of what this node had: entries up to 7 of shard 1024 were acknowledged from it, and it "
            f"holds those up to 5; {WHOLE}",
        ),
    ],
    ids=["damaged rows", "a disk that went back in time"],
)
def test_data_that_turn_out_bad_end_the_node_with_the_directory_and_what_to_do(
    cluster: Any, node: Any, problem: Exception, sentence: str
) -> None:
    def bad(_: Any) -> None:
        if ("client", 1, b"x") in node.seen:
            raise problem

    node.plan = bad

    async def body(cluster: Cluster) -> None:
        server = cluster.servers["n1"] = cluster.around(lambda *_: node)
        await server.start()
        _, writer = await asyncio.open_connection(*server.client_address)
        writer.write(b"x")
        with pytest.raises(DataDamaged) as ended:
            await server.wait()
        writer.transport.abort()
        assert str(ended.value) == f"{cluster.path / 'n1'}{sentence}"
        assert "the node broke and stops" in cluster.said.getvalue()
        assert "Traceback" not in cluster.said.getvalue()

    cluster(body)


@pytest.mark.parametrize("end", ["flush", "close"])
def test_so_do_those_that_turn_out_damaged_as_they_are_written(cluster: Any, node: Any, end: str) -> None:
    class Damaged(MemoryStorage):
        def close(self) -> None:
            if end == "close":
                raise CorruptRowsError("Corruption: in 000007.sst")

    def flush(_: Any) -> None:
        node.next.flush_rows = int(end == "flush" and ("client", 1, b"x") in node.seen)

    def fail() -> None:
        raise CorruptRowsError("Corruption: in 000007.sst")

    node.plan = flush

    async def body(cluster: Cluster) -> None:
        storage = Damaged()
        storage.engine.flush = fail
        server = cluster.around(lambda *_: node, storage)
        await server.start()
        _, writer = await asyncio.open_connection(*server.client_address)
        writer.write(b"x")
        with pytest.raises(DataDamaged, match=r"Corruption: in 000007\.sst; put the whole"):
            await (server.wait() if end == "flush" else server.stop())
        writer.transport.abort()
        if end == "flush":
            await server.stop()

    cluster(body)


@pytest.mark.parametrize(
    ("errno", "sentence"),
    [
        (EIO, "the disk refused a read of segment 1 of the log (Input/output error), so the node has stopped: "),
        (ENOENT, f"segment 1 is missing; {WHOLE}"),
    ],
)
def test_so_does_a_log_that_the_disk_does_not_give_back(
    cluster: Any, node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, errno: int, sentence: str
) -> None:
    record = LogRecord(RecordKind.ENTRY, ShardId(1024), 0, 1, 1, b"x")
    disk = tmp_path / "disk"
    disk.mkdir()
    storage = DiskStorage(disk, 1 << 16, lambda _: None)

    def written_then_read(_: Any) -> None:
        if ("persisted", 1) in node.seen:
            storage.log.read(record.shard, 0, 1, 1, 1)
        elif ("client", 1, b"x") in node.seen and not storage.log.sizes():
            node.next.log = LogWrite(1, 1, True, [record], True, 0)

    def refuse(*_: int) -> bytes:
        raise OSError(errno, os.strerror(errno))

    node.plan = written_then_read

    async def body(cluster: Cluster) -> None:
        server = cluster.around(lambda *_: node, storage)
        await server.start()
        _, writer = await asyncio.open_connection(*server.client_address)
        with monkeypatch.context() as patched:
            patched.setattr(os, "pread", refuse)
            writer.write(b"x")
            with pytest.raises(DataDamaged) as ended:
                await server.wait()
        writer.transport.abort()
        await server.stop()
        assert str(ended.value).startswith(f"{cluster.path / 'n1'}: {sentence}")
        assert "Traceback" not in cluster.said.getvalue()

    cluster(body)


class FailedAtLast(MemoryStorage):
    """A disk that fails the log in its last sync, when the turns have stopped."""

    def close(self) -> None:
        raise LogFailedError("the disk refused a write or a sync of the log")


def test_a_last_sync_that_the_disk_refuses_is_told_with_the_directory_and_is_no_clean_end(
    cluster: Any, node: Any
) -> None:
    async def body(cluster: Cluster) -> None:
        server = cluster.around(lambda *_: node, FailedAtLast())
        await server.start()
        with pytest.raises(DataDamaged) as ended:
            await server.stop()
        assert str(ended.value) == f"{cluster.path / 'n1'}: the disk refused a write or a sync of the log"
        assert "the node broke and stops" in cluster.said.getvalue()
        assert '"stopped"' not in cluster.said.getvalue()

    cluster(body)


def test_what_ended_a_node_is_not_told_again_as_it_is_taken_down(cluster: Any, node: Any) -> None:
    class Failed(MemoryStorage):
        def open(self, persisted: Any, failed: Any) -> Any:
            self.failed = failed
            return super().open(persisted, failed)

        def close(self) -> None:
            raise problem

    problem = LogFailedError("the disk refused a write or a sync of the log")

    async def body(cluster: Cluster) -> None:
        storage = Failed()
        server = cluster.around(lambda *_: node, storage)
        await server.start()
        storage.failed(problem)
        with pytest.raises(DataDamaged, match="n1: the disk refused a write"):
            await server.wait()
        await server.stop()
        assert cluster.said.getvalue().count("the disk refused a write") == 1

    cluster(body)


def test_a_start_that_is_undone_says_that_the_disk_failed_the_log_meanwhile(
    cluster: Any, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any) -> None:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(Server, "_listen", refuse)

    async def body(cluster: Cluster) -> None:
        server = cluster.around(lambda *_: node, FailedAtLast())
        with pytest.raises(StartRefused, match="n1: the disk refused a write or a sync of the log"):
            await server.start()

    cluster(body)


def test_rows_that_a_start_finds_damaged_as_it_reads_them_refuse_it(cluster: Any) -> None:
    def make_node(*_: Any) -> Any:
        raise CorruptRowsError("Corruption: in 000007.sst")

    async def body(cluster: Cluster) -> None:
        server = cluster.around(make_node)
        with pytest.raises(StartRefused, match=r"n1: Corruption: in 000007\.sst; put the whole directory back"):
            await server.start()

    cluster(body)


class FullLog(StringIO):
    """The file of a node's messages on a disk that is full."""

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_node_that_cannot_say_that_it_broke_ends_all_the_same(cluster: Any, node: Any) -> None:
    async def body(cluster: Cluster) -> None:
        cluster.said = FullLog()
        server = cluster.servers["n1"] = cluster.around(lambda *_: node)
        await server.start()
        server.turns.storage_failed(OSError("the disk is gone"))
        with pytest.raises(OSError, match="the disk is gone"):
            await server.wait()

    cluster(body)


def test_a_node_that_cannot_log_finds_its_peers_again(cluster: Any, until: Any) -> None:
    async def body(cluster: Cluster) -> None:
        cluster.said = FullLog()
        await cluster.start("n1")
        await cluster.start("n2")
        first = cluster.servers["n1"]
        await until(lambda: list(first.peers.connected()) == [2])
        await cluster.servers["n2"].stop()
        await until(lambda: list(first.peers.connected()) == [])
        await cluster.start("n2")
        await until(lambda: list(first.peers.connected()) == [2])

    cluster(body, 2)


def test_a_look_at_the_disk_that_breaks_is_not_the_last_one(
    cluster: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "ROOM_INTERVAL_S", 0.01)
    looks = 0

    async def body(cluster: Cluster) -> None:
        server = await cluster.start("n1")
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)

        def look(_: Path) -> bool:
            nonlocal looks
            looks += 1
            raise OSError("the disk does not say")

        monkeypatch.setattr(server.room, "look", look)
        await until(lambda: looks > 2)

    cluster(body)


def test_what_the_rows_do_not_take_now_is_read_all_the_same_and_goes_to_them_later(cluster: Any, until: Any) -> None:
    async def body(cluster: Cluster) -> None:
        await cluster.start("n1")
        client = cluster.client("n1")
        await answered(client, "SET", "k", "before")
        engine = cluster.storages["n1"].engine

        def in_rows() -> bool:
            return any(b"after" in value for _, value in engine.scan(b"", b"\xff" * 9, 1000))

        engine.takes_writes = False
        assert await client.set("k", "after")
        assert await client.get("k") == b"after"
        assert not in_rows()
        engine.takes_writes = True
        await until(in_rows)

    cluster(body)


def test_a_taken_port_is_refused_with_a_sentence_and_nothing_is_left(cluster: Any) -> None:
    async def body(cluster: Cluster) -> None:
        await cluster.start("n1")
        address = cluster.servers["n1"].config.me.address
        second = Server(cluster.config("n1", dir=str(cluster.path / "other")))
        with pytest.raises(StartRefused, match=f"cannot listen on {address}: Address already in use"):
            await second.start()
        assert not (cluster.path / "other").exists()

    cluster(body)


def test_a_directory_in_use_is_refused_and_the_ports_are_given_back(cluster: Any) -> None:
    async def body(cluster: Cluster) -> None:
        await cluster.start("n1")
        sockets = Sockets.free()
        second = Server(cluster.config("n1"), sockets=sockets)
        with pytest.raises(StartRefused, match="is in use by process"):
            await second.start()
        assert sockets.client.fileno() == -1
        assert sockets.peer.fileno() == -1

    cluster(body)


def test_the_lab_is_off_unless_it_is_asked_for(cluster: Any) -> None:
    async def body(cluster: Cluster) -> None:
        await cluster.start("n1", lab=False)
        with pytest.raises(ResponseError, match="the lab is switched off on this node"):
            await cluster.client("n1").execute_command("LAB", "STATUS")

    cluster(body)


def test_a_defect_in_what_only_the_shell_can_do_is_an_error_reply(cluster: Any) -> None:
    async def body(cluster: Cluster) -> None:
        def break_(*_: Any) -> None:
            raise ValueError("a defect")

        server = await cluster.start("n1")
        client = cluster.client("n1")
        server._lab = type("Broken", (Desk,), {"answer": break_})(1, {1: "n1"})
        with pytest.raises(
            ResponseError, match=r"a defect of this server ended 'lab' \(ValueError\); it may have been"
        ):
            await client.execute_command("LAB", "CUT", "n1", "password")
        assert (await client.info("stats"))["defects"] == 1
        assert "ValueError: a defect" in cluster.said.getvalue()
        assert "password" not in cluster.said.getvalue()

    cluster(body)


def test_a_cut_in_the_lab_takes_a_minority_out_and_healing_brings_it_back(cluster: Any) -> None:
    async def body(cluster: Cluster) -> None:
        for name in ("n1", "n2", "n3"):
            await cluster.start(name)
        clients = {name: cluster.client(name) for name in cluster.servers}
        await answered(clients["n3"], "SET", "k", "before")
        assert await clients["n2"].execute_command("LAB", "CUT", "n3") == b"OK"
        assert await clients["n3"].execute_command("LAB", "STATUS") == [b"CUT n1-n3", b"CUT n2-n3"]
        await answered(clients["n1"], "SET", "k", "during")
        async with asyncio.timeout(10):
            refused = False
            while not refused:
                try:
                    await clients["n3"].execute_command("GET", "k")
                except ClusterDownError:
                    refused = True
        assert await clients["n1"].get("k") == b"during"
        assert await clients["n3"].execute_command("LAB", "HEAL") == b"OK"
        assert await answered(clients["n3"], "GET", "k") == b"during"

    cluster(body, size=3)


def test_a_wiped_node_is_refused_by_its_peers(cluster: Any, until: Any) -> None:
    async def body(cluster: Cluster) -> None:
        for name in ("n1", "n2"):
            await cluster.start(name)
        await answered(cluster.client("n1"), "SET", "k", "v")
        await cluster.servers["n2"].stop()
        shutil.rmtree(cluster.path / "n2")
        cluster.storages["n2"] = MemoryStorage()
        await cluster.start("n2")
        await until(lambda: "the other side refused: it comes with another disk" in cluster.said.getvalue())
        with pytest.raises(ResponseError):
            await cluster.client("n2").execute_command("SET", "k", "w")

    cluster(body, size=2)


def test_a_wiped_node_answers_nothing_of_ap_either_and_one_that_knows_its_disk_does_alone(
    cluster: Any, until: Any
) -> None:
    async def body(cluster: Cluster) -> None:
        for name in ("n1", "n2", "n3"):
            await cluster.start(name, default_mode="ap")
        await answered(cluster.client("n3"), "SET", "k", "v")
        for name in ("n1", "n2", "n3"):
            await cluster.servers[name].stop()
        shutil.rmtree(cluster.path / "n3")
        cluster.storages["n3"] = MemoryStorage()
        await cluster.start("n3", default_mode="ap")
        await cluster.start("n1", default_mode="ap")
        await until(lambda: "the other side refused: it comes with another disk" in cluster.said.getvalue())
        wiped = cluster.client("n3")
        for words in (("GET", "k"), ("SET", "k", "w"), ("DBSIZE",), ("KEYSPACE", "LIST"), ("WATCH", "k")):
            with pytest.raises(ClusterDownError, match="n3 has not met the cluster since its disk was made"):
                await wiped.execute_command(*words)
        assert await wiped.ping()
        assert await cluster.client("n1").get("k") == b"v"
        await shown(wiped, "n1", "refused", "it comes with another disk")
        await shown(cluster.client("n1"), "n2", "unreachable", "it cannot be reached")

    async def shown(client: Any, peer: str, state: str, why: str) -> None:
        told: dict[str, str] = {}
        while told.get("state") != state:  # INFO is told of it once a second
            told = (await client.info("peers")).get(peer, {})
            await asyncio.sleep(0.01)
        assert told["why"].startswith(why)

    cluster(body, size=3)


def test_nodes_that_were_founded_differently_do_not_speak_to_each_other(cluster: Any, until: Any) -> None:
    async def body(cluster: Cluster) -> None:
        await cluster.start("n1", default_mode="ap")
        await cluster.start("n2", default_mode="cp")
        await until(lambda: "its members or its default_mode are not this node's" in cluster.said.getvalue())
        with pytest.raises(ClusterDownError):
            await cluster.client("n1").execute_command("SET", "k", "w")

    cluster(body, size=2)


def test_many_starts_leave_no_thread_and_no_descriptor(cluster: Any) -> None:
    async def body(cluster: Cluster) -> None:
        async def once() -> None:
            server = await cluster.start("n1")
            client = cluster.client("n1")
            await client.ping()
            await client.aclose()
            await server.stop()

        await once()
        threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            await once()
        await asyncio.sleep(0)
        assert threading.active_count() == threads
        assert len(os.listdir("/proc/self/fd")) <= descriptors

    cluster(body)


def test_metrics_are_served_to_whoever_asks_for_them(cluster: Any) -> None:
    async def body(cluster: Cluster) -> None:
        free = Sockets.free()
        port = int(free.addresses[0].rpartition(":")[2])
        free.close()
        await cluster.start("n1", metrics_port=port)
        await answered(cluster.client("n1"), "SET", "k", "v")

        async def get(path: str) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            data = await reader.read(-1)
            writer.close()
            return data

        page = await get("/metrics")
        assert page.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\ntrilemma_clients 1.0\n" in page
        assert b'trilemma_replica_commit_index{keyspace="default"' in page
        assert (await get("/")).startswith(b"HTTP/1.1 404")

    cluster(body)
