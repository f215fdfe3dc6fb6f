"""Replies and error texts are Redis 7.0's to the letter: random pipelines, byte for byte, RESP2 and RESP3.

What differs on purpose stands in `docs/differences.md`; the strategies below leave exactly that out.
"""

import socket

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from trilemma.command.table import TABLE
from trilemma.resp.decode import ReplyDecoder
from trilemma.resp.reply import Reply
from trilemma.sim.solo import SoloNode, request

SEQUENCES = 420
COMMANDS_MIN = 20_000
WAITS_MAX = 100
TOLERANCE_MS = 5_000

KEYS = [b"a", b"b", b"c", b"k1", b"{t}x", b"", b"\x00\xff", b"key with space"]
VALUES = [
    b"", b"0", b"1", b"-1", b"10", b"007", b"+5", b" 5", b"9223372036854775807", b"-9223372036854775808",
    b"9223372036854775808", b"3.14", b"-0.1", b"1e3", b"1e400", b"nan", b"inf", b"0x10", b"hello", b"Hello World",
    b"ohmytext", b"mynewtext", b"\x00\x01\xfe", b"x" * 44, b"x" * 45, b"y" * 200, b"\r\n", b"OK",
]  # fmt: skip
NUMBERS = [b"0", b"1", b"-1", b"2", b"5", b"-3", b"100", b"-100", b"x", b"", b"1.5", b"4294967296", *VALUES[8:11]]
FUTURE_S = [b"100", b"5000", b"1000000"]
TIMES = [b"0", b"-1", b"x", b"9223372036854775807", b"-9223372036854775808", b"9223372036854775", b"1.5", *FUTURE_S]

key = st.sampled_from(KEYS)
value = st.sampled_from(VALUES) | st.binary(max_size=12)
number = st.sampled_from(NUMBERS)


def word(text: str) -> st.SearchStrategy[bytes]:
    return st.sampled_from([text.upper().encode(), text.lower().encode(), text.capitalize().encode()])


def command(*parts: st.SearchStrategy[bytes] | str) -> st.SearchStrategy[list[bytes]]:
    return st.tuples(*(word(part) if isinstance(part, str) else part for part in parts)).map(list)


def with_options(
    base: st.SearchStrategy[list[bytes]], options: list[st.SearchStrategy[list[bytes]]], most: int = 3
) -> st.SearchStrategy[list[bytes]]:
    extra = st.lists(st.one_of(options), max_size=most).map(lambda lists: [one for many in lists for one in many])
    return st.tuples(base, extra).map(lambda pair: pair[0] + pair[1])


def one(text: str) -> st.SearchStrategy[list[bytes]]:
    return word(text).map(lambda found: [found])


