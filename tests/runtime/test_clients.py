"""Client sockets: order, bounds, closing."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from trilemma.runtime import clients
from trilemma.runtime.address import is_loopback
from trilemma.runtime.clients import ClientLimits, Clients

KIB = 1 << 10


class Harness:
    """Clients on a loopback port; inputs are recorded."""

    def __init__(self, limits: ClientLimits) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.dropped: list[str] = []
        self.clients = Clients(self, limits, lambda address, why: self.dropped.append(why))
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []

    def client_connected(self, conn: int, address: str, local_address: str) -> None:
        self.seen.append(("connected", conn, address, local_address))

    def receive_client(self, conn: int, data: bytes) -> None:
        self.seen.append(("client", conn, data))

    def client_stalled(self, conn: int, is_stalled: bool) -> None:
        self.seen.append(("stalled", conn, is_stalled))

    def client_ended(self, conn: int) -> None:
        self.seen.append(("ended", conn))

    def client_gone(self, conn: int) -> None:
        self.seen.append(("gone", conn))

    def receive_peer(self, peer: int, frame: bytes) -> None:
        raise AssertionError("no peer here")

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        return reader, writer

    def reply(self, conn: int, data: bytes) -> None:
        self.clients.put(conn, data)
        self.clients.flush()

    def received(self, conn: int) -> bytes:
        return b"".join(entry[2] for entry in self.seen if entry[0] == "client" and entry[1] == conn)

    async def serve(self, body: Callable[["Harness"], Awaitable[None]]) -> None:
        server = await asyncio.get_running_loop().create_server(self.clients.connection, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            await body(self)
        finally:
            server.close()
            self.clients.abort()
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.sleep(0)


@pytest.fixture
def serve(run: Any) -> Callable[..., Harness]:
    def serve(body: Any, limits: ClientLimits | None = None) -> Harness:
        harness = Harness(limits or ClientLimits())
        run(harness.serve(body))
        return harness

    return serve


def test_a_connection_is_announced_with_both_addresses_and_its_end_is_told(serve: Any, until: Any) -> None:
    async def body(harness: Harness) -> None:
        _, writer = await harness.connect()
        await until(lambda: harness.seen)
        kind, conn, address, local = harness.seen[0]
        assert (kind, conn) == ("connected", 1)
        assert address == f"127.0.0.1:{writer.get_extra_info('sockname')[1]}"
        assert local == f"127.0.0.1:{harness.port}"
        writer.close()
        await until(lambda: ("ended", 1) in harness.seen)
        harness.clients.close(1)
        await until(lambda: ("gone", 1) in harness.seen)
        assert len(harness.clients) == 0

    serve(body)


def test_a_client_that_is_silent_is_asked_whether_it_is_still_there(serve: Any, until: Any) -> None:
    async def body(harness: Harness) -> None:
        await harness.connect()
        await until(lambda: harness.seen)
        made = harness.clients._connections[1].transport.get_extra_info("socket")
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        asked = [
            made.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        ]
        assert asked == [300, 100, 3]

    serve(body)


def test_replies_of_a_turn_leave_as_one_piece_in_order(serve: Any, until: Any) -> None:
    async def body(harness: Harness) -> None:
        reader, writer = await harness.connect()
        writer.write(b"PING\r\n")
        await until(lambda: harness.received(1) == b"PING\r\n")
        for part in (b"+a\r\n", b"+b\r\n", b"+c\r\n"):
            harness.clients.put(1, part)
        harness.clients.flush()
        assert await reader.readexactly(12) == b"+a\r\n+b\r\n+c\r\n"

    serve(body)


def test_a_close_comes_after_all_that_was_put_before_it(serve: Any, until: Any) -> None:
    async def body(harness: Harness) -> None:
        reader, _ = await harness.connect()
        await until(lambda: harness.seen)
        harness.reply(1, b"x" * 500_000)
        harness.reply(1, b"end")
        harness.clients.close(1)
        assert await reader.read(-1) == b"x" * 500_000 + b"end"
        await until(lambda: ("gone", 1) in harness.seen)

    serve(body)


def test_what_comes_after_the_close_is_not_read(serve: Any, until: Any) -> None:
    async def body(harness: Harness) -> None:
        _, writer = await harness.connect()
        await until(lambda: harness.seen)
        harness.reply(1, b"+OK\r\n")
        harness.clients.close(1)
        writer.write(b"SET k v\r\n")
        await until(lambda: ("gone", 1) in harness.seen)
        assert harness.received(1) == b""

    serve(body)


@pytest.mark.parametrize("is_local", [False, True], ids=["from elsewhere", "from this machine"])
def test_the_connection_over_the_bound_gets_redis_sentence_and_the_node_never_hears_of_it(
    serve: Any, until: Any, monkeypatch: pytest.MonkeyPatch, is_local: bool
) -> None:
    async def body(harness: Harness) -> None:
        taken = 1 + is_local
        for count in range(1, taken + 1):
            await harness.connect()
            await until(lambda count=count: len(harness.seen) == count)
        reader, _ = await harness.connect()
        assert await reader.read(-1) == b"-ERR max number of clients reached\r\n"
        assert [entry[0] for entry in harness.seen] == ["connected"] * taken
        assert harness.clients.counters.rejected == 1

    monkeypatch.setattr(clients, "is_loopback", lambda _: is_local)
    serve(body, ClientLimits(clients_max=1))


@pytest.mark.parametrize(
    ("name", "is_local"),
    [
        (("127.0.0.1", 1), True), (("127.8.9.10", 1), True), (("::1", 1, 0, 0), True),
        (("::ffff:127.0.0.1", 1, 0, 0), True), (("10.0.0.1", 1), False), (("::ffff:10.0.0.1", 1, 0, 0), False),
        (("fe80::1%eth0", 1, 0, 2), False), (("0.0.0.0", 1), False), ("", False), (None, False),
    ],
)  # fmt: skip
def test_only_loopback_is_this_machine(name: object, is_local: bool) -> None:
    assert is_loopback(name) is is_local


def test_a_client_that_does_not_read_is_not_read_from_until_it_does(serve: Any, until: Any) -> None:
    async def body(harness: Harness) -> None:
        reader, writer = await harness.connect()
        await until(lambda: harness.seen)
        flood = 16 << 20
        harness.reply(1, b"x" * flood)
        await until(lambda: not harness.clients._connections[1].transport.is_reading())
        writer.write(b"PING\r\n")
        await writer.drain()
        assert harness.received(1) == b""
        await reader.readexactly(flood)
        await until(lambda: harness.received(1) == b"PING\r\n")

    serve(body, ClientLimits(output_bytes_max=64 << 20, output_pause_bytes=64 * KIB))


def test_a_client_whose_unread_replies_pass_the_bound_is_closed_and_costs_no_more(serve: Any, until: Any) -> None:
    async def body(harness: Harness) -> None:
        await harness.connect()
        await until(lambda: harness.seen)
        for _ in range(200):
            harness.reply(1, b"x" * (1 << 20))
        await until(lambda: ("gone", 1) in harness.seen)
        assert harness.clients.counters.closed_for_output == 1
        assert harness.clients.counters.written_bytes < 40 << 20
        assert harness.dropped == ["its unread replies passed the bound"]

    serve(body, ClientLimits(output_bytes_max=8 << 20, output_pause_bytes=64 * KIB))


def test_the_last_replies_leave_before_the_connections_are_closed(serve: Any, until: Any) -> None:
    async def body(harness: Harness) -> None:
        reader, _ = await harness.connect()
        await harness.connect()
        await until(lambda: len(harness.seen) == 2)
        data = b"x" * (16 << 20)
        harness.reply(1, data)
        told = asyncio.create_task(reader.read(-1))
        await harness.clients.stop()
        assert len(harness.clients) == 0
        assert await told == data

    serve(body)


def test_a_client_that_does_not_read_does_not_keep_a_node_from_stopping(
    serve: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "LAST_BYTES_S", 0.05)

    async def body(harness: Harness) -> None:
        _, writer = await harness.connect()
        writer.transport.pause_reading()
        await until(lambda: harness.seen)
        harness.reply(1, b"x" * (16 << 20))
        await harness.clients.stop()
        await until(lambda: len(harness.clients) == 0)

    serve(body)


def test_a_client_that_sends_no_more_may_still_read_until_the_node_closes(serve: Any, until: Any) -> None:
    async def body(harness: Harness) -> None:
        reader, writer = await harness.connect()
        await until(lambda: harness.seen)
        writer.write(b"PING\r\n")
        writer.write_eof()
        await until(lambda: ("ended", 1) in harness.seen)
        harness.clients.read_on(1, False)
        harness.clients.read_on(1, True)
        harness.reply(1, b"+PONG\r\n")
        assert await reader.readexactly(7) == b"+PONG\r\n"
        harness.clients.close(1)
        assert await reader.read(-1) == b""
        assert harness.seen.count(("ended", 1)) == 1

    serve(body)
