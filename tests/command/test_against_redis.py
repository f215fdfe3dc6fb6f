"""Replies and error texts are Redis 7.0's to the letter: random pipelines, byte for byte, RESP2 and RESP3.

What differs on purpose stands in `docs/differences.md`; the strategies below leave exactly that out.
"""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from command_strategies import MISUSED, NOT_COMPARED, OURS, PLAIN, UNKNOWN
from redis_pair import Pair, same, same_in_exec
from trilemma.command.table import TABLE
from trilemma.sim.solo import request

SEQUENCES = 420
COMMANDS_MIN = 20_000
MAINT_NOTIFICATIONS = [
    b"CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type internal-ip",
    b"CLIENT MAINT_NOTIFICATIONS ON",
    b"client maint_notifications off",
    b"CLIENT MAINT_NOTIFICATIONS",
]
"""What is newer than Redis 7.0, and its clients go on without."""

any_command = st.one_of(
    [*PLAIN.values(), UNKNOWN.filter(lambda words: words[0] != b""), st.sampled_from(MISUSED), st.sampled_from(MISUSED)]
)
sequence = st.lists(any_command, min_size=30, max_size=90)


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
        compare(pair, MISUSED)


@pytest.mark.process
@pytest.mark.parametrize("protocol", [2, 3])
def test_what_newer_clients_send_as_they_connect_is_refused_in_the_same_words(redis_server, protocol: int) -> None:  # type: ignore[no-untyped-def]
    with redis_server.connect() as theirs:
        pair = Pair(theirs)
        pair.greet(protocol)
        compare(pair, [line.split() for line in MAINT_NOTIFICATIONS])


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
@pytest.mark.parametrize("protocol", [2, 3])
def test_random_pipelines_get_the_same_bytes_from_redis_and_from_us(redis_server, protocol: int) -> None:  # type: ignore[no-untyped-def]
    with redis_server.connect() as theirs:
        pair = Pair(theirs)
        pair.greet(protocol)

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
