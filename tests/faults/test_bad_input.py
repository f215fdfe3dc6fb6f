"""What a client may send wrongly, row by row (docs/fault-rows.md): a clear error there, and the node lives.

The replies are what redis-server 7.0.15 sends, unless the table says otherwise.
"""

import socket
import threading
import time
from contextlib import closing, suppress

import pytest

from conftest import CLIENTS_MAX, MIB, PATIENCE_S, LiveNode

pytestmark = pytest.mark.process

INT64_MAX = 2**63 - 1


def request(*words: bytes | str | int) -> bytes:
    found = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(found) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in found)


PING = request("PING")

BULK_LENGTH = b"-ERR Protocol error: invalid bulk length\r\n"
MULTIBULK_LENGTH = b"-ERR Protocol error: invalid multibulk length\r\n"

CLOSED: dict[str, tuple[bytes, bytes]] = {
    "1 a bulk over the limit": (b"*1\r\n$536870913\r\n", BULK_LENGTH),
    "2 bulk length -1": (b"*1\r\n$-1\r\n", BULK_LENGTH),
    "2 bulk length -5": (b"*1\r\n$-5\r\n", BULK_LENGTH),
    "2 bulk length abc": (b"*1\r\n$abc\r\n", BULK_LENGTH),
    "2 bulk length +4": (b"*1\r\n$+4\r\nPING\r\n", BULK_LENGTH),
    "2 bulk length 04": (b"*1\r\n$04\r\nPING\r\n", BULK_LENGTH),
    "4 multibulk 2147483648": (b"*2147483648\r\n", MULTIBULK_LENGTH),
    "4 multibulk of 20 digits": (b"*99999999999999999999\r\n", MULTIBULK_LENGTH),
    "4 multibulk abc": (b"*abc\r\n", MULTIBULK_LENGTH),
    "6 digits without end": (b"*" + b"1" * 70_000, b"-ERR Protocol error: too big mbulk count string\r\n"),
    "7 digits of a bulk without end": (
        b"*1\r\n$" + b"1" * 70_000,
        b"-ERR Protocol error: too big bulk count string\r\n",
    ),
    "8 an inline line of 70,000 bytes": (b"a" * 70_000, b"-ERR Protocol error: too big inline request\r\n"),
    "9 a number where a bulk belongs": (b"*1\r\n:5\r\n", b"-ERR Protocol error: expected '$', got ':'\r\n"),
    "9 an inline word where a bulk belongs": (b"*1\r\nPING\r\n", b"-ERR Protocol error: expected '$', got 'P'\r\n"),
    "9 a null of RESP3 in a request": (b"*1\r\n_\r\n", b"-ERR Protocol error: expected '$', got '_'\r\n"),
    "10 an open quote": (b'SET a "foo\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    "10 a quote that goes on": (b'SET "foo"bar x\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    "14 an HTTP POST": (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    "14 a Host line": (b"Host: a\r\n", b""),
}


@pytest.mark.parametrize("name", CLOSED)
def test_a_broken_request_is_told_so_and_closed(node: LiveNode, name: str) -> None:
    data, reply = CLOSED[name]
    assert node.exchange(PING, data) == (b"+PONG\r\n" + reply, True)
    assert node.is_alive()


ANSWERED: dict[str, tuple[bytes, bytes]] = {
    "3 multibulk -1": (b"*-1\r\n" + PING, b"+PONG\r\n"),
    "3 multibulk 0": (b"*0\r\n" + PING, b"+PONG\r\n"),
    "3 multibulk -10": (b"*-10\r\n" + PING, b"+PONG\r\n"),
    "12 empty lines": (b"\r\n\r\n\r\nPING\r\n", b"+PONG\r\n"),
    "12 LF without CR": (b"PING\n", b"+PONG\r\n"),
    "18 an unknown command": (
        b"FOOBAR a b\r\n",
        b"-ERR unknown command 'FOOBAR', with args beginning with: 'a' 'b' \r\n",
    ),
    "19 a name with CR and LF": (
        request(b"FOO\r\nBAR"),
        b"-ERR unknown command 'FOO  BAR', with args beginning with: \r\n",
    ),
    "20 wrong arity": (b"GET\r\n", b"-ERR wrong number of arguments for 'get' command\r\n"),
    "20 an odd MSET": (b"MSET a 1 b\r\n", b"-ERR wrong number of arguments for 'mset' command\r\n"),
    "20 an unknown subcommand": (b"CONFIG NOPE\r\n", b"-ERR unknown subcommand 'NOPE'. Try CONFIG HELP.\r\n"),
    "22 INCR at the end": (
        request("SET", "top", INT64_MAX) + request("INCR", "top"),
        b"+OK\r\n-ERR increment or decrement would overflow\r\n",
    ),
    "22 DECR at the other end": (
        request("SET", "low", -INT64_MAX - 1) + request("DECR", "low"),
        b"+OK\r\n-ERR increment or decrement would overflow\r\n",
    ),
    "22 DECRBY by the lowest": (
        request("SET", "nil", 0) + request("DECRBY", "nil", -INT64_MAX - 1),
        b"+OK\r\n-ERR decrement would overflow\r\n",
    ),
    "28 a time to live of nothing": (b"SET k v EX 0\r\n", b"-ERR invalid expire time in 'set' command\r\n"),
    "28 a negative one": (b"SET k v EX -1\r\n", b"-ERR invalid expire time in 'set' command\r\n"),
    "28 one that overflows": (
        request("SET", "k", "v", "EX", INT64_MAX),
        b"-ERR invalid expire time in 'set' command\r\n",
    ),
    "28 EXPIRE that overflows": (
        request("SET", "k", "v") + request("EXPIRE", "k", INT64_MAX),
        b"+OK\r\n-ERR invalid expire time in 'expire' command\r\n",
    ),
    "28 EXPIRE that overflows the other way": (
        request("SET", "k", "v") + request("EXPIRE", "k", -INT64_MAX - 1),
        b"+OK\r\n-ERR invalid expire time in 'expire' command\r\n",
    ),
    "28 PEXPIRE that overflows": (
        request("SET", "k", "v") + request("PEXPIRE", "k", INT64_MAX),
        b"+OK\r\n-ERR invalid expire time in 'pexpire' command\r\n",
    ),
    "29 a word for a number": (b"SET k v EX abc\r\n", b"-ERR value is not an integer or out of range\r\n"),
    "29 EX with PX": (b"SET k v EX 1 PX 1\r\n", b"-ERR syntax error\r\n"),
    "29 NX with XX": (b"SET k v NX XX\r\n", b"-ERR syntax error\r\n"),
    "29 SCAN COUNT 0": (b"SCAN 0 COUNT 0\r\n", b"-ERR syntax error\r\n"),
    "30 SETRANGE far out": (
        b"SETRANGE far 536870911 ab\r\n",
        b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n",
    ),
    "30 SETRANGE before the start": (b"SETRANGE far -1 a\r\n", b"-ERR offset is out of range\r\n"),
    "31 EXEC alone": (b"EXEC\r\n", b"-ERR EXEC without MULTI\r\n"),
    "31 DISCARD alone": (b"DISCARD\r\n", b"-ERR DISCARD without MULTI\r\n"),
    "31 MULTI in MULTI": (
        b"MULTI\r\nMULTI\r\nEXEC\r\n",
        b"+OK\r\n-ERR MULTI calls can not be nested\r\n*0\r\n",
    ),
    "31 WATCH in MULTI": (
        b"MULTI\r\nWATCH a\r\nECHO x\r\nEXEC\r\n",
        b"+OK\r\n-ERR WATCH inside MULTI is not allowed\r\n+QUEUED\r\n*1\r\n$1\r\nx\r\n",
    ),
    "32 a bad command in MULTI": (
        b"DEL q\r\nMULTI\r\nSET q 1\r\nNOPE\r\nEXEC\r\nEXISTS q\r\n",
        b":0\r\n+OK\r\n+QUEUED\r\n-ERR unknown command 'NOPE', with args beginning with: \r\n"
        b"-EXECABORT Transaction discarded because of previous errors.\r\n:0\r\n",
    ),
    "33 an error while it runs": (
        b"MULTI\r\nSET r abc\r\nINCR r\r\nSET s 1\r\nEXEC\r\nGET s\r\n",
        b"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n-ERR value is not an integer or out of range\r\n+OK\r\n"
        b"$1\r\n1\r\n",
    ),
    "35 HELLO 4": (b"HELLO 4\r\n", b"-NOPROTO unsupported protocol version\r\n"),
    "35 HELLO abc": (b"HELLO abc\r\n", b"-ERR Protocol version is not an integer or out of range\r\n"),
    "41 DEBUG": (
        b"DEBUG SLEEP 0\r\n",
        b'-ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from'
        b" a local connection, otherwise you need to set this option in the configuration file, and then restart the "
        b"server.\r\n",
    ),
    "41 CONFIG SET dir": (
        b"CONFIG SET dir /tmp\r\n",
        b"-ERR Unknown option or number of arguments for CONFIG SET - 'dir'\r\n",
    ),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_a_wrong_command_is_answered_and_the_connection_goes_on(node: LiveNode, name: str) -> None:
    data, reply = ANSWERED[name]
    found, is_closed = node.exchange(data, PING)
    if name.endswith(("PONG", "-1", "0", "-10", "lines", "CR")) and reply == b"+PONG\r\n":
        assert found == b"+PONG\r\n+PONG\r\n"
    else:
        assert found == reply + b"+PONG\r\n"
    assert not is_closed


def test_row_5_very_many_arguments_that_never_come_cost_no_memory(node: LiveNode) -> None:
    before = node.resident_bytes
    held = [node.connect() for _ in range(50)]
    try:
        for connection in held:
            connection.sendall(b"*1048576\r\n")
        assert node.is_alive()
        assert node.resident_bytes - before < 16 * MIB
        # Redis waits for 2,147,483,647 of them; here a request has at most 1,048,576 arguments.
        assert node.exchange(b"*2147483647\r\n") == (MULTIBULK_LENGTH, True)
    finally:
        for connection in held:
            connection.close()


def test_row_11_bytes_that_are_no_text_are_answered_at_once(node: LiveNode) -> None:
    found, is_closed = node.exchange(bytes((0x80, 0x81, 0x00, 0xFF)) + b"\r\n")
    assert found.startswith(b"-ERR unknown command")
    assert not is_closed


def test_row_13_a_request_that_is_never_complete_holds_up_nobody(node: LiveNode) -> None:
    with closing(node.connect()) as connection:
        connection.sendall(b"*1\n$4\nPING\n")
        assert node.is_alive()
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)


@pytest.mark.parametrize("half_close", [False, True])
def test_row_15_a_request_cut_short_has_no_effect_and_earlier_ones_are_answered(
    node: LiveNode, half_close: bool
) -> None:
    node.ask(request("DEL", "cut15"))
    whole = request("SET", "cut15", "value")
    found, is_closed = node.exchange(PING, whole[:-4], half_close=half_close)
    assert found == b"+PONG\r\n"
    assert is_closed is half_close
    assert node.ask(request("EXISTS", "cut15")) == b":0\r\n"


def test_row_15_what_came_before_an_end_of_input_is_answered_whole_and_then_the_node_closes(node: LiveNode) -> None:
    pipeline = b"".join(request("INCR", "ended15") for _ in range(3_000)) + request("GET", "ended15")
    node.ask(request("DEL", "ended15"))
    with closing(node.connect()) as connection:
        connection.sendall(pipeline)
        connection.shutdown(socket.SHUT_WR)
        found, is_closed = node.read(connection, PATIENCE_S)
    assert found.endswith(b":3000\r\n$4\r\n3000\r\n")
    assert is_closed


def test_row_15_a_client_that_waits_for_ever_and_ends_is_let_go(node: LiveNode) -> None:
    found, is_closed = node.exchange(request("SET", "k", "v"), request("WAIT", 9, 0), half_close=True)
    assert (found, is_closed) == (b"+OK\r\n:0\r\n", True)


def test_row_16_one_byte_at_a_time(node: LiveNode) -> None:
    with closing(node.connect()) as connection:
        for place in range(len(PING)):
            connection.sendall(PING[place : place + 1])
            time.sleep(0.001)
        assert node.read(connection) == (b"+PONG\r\n", False)


def test_row_17_more_bytes_than_the_length_says_are_the_next_command(node: LiveNode) -> None:
    found, is_closed = node.exchange(b"*1\r\n$4\r\nPINGPONG\r\n")
    assert found == b"+PONG\r\n-ERR unknown command 'NG', with args beginning with: \r\n"
    assert not is_closed


def test_row_18_a_name_of_a_thousand_bytes_is_not_repeated_whole(node: LiveNode) -> None:
    found = node.ask(request("x" * 1_000, "y" * 1_000))
    assert found.startswith(b"-ERR unknown command '" + b"x" * 128 + b"'")
    assert len(found) < 400


def test_row_21_keys_are_bytes(node: LiveNode) -> None:
    for key in (b"\xff\xfe\x00\x01", b"", b"\x00"):
        assert node.ask(request("SET", key, key) + request("GET", key)) == b"+OK\r\n$%d\r\n%s\r\n" % (len(key), key)


@pytest.mark.parametrize("value", ["abc", " 1", "1 ", "+1", "1_0", "99999999999999999999", "٣", "0x1", "1.0", ""])
def test_row_23_what_is_no_integer_is_not_counted(node: LiveNode, value: str) -> None:
    found = node.ask(request("SET", "n23", value) + request("INCR", "n23"))
    assert found == b"+OK\r\n-ERR value is not an integer or out of range\r\n"


@pytest.mark.parametrize(
    ("amount", "reply"),
    [
        ("nan", b"-ERR value is not a valid float\r\n"),
        ("9e4932", b"-ERR value is not a valid float\r\n"),
        ("1_0", b"-ERR value is not a valid float\r\n"),
        ("infinity ", b"-ERR value is not a valid float\r\n"),
        ("inf", b"-ERR increment would produce NaN or Infinity\r\n"),
    ],
)
def test_row_24_what_is_no_float_is_not_added(node: LiveNode, amount: str, reply: bytes) -> None:
    assert node.ask(request("SET", "f24", "1") + request("INCRBYFLOAT", "f24", amount)) == b"+OK\r\n" + reply


def test_row_24_infinities_that_cancel(node: LiveNode) -> None:
    found = node.ask(request("SET", "f24", "inf") + request("INCRBYFLOAT", "f24", "-inf"))
    assert found == b"+OK\r\n-ERR increment would produce NaN or Infinity\r\n"


@pytest.mark.parametrize("command", ["EXPIRE e27 -1", "PEXPIREAT e27 1", "SET e27 v EXAT 1"])
def test_row_27_a_deadline_that_has_passed_takes_the_key_at_once(node: LiveNode, command: str) -> None:
    found = node.ask(b"SET e27 v\r\n" + command.encode() + b"\r\nEXISTS e27\r\n")
    assert found in (b"+OK\r\n:1\r\n:0\r\n", b"+OK\r\n+OK\r\n:0\r\n")


def test_row_34_a_watched_key_that_changed_stops_exec(node: LiveNode) -> None:
    with closing(node.connect()) as connection:
        connection.sendall(b"SET w34 1\r\nWATCH w34\r\n")
        assert node.read(connection)[0] == b"+OK\r\n+OK\r\n"
        assert node.ask(b"SET w34 2\r\n") == b"+OK\r\n"
        connection.sendall(b"MULTI\r\nSET w34 3\r\nEXEC\r\nGET w34\r\n")
        assert node.read(connection)[0] == b"+OK\r\n+QUEUED\r\n*-1\r\n$1\r\n2\r\n"


def test_row_34_a_watched_key_that_expired_stops_exec(node: LiveNode) -> None:
    with closing(node.connect()) as connection:
        connection.sendall(b"SET x34 1 PX 60\r\nWATCH x34\r\n")
        assert node.read(connection)[0] == b"+OK\r\n+OK\r\n"
        time.sleep(0.4)
        connection.sendall(b"MULTI\r\nSET x34 3\r\nEXEC\r\n")
        assert node.read(connection)[0] == b"+OK\r\n+QUEUED\r\n*-1\r\n"


def test_row_36_who_has_not_given_the_password_cannot_make_the_node_hold_much(locked: LiveNode) -> None:
    assert locked.exchange(PING) == (b"-NOAUTH Authentication required.\r\n", False)
    assert locked.exchange(request(*["x"] * 11)) == (
        b"-ERR Protocol error: unauthenticated multibulk length\r\n",
        True,
    )
    assert locked.exchange(b"*1\r\n$16385\r\n") == (b"-ERR Protocol error: unauthenticated bulk length\r\n", True)
    assert locked.exchange(request("AUTH", "sesame"), PING) == (b"+OK\r\n+PONG\r\n", False)


def test_row_37_a_wrong_password_opens_nothing(locked: LiveNode) -> None:
    refused = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    found, _ = locked.exchange(request("AUTH", "wrong"), request("AUTH", "nobody", "sesame"), request("GET", "a"))
    assert found == refused + refused + b"-NOAUTH Authentication required.\r\n"


def test_row_38_a_slow_reader_cannot_make_the_node_grow_beyond_its_bound(node: LiveNode) -> None:
    node.ask(request("SET", "big38", b"x" * MIB))
    before = node.resident_bytes
    with closing(node.connect()) as connection:
        connection.sendall(request("GET", "big38") * 300)
        highest = 0
        for _ in range(30):
            assert node.is_alive()
            highest = max(highest, node.resident_bytes)
        # Redis holds all 300 MB.
        assert highest - before < 160 * MIB
        connection.settimeout(30)
        size = 0
        with suppress(ConnectionResetError):
            while size < 300 * MIB:
                data = connection.recv(MIB)
                if not data:
                    break
                size += len(data)
    # Who reads after all is given all of it.
    assert size >= 300 * MIB


def test_row_38_a_fast_writer_cannot_make_the_node_grow_beyond_its_bound(node: LiveNode) -> None:
    before = node.resident_bytes
    command = request("APPEND", "app38", b"y")
    reader = node.connect()
    with closing(reader):
        # Replies are never read, so at some point nothing more is taken in either.
        reader.settimeout(0.5)
        sent = 0
        with suppress(TimeoutError):
            while sent < 64 * MIB:
                sent += reader.send(command * 1_000)
        assert node.is_alive()
        assert node.resident_bytes - before < 200 * MIB


def test_row_38_what_a_fast_writer_sends_is_answered_whole_and_in_order(node: LiveNode) -> None:
    texts = [b"%030d" % number for number in range(30_000)]
    with closing(node.connect()) as connection:
        writer = threading.Thread(target=connection.sendall, args=(b"".join(request("ECHO", each) for each in texts),))
        writer.start()
        found = b""
        wanted = b"".join(b"$%d\r\n%b\r\n" % (len(each), each) for each in texts)
        while len(found) < len(wanted) and (data := connection.recv(MIB)):
            found += data
        writer.join()
    assert found == wanted


@pytest.mark.parametrize("empty", [b"\r\n", b"*0\r\n"])
def test_row_38_megabytes_of_empty_requests_hold_up_nobody(node: LiveNode, empty: bytes) -> None:
    with closing(node.connect()) as connection:
        connection.settimeout(0.5)
        with suppress(TimeoutError):
            for _ in range(64):
                connection.sendall(empty * (MIB // len(empty)))
        assert node.is_alive()


def test_row_39_very_many_keys_in_one_command_hold_up_nobody_for_long(node: LiveNode) -> None:
    node.ask(request("SET", "k39", "v"))
    found = node.exchange(request("MGET", *["k39"] * 200_000))[0]
    assert found.startswith(b"*200000\r\n")
    assert len(found) == len(b"*200000\r\n") + 200_000 * len(b"$1\r\nv\r\n")
    assert node.is_alive()


def test_row_40_one_client_too_many_is_told_so(node: LiveNode) -> None:
    held = []
    try:
        said = b""
        for _ in range(CLIENTS_MAX + 5):
            connection = node.connect()
            held.append(connection)
        said, is_closed = node.read(held[-1])
        assert said == b"-ERR max number of clients reached\r\n"
        assert is_closed
        held[0].sendall(PING)
        assert node.read(held[0])[0] == b"+PONG\r\n"
    finally:
        for connection in held:
            connection.close()
    time.sleep(0.2)
    assert node.is_alive()


@pytest.mark.parametrize("command", ["KEYS", "SCAN"])
def test_row_42_a_pattern_made_to_take_long_is_refused_or_quick(node: LiveNode, command: str) -> None:
    node.ask(request("SET", b"a" * 4_000, "v"))
    pattern = b"a*" * 400 + b"b"
    words = ("KEYS", pattern) if command == "KEYS" else ("SCAN", "0", "MATCH", pattern, "COUNT", "100000")
    assert node.ask(request(*words)) != b""
    assert node.ask(request("KEYS", b"*" * 5_000)).startswith(b"-ERR pattern is too long")
    assert node.is_alive()


def test_row_43_what_is_queued_in_multi_is_bounded(node: LiveNode) -> None:
    before = node.resident_bytes
    with closing(node.connect()) as connection:
        connection.settimeout(30)
        value = b"z" * MIB
        connection.sendall(b"DEL q43\r\nMULTI\r\n")
        for _ in range(80):
            connection.sendall(request("SET", "q43", value))
        connection.sendall(b"EXEC\r\nEXISTS q43\r\n")
        found = node.read(connection, quiet_s=2.0)[0]
        assert b"-EXECABORT" in found
        assert found.endswith(b":0\r\n")
        assert node.resident_bytes - before < 250 * MIB
    assert node.is_alive()
