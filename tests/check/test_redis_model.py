"""The sequential Redis model: compared with a real redis-server, command by command."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis

from shell import ended
from trilemma.check.brute import is_linearizable
from trilemma.check.forge import disturb, forge
from trilemma.check.history import Operation
from trilemma.check.linearizable import check_linearizable
from trilemma.check.redis_entry import POSITIVE, Data, Entry
from trilemma.check.redis_model import REDIS, reply
from trilemma.workload.strings import StringCommands

COMMANDS = 20_000
EMPTIED = 0.03
"""Share of commands before which a key is made to hold nothing."""
FUZZ_ROUNDS = 1_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed (make test-deps)")
    folder: Path = tmp_path_factory.mktemp("redis")
    path = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    with ended(process):
        client = redis.Redis(unix_socket_path=str(path))
        deadline = time.monotonic() + 10
        while not path.exists() and time.monotonic() < deadline:
            process.poll()
        client.ping()
        yield client
        client.close()


def _ask(server: redis.Redis, command: tuple[bytes, ...]) -> Any:
    connection = server.connection_pool.get_connection()
    try:
        connection.send_command(*command)
        answer = connection.read_response()
    except redis.ResponseError as error:
        return "ERR " + str(error)
    finally:
        server.connection_pool.release(connection)
    return tuple(answer) if isinstance(answer, list) else answer


@pytest.mark.process
def test_model_replies_as_redis_does(server: redis.Redis) -> None:
    rng = Random(11)
    workload = StringCommands(rng, b"t")
    data: Data = {}
    for _ in range(COMMANDS):
        step = workload.next(1)
        commands = step.argument if step.kind == "transaction" else (step.argument,)
        if rng.random() < EMPTIED:
            commands = ((b"SET", step.key + rng.choice((b"n", b"n", b"t")), b""), *commands)
        for command in commands:
            assert reply(data, command) == _ask(server, command), (command, data)
        if rng.random() < 0.02:
            server.flushall()
            data = {}


def _draw(rng: Random, number: int) -> tuple[str, Any]:
    choices: list[tuple[bytes, ...]] = [
        (b"GET", b"x"),
        (b"SET", b"x", b"%d" % number),
        (b"APPEND", b"x", b"1"),
        (b"SETNX", b"x", b"7"),
        (b"GETDEL", b"x"),
        (b"INCR", b"x"),
        (b"MGET", b"x", b"y"),
        (b"RENAME", b"x", b"y"),
    ]
    if rng.random() < 0.2:
        return "transaction", (rng.choice(choices), rng.choice(choices))
    return "command", rng.choice(choices)


def _run(state: Any, operation: Operation) -> tuple[Any, Any]:
    data = dict(state)
    commands = operation.argument if operation.kind == "transaction" else (operation.argument,)
    replies = tuple(reply(data, command) for command in commands)
    return replies if operation.kind == "transaction" else replies[0], tuple(sorted(data.items()))


def test_search_over_redis_commands_never_disagrees_with_brute_force() -> None:
    rng = Random(12)
    valid = 0
    for _ in range(FUZZ_ROUNDS):
        history = disturb(rng, forge(rng, rng.randint(2, 5), (), _draw, _run), rng.randrange(6))
        verdict = check_linearizable(history, REDIS)
        assert verdict.is_valid == is_linearizable(history, REDIS), history
        valid += verdict.is_valid
    assert FUZZ_ROUNDS // 10 < valid < FUZZ_ROUNDS * 9 // 10


def test_half_a_transaction_seen_is_invalid() -> None:
    both = ((b"SET", b"x", b"1"), (b"SET", b"y", b"1"))
    write = Operation(1, 0, 9, "transaction", b"g", both, (b"OK", b"OK"))
    torn = Operation(2, 3, 4, "command", b"g", (b"MGET", b"x", b"y"), (b"1", None))
    assert check_linearizable([write, torn], REDIS).is_invalid
    assert check_linearizable([write, torn._replace(result=(b"1", b"1"))], REDIS).is_valid


def test_error_reply_constrains_the_order() -> None:
    text = Operation(1, 0, 1, "command", b"g", (b"SET", b"x", b"a"), b"OK")
    wrong = Operation(1, 2, 3, "command", b"g", (b"INCR", b"x"), 1)
    right = wrong._replace(result="ERR value is not an integer or out of range")
    assert check_linearizable([text, wrong], REDIS).is_invalid
    assert check_linearizable([text, right], REDIS).is_valid


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ((b"INCR", b"x"), "ERR value is not an integer or out of range"),
        ((b"DECRBY", b"x", b"2"), "ERR value is not an integer or out of range"),
        ((b"INCRBYFLOAT", b"x", b"2"), "ERR value is not a valid float"),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_what_holds_nothing_is_no_number_and_what_is_absent_is_zero(
    command: tuple[bytes, ...], told: str, known: bool
) -> None:
    data: Data = {b"x": Entry(b"")}
    hint = b"2" if known else None
    assert reply(data, command, hint) == told
    assert data == {b"x": Entry(b"")}
    assert not isinstance(reply({}, command, hint), str)


def test_time_to_live_is_any_positive_number() -> None:
    assert POSITIVE == 3
    assert POSITIVE != -1
    assert POSITIVE != b"3"
