"""Replies: golden bytes in both protocols, and what must never leave."""

from collections.abc import Callable

import pytest

from trilemma.base.invariant import InvariantViolated
from trilemma.resp.reply import (
    NIL_ARRAY,
    OK,
    PONG,
    QUEUED,
    BigNumber,
    ErrorReply,
    MapReply,
    Push,
    Raw,
    Reply,
    SetReply,
    Simple,
    Verbatim,
    encode,
    encode_into,
)

GOLDEN: list[tuple[Reply, bytes, bytes]] = [
    (b"a\r\nb", b"$4\r\na\r\nb\r\n", b"$4\r\na\r\nb\r\n"),
    (b"", b"$0\r\n\r\n", b"$0\r\n\r\n"),
    (0, b":0\r\n", b":0\r\n"),
    (1023, b":1023\r\n", b":1023\r\n"),
    (1024, b":1024\r\n", b":1024\r\n"),
    (-(1 << 63), b":-9223372036854775808\r\n", b":-9223372036854775808\r\n"),
    (None, b"$-1\r\n", b"_\r\n"),
    (NIL_ARRAY, b"*-1\r\n", b"_\r\n"),
    (True, b":1\r\n", b"#t\r\n"),
    (False, b":0\r\n", b"#f\r\n"),
    (OK, b"+OK\r\n", b"+OK\r\n"),
    (QUEUED, b"+QUEUED\r\n", b"+QUEUED\r\n"),
    (PONG, b"+PONG\r\n", b"+PONG\r\n"),
    (Simple(b"string"), b"+string\r\n", b"+string\r\n"),
    (3.1, b"$18\r\n3.1000000000000001\r\n", b",3.1000000000000001\r\n"),
    (2.0, b"$1\r\n2\r\n", b",2\r\n"),
    (float("inf"), b"$3\r\ninf\r\n", b",inf\r\n"),
    (float("-inf"), b"$4\r\n-inf\r\n", b",-inf\r\n"),
    (Verbatim(b"a:b\r\n"), b"$5\r\na:b\r\n\r\n", b"=9\r\ntxt:a:b\r\n\r\n"),
    (Verbatim(b"x", b"mkd"), b"$1\r\nx\r\n", b"=5\r\nmkd:x\r\n"),
    (BigNumber(-(10**30)), b"$32\r\n-1" + b"0" * 30 + b"\r\n", b"(-1" + b"0" * 30 + b"\r\n"),
    ([], b"*0\r\n", b"*0\r\n"),
    ([b"a", 1, None], b"*3\r\n$1\r\na\r\n:1\r\n$-1\r\n", b"*3\r\n$1\r\na\r\n:1\r\n_\r\n"),
    (([b"a"], []), b"*2\r\n*1\r\n$1\r\na\r\n*0\r\n", b"*2\r\n*1\r\n$1\r\na\r\n*0\r\n"),
    (
        {b"k": [1, 2], b"l": 3},
        b"*4\r\n$1\r\nk\r\n*2\r\n:1\r\n:2\r\n$1\r\nl\r\n:3\r\n",
        b"%2\r\n$1\r\nk\r\n*2\r\n:1\r\n:2\r\n$1\r\nl\r\n:3\r\n",
    ),
    (MapReply(((1, 2), (1, 3))), b"*4\r\n:1\r\n:2\r\n:1\r\n:3\r\n", b"%2\r\n:1\r\n:2\r\n:1\r\n:3\r\n"),
    (SetReply((b"b", b"a")), b"*2\r\n$1\r\nb\r\n$1\r\na\r\n", b"~2\r\n$1\r\nb\r\n$1\r\na\r\n"),
    (Push((b"p", 1)), b"*2\r\n$1\r\np\r\n:1\r\n", b">2\r\n$1\r\np\r\n:1\r\n"),
    (Raw(b"+two\r\n", b"+three\r\n"), b"+two\r\n", b"+three\r\n"),
    ([ErrorReply("ERR x"), OK], b"*2\r\n-ERR x\r\n+OK\r\n", b"*2\r\n-ERR x\r\n+OK\r\n"),
]