def timed(text: str, times: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    return st.tuples(word(text), st.sampled_from(times)).map(list)


MS = [one_time + b"000" for one_time in FUTURE_S]
FAR_S, FAR_MS = [b"4000000000"], [b"4000000000000"]
BAD = [b"0", b"-5", b"x", b"9223372036854775807"]
SET_OPTIONS = [
    one("nx"), one("xx"), one("get"), one("keepttl"), timed("ex", FUTURE_S + BAD), timed("px", MS + BAD),
    timed("exat", FAR_S + BAD), timed("pxat", FAR_MS + BAD), one("ex"), one("bogus"), one("persist"),
]  # fmt: skip
EXPIRE_OPTIONS = [one("nx"), one("xx"), one("gt"), one("lt"), one("bogus")]
LCS_OPTIONS = [one("len"), one("idx"), timed("minmatchlen", NUMBERS), one("withmatchlen"), one("minmatchlen")]
COPY_OPTIONS = [one("replace"), timed("db", [b"0", b"1", b"15", b"16", b"-1", b"x", b"99999999999"]), one("db")]

PLAIN = {
    "append": command("append", key, value),
    "decr": command("decr", key),
    "decrby": command("decrby", key, number | value),
    "get": command("get", key),
    "getdel": command("getdel", key),
    "getex": with_options(command("getex", key), SET_OPTIONS, 2),
    "getrange": command("getrange", key, number, number),
    "getset": command("getset", key, value),
    "incr": command("incr", key),
    "incrby": command("incrby", key, number | value),
    "incrbyfloat": command("incrbyfloat", key, number | value),
    "lcs": with_options(command("lcs", key, key), LCS_OPTIONS),
    "mget": st.tuples(word("mget"), st.lists(key, min_size=0, max_size=4)).map(lambda p: [p[0], *p[1]]),
    "mset": st.tuples(word("mset"), st.lists(key | value, max_size=5)).map(lambda p: [p[0], *p[1]]),
    "msetnx": st.tuples(word("msetnx"), st.lists(key | value, max_size=5)).map(lambda p: [p[0], *p[1]]),
    "psetex": command("psetex", key, st.sampled_from(MS + BAD), value),
    "set": with_options(command("set", key, value), SET_OPTIONS),
    "setex": command("setex", key, st.sampled_from(FUTURE_S + BAD), value),
    "setnx": command("setnx", key, value),
    "setrange": command("setrange", key, st.sampled_from([b"0", b"1", b"5", b"-1", b"x", b"536870912"]), value),
    "strlen": command("strlen", key),
    "substr": command("substr", key, number, number),
    "copy": with_options(command("copy", key, key), COPY_OPTIONS, 2),
    "del": st.tuples(word("del"), st.lists(key, max_size=3)).map(lambda p: [p[0], *p[1]]),
    "exists": st.tuples(word("exists"), st.lists(key, max_size=3)).map(lambda p: [p[0], *p[1]]),
    "touch": st.tuples(word("touch"), st.lists(key, max_size=3)).map(lambda p: [p[0], *p[1]]),
    "unlink": st.tuples(word("unlink"), st.lists(key, max_size=3)).map(lambda p: [p[0], *p[1]]),
    "expire": with_options(command("expire", key, st.sampled_from(TIMES)), EXPIRE_OPTIONS, 2),
    "pexpire": with_options(command("pexpire", key, st.sampled_from(MS + BAD)), EXPIRE_OPTIONS, 2),
    "expireat": with_options(command("expireat", key, st.sampled_from(FAR_S + BAD)), EXPIRE_OPTIONS, 2),
    "pexpireat": with_options(command("pexpireat", key, st.sampled_from(FAR_MS + BAD)), EXPIRE_OPTIONS, 2),
    "expiretime": command("expiretime", key),
    "pexpiretime": command("pexpiretime", key),
    "ttl": command("ttl", key),
    "pttl": command("pttl", key),
    "persist": command("persist", key),
    "rename": command("rename", key, key),
    "renamenx": command("renamenx", key, key),
    "type": command("type", key),
    "object|freq": command("object", st.just(b"freq"), st.just(b"absent")),
    "object|idletime": command("object", word("idletime"), st.just(b"absent")),
    "object|encoding": command("object", word("encoding"), st.just(b"absent")),
    "object|refcount": command("object", word("refcount"), st.just(b"absent")),
    "keys": command("keys", st.sampled_from([b"a", b"[b-b]", b"k?", b"none*", b"\\a"])),
    "scan": command("scan", st.sampled_from([b"x", b"-1", b"0"]), st.just(b"count"), st.sampled_from([b"0", b"x"])),
    "dbsize": command("dbsize"),
    "randomkey": st.just([b"randomkey", b"too many"]),
    "flushdb": with_options(command("flushdb"), [one("async"), one("sync"), one("bogus")], 1),
    "flushall": with_options(command("flushall"), [one("async"), one("sync")], 2),
    "select": command("select", st.sampled_from([b"0", b"0", b"1", b"16", b"-1", b"x"])),
    "multi": command("multi"),
    "exec": command("exec"),
    "discard": command("discard"),
    "watch": st.tuples(word("watch"), st.lists(key, max_size=2)).map(lambda p: [p[0], *p[1]]),
    "unwatch": command("unwatch"),
    "ping": with_options(command("ping"), [value.map(lambda v: [v])], 2),
    "echo": command("echo", value),
    "client|setname": command("client", word("setname"), st.sampled_from([b"me", b"", b"a b", b"\n"])),
    "client|getname": command("client", word("getname")),
    "client|no-evict": command("client", word("no-evict"), st.sampled_from([b"on", b"OFF", b"x"])),
    "client|kill": command("client", word("kill"), st.sampled_from([b"1.2.3.4:5", b"id"])),
    "config|set": command("config", word("set"), st.just(b"nonsense"), value),
    "config|resetstat": command("config", word("resetstat")),
    "config|rewrite": command("config", word("rewrite")),
    "function|flush": with_options(command("function", word("flush")), [one("async"), one("sync"), one("x")], 1),
    "script|flush": with_options(command("script", word("flush")), [one("async"), one("sync")], 1),
    "cluster|keyslot": st.just([b"cluster"]),
    "debug|sleep": command("debug", word("sleep"), number),
    "time": st.just([b"time", b"x"]),
    "readonly": st.just([b"readonly", b"x"]),
    "readwrite": st.just([b"readwrite", b"x"]),
    "wait": command("wait", number, st.sampled_from([b"1", b"x", b"-1"])),
    "auth": st.lists(value, min_size=0, max_size=3).map(lambda words: [b"auth", *words]),
    "hello": st.lists(
        st.sampled_from([b"x", b"4", b"3", b"2", b"setname", b"auth", b"me"]), min_size=1, max_size=4
    ).map(lambda words: [b"hello", b"9", *words]),
}

UNKNOWN = st.lists(value.filter(lambda v: v.lower() not in {name.encode() for name in TABLE}), min_size=1, max_size=4)
NOT_COMPARED = {
    "info", "command", "command|count", "command|docs", "command|getkeys", "command|info", "command|list", "client",
    "client|id", "client|info", "client|list", "client|setinfo", "config", "config|get", "cluster", "cluster|info",
    "debug", "function", "script", "object", "quit", "reset", "monitor", "shutdown", "lab", "cap", "keyspace",
    "client|help", "cluster|help", "config|help", "debug|help", "function|help", "object|help", "script|help",
}  # fmt: skip

any_command = st.one_of([*PLAIN.values(), UNKNOWN.filter(lambda words: words[0] != b"")])
sequence = st.lists(any_command, min_size=30, max_size=90)

TIMED = {b"pttl", b"expiretime", b"pexpiretime", b"ttl"}


def test_every_command_is_driven_or_named_as_not_compared() -> None:
    names = {
        name for spec in TABLE.values() for name in ([*(s.name for s in spec.subcommands.values())] or [spec.name])
    }
    driven = set(PLAIN) | {name for name in names if name.split("|")[0] in {"keyspace", "cap", "command"}}
    assert names - driven - NOT_COMPARED == set()


class Pair:
    """The same bytes to both servers."""

    def __init__(self, theirs: socket.socket) -> None:
        self.theirs = theirs
        self.solo = SoloNode(wall_us=self.wall_us())
        self.conn = self.solo.connect()
        self.commands = 0

    def ask_theirs(self, data: bytes, count: int) -> list[bytes]:
        """Return the raw bytes of `count` replies."""
        self.theirs.sendall(data)
        raw = bytearray()
        decoder = ReplyDecoder()
        seen = 0
        while seen < count:
            chunk = self.theirs.recv(1 << 20)
            assert chunk, "redis-server closed the connection"
            raw += chunk
            decoder.feed(chunk)
            seen += len(decoder.replies())
        return split(bytes(raw))

    def ask_ours(self, data: bytes) -> list[bytes]:
        replies = self.solo.send(self.conn, data)
        for _ in range(WAITS_MAX):
            if not self.solo.node.is_waiting:
                break
            self.solo.run_until(self.solo.now.mono_us + 1_000)
            replies = bytes(self.solo.replies[self.conn])
        return split(replies)

    def wall_us(self) -> int:
        seconds, micros = decode(self.ask_theirs(request("TIME"), 1)[0])  # type: ignore[misc]
        return int(seconds) * 1_000_000 + int(micros)

    def sync_clocks(self) -> None:
        behind_us = self.wall_us() - self.solo.now.wall_us
        if behind_us > 0:
            self.solo.run_until(self.solo.now.mono_us + behind_us)


def decode(raw: bytes) -> Reply:
    decoder = ReplyDecoder()
    decoder.feed(raw)
    return decoder.replies()[0]


def split(raw: bytes) -> list[bytes]:
    """Cut a byte stream into its replies."""
    replies = []
    start = 0
    while start < len(raw):
        end = _end(raw, start)
        replies.append(raw[start:end])
        start = end
    return replies


def _end(raw: bytes, start: int) -> int:
    line = raw.index(b"\r\n", start)
    mark, text = raw[start : start + 1], raw[start + 1 : line]
    position = line + 2
    if mark in b"$=" and int(text) >= 0:
        return position + int(text) + 2
    if mark in b"*~>%":
        for _ in range(max(int(text), 0) * (2 if mark == b"%" else 1)):
            position = _end(raw, position)
    return position


def same(words: list[bytes], ours: bytes, theirs: bytes) -> bool:
    if ours == theirs:
        return True
    if ours[:1] != b":" or theirs[:1] != b":":
        return False
    unit = 1 if words[0].lower().startswith(b"p") else 1_000
    return words[0].lower() in TIMED and abs(int(ours[1:]) - int(theirs[1:])) * unit <= TOLERANCE_MS


def same_in_exec(ours: bytes, theirs: bytes) -> bool:
    mine, other = decode(ours), decode(theirs)
    if not isinstance(mine, list) or not isinstance(other, list) or len(mine) != len(other):
        return False
    return all(
        a == b or (isinstance(a, int) and isinstance(b, int) and abs(a - b) <= TOLERANCE_MS and b > 50)
        for a, b in zip(mine, other, strict=True)
    )


@pytest.mark.process
@pytest.mark.parametrize("protocol", [2, 3])
def test_random_pipelines_get_the_same_bytes_from_redis_and_from_us(redis_server, protocol: int) -> None:  # type: ignore[no-untyped-def]
    with redis_server.connect() as theirs:
        pair = Pair(theirs)
        pair.ask_theirs(request("HELLO", protocol), 1)
        pair.ask_ours(request("HELLO", protocol))

        @settings(
            max_examples=SEQUENCES // 2,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(sequence)
        def run(commands: list[list[bytes]]) -> None:
            compare(pair, commands)

        run()
        assert pair.commands >= COMMANDS_MIN // 2


def compare(pair: Pair, commands: list[list[bytes]]) -> None:
    clean = request("DISCARD") + request("UNWATCH") + request("SELECT", 0) + request("FLUSHALL")
    pair.ask_theirs(clean, 4)
    pair.ask_ours(clean)
    pair.sync_clocks()
    data = b"".join(request(*words) for words in commands)
    theirs = pair.ask_theirs(data, len(commands))
    ours = pair.ask_ours(data)
    assert len(ours) == len(commands)
    for position, (words, mine, other) in enumerate(zip(commands, ours, theirs, strict=True)):
        if words[0].lower() == b"exec" and same_in_exec(mine, other):
            continue
        assert same(words, mine, other), f"{position}: {words!r}: ours {mine!r}, Redis {other!r}"
    pair.commands += len(commands)
