"""Replies and error texts are Redis 7.0's to the letter: random pipelines, byte for byte, RESP2 and RESP3.

What differs on purpose stands in `docs/differences.md`; the strategies below leave exactly that out.
"""

import os
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, seed

from command_sequences import MODES, sequences
from command_strategies import MISUSED, NOT_COMPARED, OURS, PLAIN
from redis_pair import Pair, drawn
from trilemma.command.table import TABLE
from trilemma.sim.solo import request

COMMANDS_WANTED = int(os.environ.get("COMPARED_COMMANDS", "21000"))
"""Of all modes and both protocols together."""
PROTOCOLS = [2, 3]
COMMANDS_PER_TEST = COMMANDS_WANTED // (len(MODES) * len(PROTOCOLS)) + 1
COMMANDS_PER_SEQUENCE = 45
"""Fewer than a sequence has on average."""
MAINT_NOTIFICATIONS = [
    b"CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip",
    b"CLIENT MAINT_NOTIFICATIONS ON",
    b"client maint_notifications off",
    b"CLIENT MAINT_NOTIFICATIONS",
]
"""What is newer than Redis 7.0, and its clients go on without."""

FOUND = [
    [b"HELLO 3 SETNAME me bogus", b"CLIENT GETNAME", b"HELLO 2 SETNAME you AUTH nobody x", b"CLIENT GETNAME"],
    [b"FLUSHALL", b"SET k 9223372036854775808", b"INCR k", b"SET k 007", b"DECRBY k 2", b"DECR k"],
    [b"GET new", b"WATCH new", b"GET new"],
    [b"WATCH new", b"SET new 1", b"DEL new", b"MULTI", b"GET new", b"EXEC"],
    [b"SET new 1", b"DEL new", b"WATCH new", b"INCR new", b"FLUSHDB", b"MULTI", b"GET new", b"EXEC"],
    [b"WATCH new", b"SET other 1", b"DEL other", b"MULTI", b"GET new", b"EXEC"],
]


def test_every_command_is_driven_or_named_as_not_compared() -> None:
    names = {
        one.name
        for spec in TABLE.values()
        if spec.name not in OURS
        for one in (*spec.subcommands.values(), *([] if spec.subcommands and spec.session_handler is None else [spec]))
        if not one.name.endswith("|help")
    }
    assert names == set(PLAIN) | set(NOT_COMPARED)
    assert not set(PLAIN) & set(NOT_COMPARED)


@pytest.mark.process
@pytest.mark.parametrize("protocol", [2, 3])
def test_every_wrong_number_of_arguments_and_unknown_subcommand_is_refused_in_the_same_words(
    redis_server,  # type: ignore[no-untyped-def]
    protocol: int,
) -> None:
    with redis_server.connect() as theirs:
        pair = Pair(theirs)
        pair.greet(protocol)
        pair.compare(MISUSED)


@pytest.mark.process
@pytest.mark.parametrize("protocol", [2, 3])
def test_what_newer_clients_send_as_they_connect_is_refused_in_the_same_words(redis_server, protocol: int) -> None:  # type: ignore[no-untyped-def]
    with redis_server.connect() as theirs:
        pair = Pair(theirs)
        pair.greet(protocol)
        pair.compare([line.split() for line in MAINT_NOTIFICATIONS])


@pytest.mark.process
@pytest.mark.parametrize("last", [request("QUIT"), request("QUIT", "x"), request("RESET") + request("GET", "k")])
def test_quit_and_reset_answer_and_end_alike(redis_server, last: bytes) -> None:  # type: ignore[no-untyped-def]
    with redis_server.connect() as theirs:
        pair = Pair(theirs)
        pair.greet(3)
        data = request("MULTI") + request("GET", "k") + last + request("QUIT") + request("PING")
        theirs.sendall(data)
        raw = b"".join(iter(lambda: theirs.recv(1 << 20), b""))
        assert b"".join(pair.ask_ours(data)) == raw


@pytest.mark.process
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("lines", FOUND)
def test_what_once_differed_is_the_same(redis_server: Any, mode: str, lines: list[bytes]) -> None:
    with redis_server.connect() as theirs:
        Pair(theirs, mode).compare([line.split(b" ") for line in lines])


@pytest.mark.process
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_random_pipelines_get_the_same_bytes_from_redis_and_from_us(
    redis_server: Any, mode: str, protocol: int, chosen_seed: int
) -> None:
    with closing(Pair(redis_server.connect(), mode)) as pair:

        @seed(chosen_seed)
        @drawn(COMMANDS_PER_TEST // COMMANDS_PER_SEQUENCE + 1)
        @given(sequences(mode))
        def run(commands: list[list[bytes]]) -> None:
            pair.begin_anew(redis_server.connect(), protocol)
            pair.compare(commands)

        run()
    assert pair.commands >= COMMANDS_PER_TEST
