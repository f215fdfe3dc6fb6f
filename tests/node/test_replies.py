"""When replies leave: nobody is shown what a crash could take back, in the very turn that wrote it either."""

from collections.abc import Sequence

import pytest

from trilemma.base.time import Now
from trilemma.node.config import Member, NodeConfig
from trilemma.node.effects import Effects
from trilemma.sim.solo import SoloNode, request


def made(mode: str) -> SoloNode:
    return SoloNode(NodeConfig("solo", 1, "disk", 1, (Member(1, "n1"),), default_mode=mode))


def turn(solo: SoloNode, sent: Sequence[tuple[int, bytes]] = ()) -> Effects:
    """Hand in bytes of several connections and return what one turn makes of them; nothing of it becomes durable."""
    for conn, data in sent:
        solo.node.receive_client(conn, data)
    solo.node.advance(solo.now)
    return solo.node.ready()


def token_of(effects: Effects) -> int:
    assert effects.log is not None
    return effects.log.token


def leaving(effects: Effects) -> dict[int, bytes]:
    return {out.conn: out.data for out in effects.client_bytes}


def later(solo: SoloNode, ms: int) -> Effects:
    """Let time pass, and return what a turn makes of that."""
    solo.now = Now(solo.now.mono_us + ms * 1_000, solo.now.wall_us + ms * 1_000)
    return turn(solo)


def durable(solo: SoloNode, token: int) -> dict[int, bytes]:
    solo.node.persisted(token)
    return leaving(turn(solo))


def test_a_read_in_the_turn_of_a_write_waits_for_its_sync_as_the_write_does() -> None:
    solo = made("ap")
    writer, reader, other = solo.connect(), solo.connect(), solo.connect()
    solo.send(writer, request("SET", "quiet", "1"))
    effects = turn(
        solo, [(writer, request("SET", "k", "v")), (reader, request("GET", "k")), (other, request("GET", "quiet"))]
    )
    assert leaving(effects) == {other: b"$1\r\n1\r\n"}
    assert durable(solo, token_of(effects) - 1) == {}
    assert durable(solo, token_of(effects)) == {writer: b"+OK\r\n", reader: b"$1\r\nv\r\n"}


def test_a_read_in_a_later_turn_waits_for_the_sync_too() -> None:
    solo = made("ap")
    writer, reader = solo.connect(), solo.connect()
    effects = turn(solo, [(writer, request("SET", "k", "v"))])
    assert leaving(turn(solo, [(reader, request("GET", "k"))])) == {}
    assert durable(solo, token_of(effects)) == {writer: b"+OK\r\n", reader: b"$1\r\nv\r\n"}


def test_replies_behind_one_that_waits_for_the_disk_wait_with_it_and_leave_with_it() -> None:
    solo = made("ap")
    conn = solo.connect()
    first = turn(solo, [(conn, request("SET", "k", "v") + request("PING"))])
    second = turn(solo, [(conn, request("SET", "k", "w") + request("PING"))])
    assert leaving(first) == leaving(second) == {}
    assert durable(solo, token_of(first)) == {conn: b"+OK\r\n+PONG\r\n"}
    assert durable(solo, token_of(second)) == {conn: b"+OK\r\n+PONG\r\n"}


LATE = b"keyspace 'default' (ap): n1 or its disk did not keep up within 2000 ms; "
WRITE_LATE = b"-UNCERTAIN " + LATE + b"it may still take effect\r\n"
READ_LATE = b"-CLUSTERDOWN " + LATE + b"nothing was read\r\n"


def test_what_the_disk_does_not_take_within_timeout_is_answered_then_and_only_once() -> None:
    solo = made("ap")
    writer, reader = solo.connect(), solo.connect()
    effects = turn(solo, [(writer, request("SET", "k", "v") + request("PING")), (reader, request("GET", "k"))])
    assert leaving(later(solo, 1_990)) == {}
    late = later(solo, 20)
    assert leaving(late) == {writer: WRITE_LATE + b"+PONG\r\n", reader: READ_LATE}
    assert durable(solo, token_of(effects)) == {}
    again = turn(solo, [(writer, request("GET", "k"))])
    assert leaving(again) == {writer: b"$1\r\nv\r\n"}


def test_the_node_wants_a_turn_when_a_reply_is_late() -> None:
    solo = made("ap")
    writer = solo.connect()
    begun_us = solo.now.mono_us
    turn(solo, [(writer, request("SET", "k", "v"))])
    waits: set[int] = set()
    for _ in range(1_000):
        deadline_us = turn(solo).next_deadline_us
        if deadline_us >= begun_us + 2_000_000:
            break
        waits.add(deadline_us)
        solo.now = Now(max(deadline_us, solo.now.mono_us + 1), solo.now.wall_us)
    assert deadline_us == begun_us + 2_000_000
    assert leaving(later(solo, 2_000)) == {writer: WRITE_LATE}


def test_of_a_pipeline_only_what_is_late_is_given_up() -> None:
    solo = made("ap")
    conn = solo.connect()
    turn(solo, [(conn, request("SET", "k", "v"))])
    later(solo, 1_000)
    second = turn(solo, [(conn, request("SET", "k", "w"))])
    assert leaving(later(solo, 1_000)) == {conn: WRITE_LATE}
    assert durable(solo, token_of(second)) == {conn: b"+OK\r\n"}


FLUSH_LATE = (
    b"-UNCERTAIN the keyspaces were not all flushed; flushed were: none for certain; elsewhere: " + WRITE_LATE[1:]
)


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (["CAP EXPLAIN SET k v"], WRITE_LATE),
        (["MSET a 1 b 2"], WRITE_LATE),
        (["MULTI", "SET k v", "EXEC"], WRITE_LATE),
        (["MULTI", "GET k", "EXEC"], READ_LATE),
        (["WATCH k"], READ_LATE),
        (["KEYS *"], READ_LATE),
        (["DBSIZE"], READ_LATE),
        (["FLUSHDB"], FLUSH_LATE),
        (["CAP TOKEN"], READ_LATE),
    ],
)
def test_whatever_waits_for_the_disk_is_answered_in_time(words: list[str], reply: bytes) -> None:
    solo = made("ap")
    writer, conn = solo.connect(), solo.connect()
    turn(solo, [(writer, request("SET", "k", "0"))])
    at_once = leaving(turn(solo, [(conn, b"".join(request(*each.split()) for each in words))]))
    assert at_once.get(conn, b"").count(b"\r\n") == len(words) - 1
    assert leaving(later(solo, 2_000))[conn] == reply


def test_a_connection_that_goes_while_its_reply_waits_is_forgotten() -> None:
    solo = made("ap")
    conn = solo.connect()
    effects = turn(solo, [(conn, request("SET", "k", "v"))])
    solo.node.client_gone(conn)
    assert leaving(later(solo, 3_000)) == {}
    assert [*solo.node._clients._waiting.values()] == [[]]
    assert durable(solo, token_of(effects)) == {}


def test_a_connection_is_closed_once_the_reply_that_waits_has_left() -> None:
    solo = made("ap")
    conn = solo.connect()
    effects = turn(solo, [(conn, request("SET", "k", "v") + request("QUIT"))])
    assert effects.close == []
    solo.node.persisted(token_of(effects))
    last = turn(solo)
    assert leaving(last) == {conn: b"+OK\r\n+OK\r\n"}
    assert last.close == [conn]


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
