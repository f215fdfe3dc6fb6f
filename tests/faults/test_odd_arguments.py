"""No argument of any command ends a node: every one gets a reply, on every mode, plain, in MULTI, explained, once."""

import random

import pytest

from trilemma.base.errors import REGISTRY
from trilemma.command.table import TABLE
from trilemma.node.config import Member, NodeConfig
from trilemma.resp.decode import ReplyDecoder
from trilemma.resp.reply import ErrorReply, Reply, Simple
from trilemma.sim.solo import SoloNode, request

COMMANDS = 4_000
WAIT_US = 100_000
WAITS_MAX = 60

KEYS = [b"k", b"shop:k", b"site:k", b"", b"\xff\x00", b"shop:\xe2\x82", b"none:k"]
NUMBERS = [
    b"0", b"1", b"-1", b"2", b"15", b"16", b"99", b"-0", b"007", b"+5", b" 5", b"1.5", b"1e4900", b"-1e4900",
    b"1e-4900", b"0x1p16000", b"nan", b"-inf", b"9223372036854775807", b"-9223372036854775808",
    b"9223372036854775808", b"4294967296", b"2147483648", b"9" * 4_301, b"-" + b"9" * 5_000, b"0" * 5_000 +
    b"7", b"1" + b"0" * 4_000,
]  # fmt: skip
STRANGE = [
    b"", b"\x00", b"\x00held", b"\xff\xfe", b"\xc2\xb2", b"\xd9\xa3", b"\r\n-ERR x", b"{", b"{0}", b"%s%n",
    b"[", b"[^", b"\\", b"*" * 40, b"a" * 300, b"k\x00", b"n1", b"n9", b"n1>n1", b"shop", b"site", b"new",
    b"default", b"_system",
]  # fmt: skip
OPTIONS = [
    b"EX", b"PX", b"EXAT", b"PXAT", b"NX", b"XX", b"GT", b"LT", b"GET", b"KEEPTTL", b"PERSIST", b"LEN", b"IDX",
    b"MINMATCHLEN", b"WITHMATCHLEN", b"DB", b"REPLACE", b"MATCH", b"COUNT", b"TYPE", b"MODE", b"cp", b"ap",
    b"ca", b"WRITE", b"READ", b"REPLICAS", b"SHARDS", b"TIMEOUT", b"DURABILITY", b"TO", b"ID", b"ADDR",
    b"LADDR", b"SKIPME", b"USER", b"ON", b"OFF", b"YES", b"NO", b"ASYNC", b"SYNC", b"NOSAVE", b"NOW", b"FORCE",
    b"ABORT", b"AUTH", b"SETNAME", b"FILTERBY", b"MODULE", b"ACLCAT", b"PATTERN", b"majority", b"all", b"local",
    b"lease", b"everysec", b"80ms", b"10%", b"keyspaces", b"everything", b"maxclients", b"timeout", b"*",
]  # fmt: skip
POOLS = [KEYS, NUMBERS, STRANGE, OPTIONS]

ENDING = {"quit", "shutdown", "client|kill", "monitor"}
"""They end a connection or the node, or have it sent what answers no command, as they are meant to."""


def leaves() -> list[bytes]:
    """Return the words of every command and subcommand that goes on."""
    found = [leaf for spec in TABLE.values() for leaf in spec.subcommands.values() or [spec]]
    return [leaf.name.encode() for leaf in found if leaf.name not in ENDING]


LEAVES = leaves()
DEEP = [
    line.split()
    for line in (
        b"client list id", b"client kill id", b"client kill skipme no id", b"client kill type", b"client list type",
        b"client setinfo lib-name", b"hello 3 auth", b"hello", b"hello 3 setname", b"scan", b"scan 0 count",
        b"scan 0 match", b"scan 0 type", b"set k v ex", b"set shop:k v pxat", b"set k v nx get", b"getex k px",
        b"lcs k shop:k", b"lcs k k idx minmatchlen", b"copy k shop:k db", b"copy k k1 db",
        b"keyspace create new mode ap write", b"keyspace create new mode ap read",
        b"keyspace create new mode cp timeout", b"keyspace create new mode ca replicas",
        b"keyspace create new mode ap shards", b"keyspace alter shop write", b"keyspace alter shop read",
        b"keyspace alter default timeout", b"keyspace alter shop durability", b"keyspace alter", b"keyspace drop",
        b"keyspace create", b"keyspace lead default", b"keyspace info", b"config set maxclients",
        b"config set timeout", b"config set", b"config get", b"incrbyfloat shop:k", b"incrbyfloat k",
        b"incrby shop:k", b"decrby k", b"select", b"setrange k", b"setrange shop:k", b"getrange k", b"expire k",
        b"pexpireat shop:k", b"expireat k 5", b"cap wait", b"cap conflicts", b"cap digest", b"cap explain",
        b"cap once t1 set k", b"command getkeys", b"command list filterby", b"command info", b"object encoding",
        b"debug sleep", b"wait", b"wait 0", b"info", b"lab cut", b"lab slow n1-n2", b"memory usage", b"flushall",
        b"mset k", b"msetnx k v", b"watch", b"shutdown abort", b"shutdown save nosave",
    )
]  # fmt: skip
"""Beginnings behind which an argument is read."""


