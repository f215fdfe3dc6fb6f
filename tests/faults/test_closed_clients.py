"""Connections that the node closes by itself, against the live port: silent, guessing, malformed, one too many.

The second halves of rows 5, 13, 14, 37 and 40 of docs/fault-rows.md.
"""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import trilemma
from conftest import PATIENCE_S, LiveNode
from trilemma.base.time import US_PER_S
from trilemma.command.connection import WRONG_PASSWORDS_MAX
from trilemma.node import silence
from trilemma.sim.solo import request

pytestmark = pytest.mark.process

PING = request("PING")
WRONG = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
TOO_MANY = b"-ERR max number of clients reached\r\n"
CLIENTS_MAX = 4


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Callable[..., LiveNode]]:
    """Start a node with options; its log is JSON."""
    nodes = []

    def live(**options: object) -> LiveNode:
        nodes.append(LiveNode(tmp_path, log_format='"json"', **options))
        return nodes[-1]

    yield live
    for node in nodes:
        node.stop()


def logged(directory: Path, until: int) -> list[dict[str, object]]:
    """What the log says of closed clients, once it says so much."""
    end = time.monotonic() + PATIENCE_S
    while True:
        lines = [json.loads(line) for line in (directory / "stderr").read_text().splitlines() if line.startswith("{")]
        found = [line for line in lines if line["event"] == "client closed"]
        if len(found) >= until or time.monotonic() > end:
            return found
        time.sleep(0.05)


def closed_after(connection: socket.socket) -> float:
    """How long it takes until the node closes a connection, which it must not do for long after."""
    since = time.monotonic()
    connection.settimeout(PATIENCE_S)
    assert connection.recv(1) == b""
    return time.monotonic() - since


