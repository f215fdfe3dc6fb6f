"""When replies leave: nobody is shown what a crash could take back, in the very turn that wrote it either."""

from collections.abc import Sequence

import pytest

from trilemma.node.config import Member, NodeConfig
from trilemma.node.effects import ClientBytes, Effects
from trilemma.sim.solo import SoloNode, request


def made(mode: str) -> SoloNode:
    return SoloNode(NodeConfig("solo", 1, "disk", 1, (Member(1, "n1"),), default_mode=mode))


def turn(solo: SoloNode, sent: Sequence[tuple[int, bytes]]) -> Effects:
    """Hand in bytes of several connections and return what one turn makes of them."""
    for conn, data in sent:
        solo.node.receive_client(conn, data)
    solo.node.advance(solo.now)
    return solo.node.ready()


def leaving(effects: Effects, conn: int) -> ClientBytes:
    return next(out for out in effects.client_bytes if out.conn == conn)


def test_a_read_in_the_turn_of_a_write_waits_for_its_sync_as_the_write_does() -> None:
    solo = made("ap")
    writer, reader, other = solo.connect(), solo.connect(), solo.connect()
    solo.send(writer, request("SET", "quiet", "1"))
    effects = turn(
        solo, [(writer, request("SET", "k", "v")), (reader, request("GET", "k")), (other, request("GET", "quiet"))]
    )
    assert effects.log is not None
    assert leaving(effects, reader).data == b"$1\r\nv\r\n"
    assert leaving(effects, writer).after == leaving(effects, reader).after == effects.log.token
    assert leaving(effects, other).after < effects.log.token


def test_a_read_in_a_later_turn_waits_for_the_sync_too() -> None:
    solo = made("ap")
    writer, reader = solo.connect(), solo.connect()
    effects = turn(solo, [(writer, request("SET", "k", "v"))])
    assert effects.log is not None
    later = turn(solo, [(reader, request("GET", "k"))])
    assert leaving(later, reader).data == b"$1\r\nv\r\n"
    assert leaving(later, reader).after == effects.log.token


@pytest.mark.parametrize("mode", ["cp", "ca"])
def test_no_reply_is_made_of_what_is_not_committed(mode: str) -> None:
    solo = made(mode)
    writer, reader = solo.connect(), solo.connect()
    effects = turn(solo, [(writer, request("SET", "k", "v")), (reader, request("GET", "k"))])
    assert effects.log is not None
    assert [out for out in effects.client_bytes if out.conn == writer] == []
    assert all(b"$1\r\nv" not in out.data for out in effects.client_bytes)


@pytest.mark.parametrize("mode", ["cp", "ap"])
def test_replies_of_one_connection_keep_the_order_of_their_commands(mode: str) -> None:
    solo = made(mode)
    conn = solo.connect()
    sent = b"".join(request("SET", "k", number) + request("GET", "k") for number in range(50))
    expected = b"".join(b"+OK\r\n$%d\r\n%d\r\n" % (len(str(number)), number) for number in range(50))
    assert solo.send(conn, sent + request("PING")) == expected + b"+PONG\r\n"


BLOCKING = [
    [("MULTI",), ("SET", "k", "v"), ("EXEC",)],
    [("WATCH", "k")],
    [("CAP", "EXPLAIN", "SET", "k", "v")],
    [("FLUSHALL",)],
    [("KEYSPACE", "CREATE", "new", "MODE", "ap")],
    [("CAP", "DIGEST")],
    [("SET", "k", "v"), ("WAIT", "3", "50")],
]


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("sent", BLOCKING)
def test_what_comes_while_an_earlier_command_blocks_is_answered_after_it(
    sent: list[tuple[str, ...]], ends: bool
) -> None:
    solo = made("cp")
    conn = solo.connect()
    solo.replies[conn].clear()
    solo.node.receive_client(conn, b"".join(request(*words) for words in sent))
    solo.turn()
    solo.node.receive_client(conn, request("ECHO", "later"))
    if ends:
        solo.node.client_ended(conn)
    solo.run_until(solo.now.mono_us + 3_000_000)
    assert solo.replies[conn].endswith(b"$5\r\nlater\r\n")
    assert (conn in solo.closed) is ends


def test_a_blocked_client_is_not_read_from_beyond_the_bound() -> None:
    solo = made("cp")
    conn = solo.connect()
    solo.send(conn, request("SET", "k", "v") + request("WAIT", "3", "60000"))
    reading = []
    for _ in range(40):
        solo.node.receive_client(conn, request("SET", "k", "x" * 1_000_000))
        solo.node.advance(solo.now)
        reading += solo.node.ready().reading
    assert reading == [(conn, False)]
