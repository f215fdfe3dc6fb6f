"""MONITOR shows what redis-server shows: the same commands to both, and the lines compared byte for byte.

Left out: times, addresses, and the arguments of AUTH and HELLO that Redis shows although they may hold a password.
"""

import re
import socket
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from redis_pair import drawn
from trilemma.command.spec import CommandSpec
from trilemma.command.table import TABLE
from trilemma.resp.decode import ReplyDecoder
from trilemma.resp.inline import quoted, split_arguments
from trilemma.sim.solo import SoloNode, request

pytestmark = pytest.mark.process

TIME_AND_ADDRESS = re.compile(rb"^\+\d+\.\d{6} \[(\d+) [^\]]+\] ")
END = "the end of a sequence"
SEQUENCES = 60

WORDS = [b"a", b"b", b"", b"\x00\xff\x7f\x80", b"\"\\'", b"\n\r\t\a\b\v\f\x1b ~!", b"1"]
ALONE = [b"get", b"PING", b"MULTI", b"EXEC", b"discard", b"unwatch", b"RESET", b"quux", b"TIME"]

word = st.sampled_from(WORDS) | st.binary(max_size=8)
db = st.sampled_from([b"0", b"1", b"15", b"16", b"x"])
command = st.one_of(
    st.tuples(st.sampled_from([b"SET", b"set", b"GETSET", b"append"]), word, word),
    st.tuples(st.sampled_from([b"GET", b"InCr", b"del", b"WATCH", b"echo", b"nonsense"]), word),
    st.tuples(st.sampled_from(ALONE)),
    st.tuples(st.sampled_from([b"SELECT", b"select"]), db),
    st.tuples(st.just(b"config"), st.just(b"get"), word),
    st.tuples(st.just(b"CLIENT"), st.sampled_from([b"ID", b"LIST", b"GETNAME", b"bogus"])),
    st.tuples(st.just(b"AUTH"), word) | st.tuples(st.just(b"auth"), st.just(b"default"), word),
    st.tuples(st.just(b"HELLO"), st.just(b"2"), st.just(b"AUTH"), st.sampled_from([b"default", b"you"]), word),
    st.tuples(st.just(b"object"), st.sampled_from([b"help", b"encoding"]), word),
).map(list)


class Theirs:
    """redis-server: a connection that monitors, and one that is monitored."""

    def __init__(self, server: Any, protocol: int) -> None:
        self.watcher: socket.socket = server.connect()
        self.other: socket.socket = server.connect()
        self.watcher.sendall(request("HELLO", protocol) + request("MONITOR"))
        self._read(b"+OK\r\n")

    def _read(self, end: bytes) -> list[bytes]:
        """Return what the watcher is sent up to an end."""
        text = b""
        while not text.endswith(end):
            text += self.watcher.recv(1 << 20)
        return text.split(b"\r\n")[:-1]

    def ask(self, commands: list[list[bytes]]) -> list[bytes]:
        self.other.sendall(b"".join(request(*words) for words in (*commands, [b"ECHO", END.encode()])))
        lines = self._read(quoted(END.encode()) + b"\r\n")
        decoder, replies = ReplyDecoder(), 0
        while replies <= len(commands):
            decoder.feed(self.other.recv(1 << 20))
            replies += len(decoder.replies())
        return lines

    def close(self) -> None:
        self.watcher.close()
        self.other.close()


class Ours:
    """A node: the same two connections."""

    def __init__(self, protocol: int) -> None:
        self.solo = SoloNode()
        self.watcher, self.other = self.solo.connect(), self.solo.connect()
        self.solo.send(self.watcher, request("HELLO", protocol) + request("MONITOR"))

    def ask(self, commands: list[list[bytes]]) -> list[bytes]:
        self.solo.replies[self.watcher].clear()
        for words in (*commands, [b"ECHO", END.encode()]):
            self.solo.send(self.other, request(*words))
        return bytes(self.solo.replies[self.watcher]).split(b"\r\n")[:-1]


@pytest.mark.parametrize("protocol", [2, 3])
def test_random_commands_are_shown_as_redis_shows_them(redis_server: Any, protocol: int, chosen_seed: int) -> None:
    theirs, ours, compared = Theirs(redis_server, protocol), Ours(protocol), []

    @seed(chosen_seed)
    @drawn(SEQUENCES)
    @given(st.lists(command, min_size=10, max_size=40))
    def compare(commands: list[list[bytes]]) -> None:
        commands = [[b"RESET"], *commands, [b"RESET"]]
        mine, other = ours.ask(commands), theirs.ask(commands)
        assert list(map(plain, mine)) == list(map(plain, other))
        compared.extend(mine)

    try:
        compare()
        assert len(compared) > 10 * SEQUENCES
    finally:
        theirs.close()


def plain(line: bytes) -> bytes:
    """Return a line without time and address; the db stays."""
    return TIME_AND_ADDRESS.sub(rb"+[\1] ", line)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
def test_quoted_words_are_read_back(words: list[bytes]) -> None:
    line = b" ".join(map(quoted, words))
    assert line.isascii()
    assert line.decode().isprintable()
    assert split_arguments(line) == words


def test_what_is_administration_and_thus_not_shown_is_what_redis_says(redis_server: Any) -> None:
    known = {name: spec for spec in TABLE.values() for name, spec in _with_subcommands(spec).items()}
    with redis_server.connect() as connection:
        decoder = ReplyDecoder()
        connection.sendall(request("HELLO", 3) + request("COMMAND", "INFO", *known))
        replies: list[Any] = []
        while len(replies) < 2:
            decoder.feed(connection.recv(1 << 20))
            replies += decoder.replies()
    found = {info[0].decode(): str(info[2]) for info in replies[1] if isinstance(info, list)}
    assert {"monitor", "exec", "config|set", "client|kill", "auth"} <= found.keys()
    for name, flags in found.items():
        is_hidden = "'admin'" in flags or "'skip_monitor'" in flags
        assert ("admin" in known[name].flags) == is_hidden, name


def _with_subcommands(spec: CommandSpec) -> dict[str, CommandSpec]:
    return {each.name: each for each in spec.subcommands.values()} or {spec.name: spec}