@pytest.mark.parametrize(("value", "resp2", "resp3"), GOLDEN)
def test_reply_has_its_golden_bytes(value: Reply, resp2: bytes, resp3: bytes) -> None:
    assert (encode(value, 2), encode(value, 3)) == (resp2, resp3)


@pytest.mark.parametrize("protocol", [2, 3])
def test_encoding_into_parts_gives_the_same_bytes(protocol: int) -> None:
    parts: list[bytes] = []
    for value, _, _ in GOLDEN:
        encode_into(parts, value, protocol)
    assert b"".join(parts) == b"".join(encode(value, protocol) for value, _, _ in GOLDEN)


def test_an_error_cannot_carry_a_second_reply() -> None:
    assert encode(ErrorReply("ERR a\r\n+OK\nb\r\n"), 2) == b"-ERR a  +OK b\r\n"


def test_an_error_carries_bytes_that_are_not_text() -> None:
    assert encode(ErrorReply(b"ERR \xff".decode("utf-8", "surrogateescape")), 2) == b"-ERR \xff\r\n"


def test_nesting_deeper_than_the_stack_is_encoded() -> None:
    value: Reply = b"x"
    for _ in range(50_000):
        value = [value]
    assert encode(value, 2) == b"*1\r\n" * 50_000 + b"$1\r\nx\r\n"


def test_a_value_that_is_no_reply_is_a_fault_of_the_code() -> None:
    with pytest.raises(InvariantViolated, match="str"):
        encode("text", 2)  # type: ignore[arg-type]


COMMANDS: list[tuple[bytes, Reply]] = [
    (b"GET none", None),
    (b"HGETALL none", {}),
    (b"SMEMBERS none", SetReply(())),
    (b"CLIENT NO-EVICT off", OK),
    (b"CLIENT TRACKINGINFO", {b"flags": SetReply((b"off",)), b"redirect": -1, b"prefixes": []}),
    (b"CONFIG GET maxclients", {b"maxclients": b"10000"}),
    (b"EXEC", ErrorReply("ERR EXEC without MULTI")),
    (b"DEBUG PROTOCOL true", True),
    (b"DEBUG PROTOCOL verbatim", Verbatim(b"This is a verbatim\nstring")),
    (b"DEBUG PROTOCOL double", 3.141),
    (b"DEBUG PROTOCOL map", MapReply(((0, False), (1, True), (2, False)))),
    (b"DEBUG PROTOCOL set", SetReply((0, 1, 2))),
    (b"DEBUG PROTOCOL bignum", BigNumber(1234567999999999999999999999999999999)),
    (b"DEBUG PROTOCOL null", None),
    (b"WATCH w\r\nSET w 1\r\nMULTI\r\nEXEC", NIL_ARRAY),
]


@pytest.mark.process
@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(("command", "value"), COMMANDS)
def test_redis_server_sends_the_same_bytes(
    converse: Callable[[bytes], bytes], protocol: int, command: bytes, value: Reply
) -> None:
    answer = converse(b"HELLO %d\r\n" % protocol + b"PING\r\n" + command + b"\r\n")
    assert answer.partition(encode(PONG, protocol))[2].endswith(encode(value, protocol))


@pytest.mark.process
@pytest.mark.parametrize("score", ["3.1", "1e300", "0.1", "1e17", "123456789012345678", "inf", "-inf", "2", "5e-324"])
@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_server_prints_doubles_as_we_do(converse: Callable[[bytes], bytes], protocol: int, score: str) -> None:
    key = b"score:" + score.encode()
    answer = converse(
        b"HELLO %d\r\nDEL %b\r\nZADD %b %b m\r\nZSCORE %b m\r\n" % (protocol, key, key, score.encode(), key)
    )
    assert answer.endswith(b":1\r\n" + encode(float(score), protocol))