@pytest.mark.parametrize("part", [b"*1048576\r\n", b"*1\n$4\nPING\n", b"*2\r\n$3\r\nGET\r\n$1", b"GET ", b"*", b"$"])
def test_rows_5_and_13_who_begins_a_request_and_falls_silent_is_closed(
    part: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "REQUEST_US", US_PER_S // 4)
    with trilemma.local(nodes=1) as cluster:
        begun = socket.create_connection(cluster.address("n1"))
        quiet = socket.create_connection(cluster.address("n1"))
        with closing(begun), closing(quiet):
            begun.sendall(PING + part)
            assert begun.recv(7) == b"+PONG\r\n"
            assert 0.1 < closed_after(begun) < 5
            # Who has begun nothing may be silent for ever.
            quiet.sendall(PING)
            assert quiet.recv(7) == b"+PONG\r\n"


def test_row_13_who_goes_on_sending_may_take_as_long_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "REQUEST_US", US_PER_S // 2)
    with trilemma.local(nodes=1) as cluster, closing(socket.create_connection(cluster.address("n1"))) as slow:
        for byte in PING:
            slow.sendall(bytes((byte,)))
            time.sleep(0.07)
        assert slow.recv(7) == b"+PONG\r\n"


def test_row_5_the_option_timeout_closes_who_is_idle_and_nobody_else(
    live: Callable[..., LiveNode], tmp_path: Path
) -> None:
    node = live(timeout=1)
    connections = [node.connect() for _ in range(4)]
    idle, monitor, waiting, busy = connections
    try:
        idle.sendall(PING)
        monitor.sendall(request("MONITOR"))
        waiting.sendall(request("SET", "k", "v") + request("WAIT", 9, 0))
        for _ in range(8):
            busy.sendall(PING)
            assert busy.recv(7) == b"+PONG\r\n"
            time.sleep(0.3)
        assert node.read(idle) == (b"+PONG\r\n", True)
        assert node.read(waiting) == (b"+OK\r\n", False)
        assert not node.read(monitor)[1]
        busy.sendall(request("CONFIG", "SET", "timeout", 0))
        assert busy.recv(5) == b"+OK\r\n"
        assert node.read(busy, 2.3) == (b"", False)
    finally:
        for connection in connections:
            connection.close()
    assert "idle" in str(logged(tmp_path, 1)[0]["why"])


def test_row_14_what_is_closed_for_bad_input_stands_in_the_log_and_cannot_fill_it(
    live: Callable[..., LiveNode], tmp_path: Path
) -> None:
    node = live()
    assert node.exchange(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n") == (b"", True)
    first = logged(tmp_path, 1)
    assert [line["level"] for line in first] == ["warning"]
    assert "cross-protocol" in str(first[0]["why"])
    assert str(first[0]["client"]).startswith("127.0.0.1:")
    for _ in range(200):
        with closing(node.connect()) as connection:
            connection.sendall(b"*1\r\n\x1b[31m\r\n")
            assert connection.recv(100).startswith(b"-ERR Protocol error")
    found = logged(tmp_path, 3)
    assert 2 <= len(found) < 30
    assert "expected '$', got '\\x1b'" in str(found[-1]["why"])
    time.sleep(1.1)
    assert sum(1 + int(str(line.get("more", 0))) for line in logged(tmp_path, 1)) == 201


def test_row_37_who_guesses_passwords_is_closed_and_nobody_is_locked_out(locked: LiveNode) -> None:
    guesses = b"".join(request("AUTH", f"guess{number}") for number in range(1_000))
    found, is_closed = locked.exchange(guesses + request("AUTH", "sesame"), PING)
    assert (found, is_closed) == (WRONG * WRONG_PASSWORDS_MAX, True)
    half = WRONG_PASSWORDS_MAX // 2
    greeting = request("HELLO", 2, "AUTH", "default", "no")
    assert locked.exchange(greeting * WRONG_PASSWORDS_MAX) == (WRONG * WRONG_PASSWORDS_MAX, True)
    # A proof begins the count anew, and RESET does not.
    right = request("AUTH", "sesame") + request("AUTH", "no") * half + request("RESET") + request("AUTH", "no") * half
    assert locked.exchange(request("AUTH", "no") * half + right) == (
        WRONG * half + b"+OK\r\n" + WRONG * half + b"+RESET\r\n" + WRONG * half,
        True,
    )
    assert locked.exchange(request("AUTH", "sesame"), PING) == (b"+OK\r\n+PONG\r\n", False)


def test_row_37_where_there_is_no_password_nothing_is_guessed(live: Callable[..., LiveNode]) -> None:
    wrong = request("AUTH", "nobody", "no") * (2 * WRONG_PASSWORDS_MAX)
    assert live().exchange(wrong) == (WRONG * (2 * WRONG_PASSWORDS_MAX), False)


def test_row_40_one_place_is_kept_for_an_administrator_of_this_machine(live: Callable[..., LiveNode]) -> None:
    node = live(maxclients=CLIENTS_MAX)
    held = [node.connect() for _ in range(CLIENTS_MAX)]
    try:
        for connection in held:
            connection.sendall(PING)
            assert connection.recv(7) == b"+PONG\r\n"
        # What is no administrator's ends the connection, and leaves the place.
        for command in (("GET", "k"), ("DBSIZE",), ("MULTI",), ("CAP", "TOKEN")):
            found, is_closed = node.exchange(request("CLIENT", "SETNAME", "app"), request(*command), PING)
            assert (found, is_closed) == (b"+OK\r\n" + TOO_MANY, True), command
        with closing(node.connect()) as administrator:
            administrator.sendall(request("CLIENT", "ID"))
            assert node.read(administrator)[0].startswith(b":")
            assert node.exchange(b"") == (TOO_MANY, True)
            administrator.sendall(request("CLIENT", "LIST") + request("INFO", "clients"))
            assert b"connected_clients:%d" % (CLIENTS_MAX + 1) in node.read(administrator)[0]
            address = "{}:{}".format(*held[0].getsockname())
            administrator.sendall(request("CLIENT", "KILL", address))
            assert node.read(administrator) == (b"+OK\r\n", False)
            # Now that there is room it is a connection as others are.
            administrator.sendall(request("SET", "k", "v"))
            assert node.read(administrator) == (b"+OK\r\n", False)
    finally:
        for connection in held:
            connection.close()