def chosen(rng: random.Random) -> list[bytes]:
    """Return a command with arguments of any kind and number, keys where a key is likely more often than not."""
    is_deep = rng.random() < 0.6
    words = list(rng.choice(DEEP)) if is_deep else rng.choice(LEAVES).split(b"|")
    for position in range(rng.randrange(1, 3) if is_deep else rng.randrange(3)):
        pool = KEYS if position == 0 and rng.random() < 0.5 else rng.choice(POOLS)
        words.append(rng.choice(pool))
    return words


def wrapped(rng: random.Random, words: list[bytes]) -> list[list[bytes]]:
    """Return a command as it is, in a transaction, explained, or with a token."""
    kind = rng.randrange(6)
    if kind == 0:
        return [[b"MULTI"], words, [b"INCR", b"shop:n"], chosen(rng), [b"EXEC"], [b"DISCARD"]]
    if kind == 1:
        return [[b"CAP", b"EXPLAIN", *words]]
    if kind == 2:
        return [[b"CAP", b"ONCE", rng.choice([b"t1", b"t2", *STRANGE]), *words]]
    return [words]


class Client:
    """A connection that counts its replies."""

    def __init__(self, solo: SoloNode) -> None:
        self._solo = solo
        self._conn = solo.connect()

    def ask(self, pipeline: list[list[bytes]]) -> list[Reply]:
        """Send commands at once and return the reply to each, waiting as long as WAIT and the like may."""
        if self._conn in self._solo.closed:
            self._conn = self._solo.connect()
        decoder = ReplyDecoder()
        decoder.feed(self._solo.send(self._conn, b"".join(request(*words) for words in pipeline)))
        replies = list(decoder.replies())
        for _ in range(WAITS_MAX):
            if len(replies) >= len(pipeline):
                break
            self._solo.replies[self._conn].clear()
            self._answer_for_the_shell()
            self._solo.run_until(self._solo.now.mono_us + WAIT_US)
            decoder.feed(bytes(self._solo.replies[self._conn]))
            replies += decoder.replies()
        assert len(replies) == len(pipeline), f"{short(pipeline)} got {replies}"
        return replies

    def _answer_for_the_shell(self) -> None:
        for asked in self._solo.admin:
            self._solo.node.admin_done(asked.request, b"+OK\r\n")
        self._solo.admin.clear()


def short(pipeline: list[list[bytes]]) -> list[list[bytes]]:
    return [[word[:40] for word in words] for words in pipeline]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mode", ["cp", "ap", "ca"])
def test_every_command_is_answered_whatever_its_arguments(mode: str, seed: int) -> None:
    rng = random.Random(f"{mode} {seed}")
    solo = SoloNode(NodeConfig("solo", 1, "disk", 1, (Member(1, "n1"),), default_mode=mode))
    client = Client(solo)
    for made in (b"shop MODE ap", b"site MODE ca"):
        client.ask([[b"KEYSPACE", b"CREATE", *made.split()]])
    codes = {entry.template.split()[0] for entry in REGISTRY.values()}
    sent = 0
    while sent < COMMANDS:
        pipeline = wrapped(rng, chosen(rng))
        sent += len(pipeline)
        for reply in client.ask(pipeline):
            if isinstance(reply, ErrorReply):
                assert reply.text.split(" ")[0] in codes, (short(pipeline), reply)
    assert b"\r\ndefects:0\r\n" in solo.send(solo.connect(), request("INFO", "stats"))
    assert client.ask([[b"RESET"], [b"PING"]])[1] == Simple(b"PONG")


def test_a_password_may_be_any_bytes() -> None:
    solo = SoloNode()
    conn = solo.connect()
    assert solo.send(conn, request("CONFIG", "SET", "requirepass", b"\xff\r\n")) == b"+OK\r\n"
    assert b"$3\r\n\xff\r\n\r\n" in solo.send(conn, request("CONFIG", "GET", "requirepass"))
    other = solo.connect()
    assert solo.send(other, request("AUTH", b"\xfe")).startswith(b"-WRONGPASS")
    assert solo.send(other, request("AUTH", b"\xff\r\n")) == b"+OK\r\n"
