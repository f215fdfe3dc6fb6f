"""The request parser: each rule, the fast path against its strict twin, and both against redis-server."""

import time
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trilemma.resp.block import BLOCK_ARGUMENT_BYTES_MAX, BLOCK_ARGUMENTS_MAX, BLOCK_BYTES_MAX, split_block
from trilemma.resp.request import DEFAULT_LIMITS, ODD_REQUESTS_MAX, RequestParser
from trilemma.resp.strict import StrictParser
from trilemma.resp.violation import RequestLimits

Outcome = tuple[list[list[bytes]], bytes | None]


def serialize(request: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(request) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in request)


def run(parser: RequestParser | StrictParser, chunks: Iterable[bytes]) -> Outcome:
    requests: list[list[bytes]] = []
    for chunk in chunks:
        parser.feed(chunk)
        while (found := parser.commands()) or parser.is_behind:
            requests += found
    return requests, None if parser.error is None else parser.error.reply


def parse(data: bytes, authenticated: bool = True) -> Outcome:
    return run(RequestParser(authenticated=authenticated), [data])


def cut(data: bytes, points: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(min(point, len(data)) for point in points), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def protocol_error(detail: bytes) -> bytes:
    return b"-ERR Protocol error: " + detail + b"\r\n"


LONG = 70_000
LINE_MAX = DEFAULT_LIMITS.line_bytes_max
PING = serialize([b"PING"])
PONG = [[b"PING"]]

# name, bytes of the client, requests they are, reply that precedes the close (None: the connection stays open).
CASES: list[tuple[str, bytes, list[list[bytes]], bytes | None]] = [
    ("bulk length over the bound", b"*1\r\n$536870913\r\n", [], protocol_error(b"invalid bulk length")),
    ("bulk length negative", b"*1\r\n$-1\r\n", [], protocol_error(b"invalid bulk length")),
    ("bulk length very negative", b"*1\r\n$-5\r\n", [], protocol_error(b"invalid bulk length")),
    ("bulk length a word", b"*1\r\n$abc\r\n", [], protocol_error(b"invalid bulk length")),
    ("bulk length empty", b"*1\r\n$\r\n", [], protocol_error(b"invalid bulk length")),
    ("bulk length with a plus", b"*1\r\n$+4\r\nPING\r\n", [], protocol_error(b"invalid bulk length")),
    ("bulk length with a leading zero", b"*1\r\n$04\r\nPING\r\n", [], protocol_error(b"invalid bulk length")),
    ("bulk length with a blank", b"*1\r\n$ 4\r\nPING\r\n", [], protocol_error(b"invalid bulk length")),
    ("count minus one", b"*-1\r\n" + PING, PONG, None),
    ("count zero", b"*0\r\n" + PING, PONG, None),
    ("count minus ten", b"*-10\r\n" + PING, PONG, None),
    ("count beyond int", b"*2147483648\r\n", [], protocol_error(b"invalid multibulk length")),
    ("count of 20 digits", b"*" + b"9" * 20 + b"\r\n", [], protocol_error(b"invalid multibulk length")),
    ("count a word", b"*abc\r\n", [], protocol_error(b"invalid multibulk length")),
    ("count empty", b"*\r\n", [], protocol_error(b"invalid multibulk length")),
    ("count line without end", b"*" + b"1" * LONG, [], protocol_error(b"too big mbulk count string")),
    ("bulk line without end", b"*1\r\n$" + b"1" * LONG, [], protocol_error(b"too big bulk count string")),
    ("inline line without end", b"a" * LONG, [], protocol_error(b"too big inline request")),
    ("integer as an argument", b"*1\r\n:5\r\n", [], protocol_error(b"expected '$', got ':'")),
    ("inline as an argument", b"*1\r\nPING\r\n", [], protocol_error(b"expected '$', got 'P'")),
    ("nil as an argument", b"*1\r\n_\r\n", [], protocol_error(b"expected '$', got '_'")),
    ("simple string as an argument", b"*1\r\n+PING\r\n", [], protocol_error(b"expected '$', got '+'")),
    ("verbatim string as an argument", b"*1\r\n=8\r\ntxt:PING\r\n", [], protocol_error(b"expected '$', got '='")),
    ("array as an argument", b"*1\r\n*1\r\n$4\r\nPING\r\n", [], protocol_error(b"expected '$', got '*'")),
    ("nothing as an argument", b"*1\r\n\r\n", [], protocol_error(b"expected '$', got ' '")),
    ("high byte as an argument", b"*1\r\n\xff\r\n", [], protocol_error(b"expected '$', got '\xff'")),
    ("quote left open", b'SET a "foo\r\n', [], protocol_error(b"unbalanced quotes in request")),
    ("single quote left open", b"SET a 'foo\r\n", [], protocol_error(b"unbalanced quotes in request")),
    ("word after a quote", b'"foo"bar\r\n', [], protocol_error(b"unbalanced quotes in request")),
    ("word after a single quote", b"'foo'bar\r\n", [], protocol_error(b"unbalanced quotes in request")),
    ("empty lines", b"\r\n\r\n\n  \r\n" + PING, PONG, None),
    ("inline", b"PING\r\n", PONG, None),
    ("inline with LF only", b"PING\n", PONG, None),
    ("inline with blanks", b"  PING \t \r\n", PONG, None),
    ("inline between multibulks", PING + b"PING\r\n" + PING, PONG * 3, None),
    ("LF only in a multibulk", b"*1\n$4\nPING\n", [], None),
    ("web POST", b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", [], b""),
    ("web Host line", b"host: a\r\n", [], b""),
    ("web after a request", PING + b"Post /\r\n" + PING, PONG, b""),
    ("cut inside an argument", PING + b"*2\r\n$3\r\nGET\r\n$5\r\nab", PONG, None),
    ("longer than declared", b"*1\r\n$4\r\nPINGPONG\r\n", [[b"PING"], [b"NG"]], None),
    ("error after requests", PING + PING + b"*x\r\n" + PING, PONG * 2, protocol_error(b"invalid multibulk length")),
]
# Rows in which redis-server answers otherwise, or not at all, on purpose.
OURS = [
    ("NUL in an inline line", b"\x80\x81\x00\xff\r\n", [[b"\x80\x81\x00\xff"]], None),
    ("NUL in a header", b"*1\r\n$\x00\r\n", [], protocol_error(b"invalid bulk length")),
    ("inline line beyond the bound with its end", b"a" * LONG + b"\r\n", [], protocol_error(b"too big inline request")),
    ("too many arguments", b"*1048577\r\n", [], protocol_error(b"invalid multibulk length")),
    ("bulk beyond ours", b"*1\r\n$16777217\r\n", [], protocol_error(b"invalid bulk length")),
]


@pytest.mark.parametrize(("data", "requests", "reply"), [c[1:] for c in CASES + OURS], ids=[c[0] for c in CASES + OURS])
@pytest.mark.parametrize("make", [RequestParser, lambda: StrictParser(DEFAULT_LIMITS)], ids=["fast", "strict"])
def test_bad_input_ends_as_the_table_says(
    make: Callable[[], RequestParser | StrictParser], data: bytes, requests: list[list[bytes]], reply: bytes | None
) -> None:
    assert run(make(), [data]) == (requests, reply)


@pytest.mark.parametrize(("data", "requests", "reply"), [c[1:] for c in CASES + OURS], ids=[c[0] for c in CASES + OURS])
def test_one_byte_per_packet_changes_nothing(data: bytes, requests: list[list[bytes]], reply: bytes | None) -> None:
    assert run(RequestParser(), [data[i : i + 1] for i in range(len(data))]) == (requests, reply)


@pytest.mark.process
@pytest.mark.parametrize(("data", "requests", "reply"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_redis_server_answers_what_the_parser_says(
    exchange: Callable[[bytes], bytes], data: bytes, requests: list[list[bytes]], reply: bytes | None
) -> None:
    answers = b"".join(b"+PONG\r\n" if request == [b"PING"] else exchange(serialize(request)) for request in requests)
    said = exchange(data)
    if reply == b"":
        # Redis drops the replies before a silent close, or not, as the moment has it.
        assert said.removeprefix(answers) == b"<closed>"
    else:
        assert said == answers + (b"" if reply is None else reply + b"<closed>")


@pytest.mark.process
@pytest.mark.parametrize(
    "line",
    [
        b"SET \"a b\" 'c d'",
        rb'ECHO "\x41\n\r\t\b\a\q\\\""',
        rb"ECHO 'it\'s \n'",
        rb'ECHO foo"bar"',
        rb'ECHO "\x4"',
        rb"ECHO '\\'",
        b"ECHO \va\vb\v",
        b"ECHO 'a'\vb",
        b"ECHO \xff\x80",
        b"ECHO a\rb",
        b'ECHO ""',
        b"ECHO foo'",
    ],
)
def test_inline_quoting_is_that_of_redis_server(
    exchange: Callable[[bytes], bytes], converse: Callable[[bytes], bytes], line: bytes
) -> None:
    requests, reply = parse(line + b"\r\n")
    if reply is not None:
        assert exchange(line + b"\r\n") == reply + b"<closed>"
    else:
        assert converse(line + b"\r\n") == converse(serialize(requests[0]))


def test_a_stranger_may_send_ten_arguments_and_not_eleven() -> None:
    assert parse(serialize([b"x"] * 10), authenticated=False) == ([[b"x"] * 10], None)
    assert parse(serialize([b"x"] * 11), authenticated=False) == (
        [],
        protocol_error(b"unauthenticated multibulk length"),
    )


def test_a_stranger_may_send_16_kib_and_not_a_byte_more() -> None:
    bulk = b"x" * 16384
    assert parse(serialize([bulk]), authenticated=False) == ([[bulk]], None)
    assert parse(serialize([bulk + b"x"]), authenticated=False) == ([], protocol_error(b"unauthenticated bulk length"))


@pytest.mark.parametrize("wide", [[b"MGET"] + [b"k"] * 20, [b"SET", b"k", b"v" * 20_000]])
def test_requests_pipelined_behind_auth_are_read_as_those_of_a_known_client(wide: list[bytes]) -> None:
    parser = RequestParser(authenticated=False)
    parser.feed(serialize([b"AUTH", b"secret"]) + serialize(wide) * 2)
    assert parser.commands() == [[b"AUTH", b"secret"]]
    parser.authenticated = True
    assert parser.commands() == [wide, wide]
    assert parser.error is None


APPEND = serialize([b"APPEND", b"key", b"y"])
LARGE = serialize([b"SET", b"key", b"v" * (BLOCK_BYTES_MAX + 1)])
FLOODS = {
    "plain": (APPEND, BLOCK_BYTES_MAX // len(APPEND)),
    "of two lengths": (APPEND + PING, 2 * BLOCK_BYTES_MAX // len(APPEND + PING)),
    "inline": (b"PING\r\n", ODD_REQUESTS_MAX),
    "some large": (LARGE + APPEND * ODD_REQUESTS_MAX, BLOCK_BYTES_MAX // len(APPEND)),
}
"""By what a client floods with: bytes that are sent over and over, and how many requests may come out at a time."""


@pytest.mark.parametrize("name", FLOODS)
def test_of_a_flood_a_block_is_parsed_at_a_time(name: str) -> None:
    part, most = FLOODS[name]
    flood = part * (4 * BLOCK_BYTES_MAX // len(part) + 3)
    parser = RequestParser()
    found: list[list[bytes]] = []
    for chunk in (flood[: len(flood) // 2], flood[len(flood) // 2 :]):
        parser.feed(chunk)
        requests = parser.commands()
        assert len(requests) <= most + 1
        found += requests
    assert parser.is_behind
    while parser.is_behind:
        requests = parser.commands()
        assert len(requests) <= most + 1
        found += requests
    assert found == run(StrictParser(DEFAULT_LIMITS), [flood])[0]
    assert parser.pending_bytes == 0


def test_whether_something_is_left_is_told_of_the_last_call_alone() -> None:
    parser = RequestParser()
    parser.feed(b"PING\r\n" * (ODD_REQUESTS_MAX + 1))
    assert (len(parser.commands()), parser.is_behind) == (ODD_REQUESTS_MAX, True)
    assert (parser.commands(), parser.is_behind) == ([[b"PING"]], False)


def test_a_parser_that_stopped_just_where_everything_ends_is_not_behind() -> None:
    parser = RequestParser()
    parser.feed(b"PING\r\n" * ODD_REQUESTS_MAX)
    assert (len(parser.commands()), parser.is_behind) == (ODD_REQUESTS_MAX, False)
    stranger = RequestParser(authenticated=False)
    stranger.feed(b"AUTH pw\r\n")
    assert (stranger.commands(), stranger.is_behind) == ([[b"AUTH", b"pw"]], False)
    stranger.authenticated = True
    for number in range(5):
        stranger.feed(b"*1\r\n$4\r\nPING\r\n")
        assert (number, stranger.commands(), stranger.is_behind) == (number, [[b"PING"]], False)


def test_an_error_behind_a_flood_is_told_after_all_of_it() -> None:
    parser = RequestParser()
    parser.feed(APPEND * (2 * BLOCK_BYTES_MAX // len(APPEND)) + b"*x\r\n")
    assert parser.commands()
    assert (parser.is_behind, parser.error) == (True, None)
    while parser.is_behind:
        parser.commands()
    assert parser.error is not None


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("empty", [b"\r\n", b"*0\r\n", b"*-1\r\n"])
def test_requests_of_no_arguments_are_looked_at_a_bounded_number_at_a_time(empty: bytes, is_known: bool) -> None:
    parser = RequestParser(authenticated=is_known)
    parser.feed(empty * (3 * ODD_REQUESTS_MAX) + PING)
    calls = 0
    while not (found := parser.commands()):
        assert parser.is_behind
        calls += 1
    assert found == PONG
    assert calls >= 2


def test_a_request_larger_than_the_query_buffer_closes_without_a_word() -> None:
    limits = RequestLimits(request_bytes_max=100)
    request = serialize([b"x" * 30, b"y" * 30, b"z" * 30])
    for chunks in ([request], [request[i : i + 1] for i in range(len(request))]):
        assert run(RequestParser(limits), chunks) == ([], b"")
    assert run(RequestParser(limits), [serialize([b"x" * 30, b"y" * 30])] * 3) == ([[b"x" * 30, b"y" * 30]] * 3, None)


def test_limits_below_the_fast_path_are_kept() -> None:
    limits = RequestLimits(arguments_max=2, bulk_bytes_max=5)
    assert run(RequestParser(limits), [serialize([b"a", b"12345"])]) == ([[b"a", b"12345"]], None)
    assert run(RequestParser(limits), [serialize([b"a", b"123456"])]) == ([], protocol_error(b"invalid bulk length"))
    assert run(RequestParser(limits), [serialize([b"a"] * 3)]) == ([], protocol_error(b"invalid multibulk length"))


def test_a_line_of_exactly_the_bound_is_accepted_in_any_chunks() -> None:
    line = b"a" * LINE_MAX
    assert run(RequestParser(), [line, b"\n"]) == ([[line]], None)
    assert run(RequestParser(), [line + b"\n"]) == ([[line]], None)
    assert run(RequestParser(), [line + b"a", b"\n"]) == ([], protocol_error(b"too big inline request"))


def test_nothing_is_parsed_after_an_error() -> None:
    parser = RequestParser()
    assert run(parser, [b"*x\r\n", PING]) == ([], protocol_error(b"invalid multibulk length"))
    assert parser.pending_bytes == 0


def test_a_declared_count_allocates_nothing() -> None:
    parser = RequestParser()
    assert run(parser, [b"*1048576\r\n"]) == ([], None)
    assert parser.pending_bytes == len(b"*1048576\r\n")


def test_pending_bytes_are_those_of_the_request_in_progress() -> None:
    parser = RequestParser()
    part = b"*2\r\n$3\r\nGET\r\n$5\r\nab"
    assert run(parser, [PING + part]) == (PONG, None)
    assert parser.pending_bytes == len(part)
    parser.feed(b"cde\r\n")
    assert parser.pending_bytes == len(part) + 5
    assert parser.commands() == [[b"GET", b"abcde"]]
    assert parser.pending_bytes == 0


def test_a_request_of_no_arguments_leaves_nothing_pending() -> None:
    parser = RequestParser()
    assert run(parser, [b"*0\r\n\r\n*-1\r\n"]) == ([], None)
    assert parser.pending_bytes == 0


def test_a_pipeline_may_be_cut_at_any_byte() -> None:
    requests = [[b"GET", b"k"], [b"SET", b"k", b"a\r\nb"], [b"PING"], [b"GET", b"k"]]
    data = b"".join(map(serialize, requests))
    for point in range(len(data) + 1):
        parser = RequestParser()
        before, _ = run(parser, [data[:point]])
        assert sum(len(serialize(request)) for request in before) + parser.pending_bytes == point
        assert before + run(parser, [data[point:]])[0] == requests


def test_a_large_value_in_small_chunks_costs_linear_time() -> None:
    def seconds(value_bytes: int) -> float:
        data = serialize([b"SET", b"k", b"\r\n" * (value_bytes // 2)])
        chunks = [data[i : i + 4096] for i in range(0, len(data), 4096)]
        begun = time.process_time()
        requests, _ = run(RequestParser(), chunks)
        assert len(requests[0][2]) == value_bytes
        return time.process_time() - begun

    small, large = (min(seconds(size) for _ in range(3)) for size in (1 << 20, 1 << 24))
    # Linear is 16 times; quadratic would be 256 times.
    assert large < 80 * max(small, 0.0005)


def test_the_fast_path_takes_a_plain_pipeline_whole() -> None:
    uniform = [[b"SET", b"k%d" % i, b"v" * i] for i in range(50)]
    mixed = [[b"GET", b"k"], [b"SET", b"k", b"v"], [b"PING"]] * 5
    for requests in (uniform, mixed, [[b"x" * BLOCK_ARGUMENT_BYTES_MAX] * BLOCK_ARGUMENTS_MAX]):
        assert split_block(b"".join(map(serialize, requests))) == (requests, b"")


@pytest.mark.parametrize(
    "odd",
    [
        b"PING\r\n",
        b"*1\r\n+PING\r\n",
        b"*1\r\n$5\r\nPING\r\n",
        b"*1\r\n$4\r\nP",
        b"*0\r\n",
        b"*2\r\n$1\r\na\r\n",
        serialize([b"x" * (BLOCK_ARGUMENT_BYTES_MAX + 1)]),
        serialize([b"a\r\nb"]),
        serialize([b"a"] * (BLOCK_ARGUMENTS_MAX + 1)),
    ],
)
def test_the_fast_path_leaves_over_what_is_not_plain(odd: bytes) -> None:
    assert split_block(PING + odd + PING) == (PONG, odd + PING)


words = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"", b"\r\n", b"$1\r\na", b"*1\r\n", b"GET", b"+OK", b"x" * 5000, b"\x00"]),
)
requests_strategy = st.lists(st.lists(words, min_size=1, max_size=5), max_size=8)
pieces = st.one_of(
    st.binary(max_size=8),
    st.lists(words, min_size=1, max_size=4).map(serialize),
    st.sampled_from([case[1] for case in CASES + OURS if len(case[1]) < 100]),
    st.sampled_from([b"\r\n", b"\n", b"\r", b"*1\r\n", b"*2\r\n", b"$1\r\n", b"$4\r\nPING\r\n", b"*3", b"'", b'"']),
)
points = st.lists(st.integers(0, 200), max_size=6)


@given(requests_strategy, points)
def test_parsing_what_was_serialized_gives_it_back(requests: list[list[bytes]], points: list[int]) -> None:
    data = b"".join(map(serialize, requests))
    assert run(RequestParser(), cut(data, points)) == (requests, None)


@settings(max_examples=300)
@given(st.lists(pieces, max_size=8).map(b"".join), points, points, st.booleans())
@example(b"*1\r\n$4\r\nPINGXX*1\r\n$4\r\nPING\r\n", [], [3], True)
def test_fast_and_strict_agree_on_any_bytes_in_any_chunks(
    data: bytes, fast_points: list[int], strict_points: list[int], authenticated: bool
) -> None:
    fast = run(RequestParser(DEFAULT_LIMITS, authenticated), cut(data, fast_points))
    strict = run(StrictParser(DEFAULT_LIMITS, authenticated), cut(data, strict_points))
    assert fast == strict


@given(st.lists(pieces, max_size=6).map(b"".join), points)
def test_fast_and_strict_hold_the_same_number_of_bytes(data: bytes, points: list[int]) -> None:
    fast, strict = RequestParser(), StrictParser(DEFAULT_LIMITS)
    for chunk in cut(data, points):
        run(fast, [chunk])
        run(strict, [chunk])
        assert fast.pending_bytes == strict.pending_bytes
