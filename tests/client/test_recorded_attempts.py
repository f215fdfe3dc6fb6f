"""What recording clients note of CAP ONCE and CAP EXPLAIN, alone and in pipelines, with and without asyncio."""

import asyncio
import itertools
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from trilemma.check.redis_history import check_commands
from trilemma.client.assertions import assert_causal, assert_linearizable
from trilemma.client.attempts import is_another
from trilemma.client.note import Note, Processes
from trilemma.client.recording import Recording
from trilemma.client.stage import StageCluster

QUIET: dict[str, Any] = {"protocol": 2, "driver_info": None, "socket_timeout": 10}
UNCERTAIN, REFUSED = b"-UNCERTAIN x\r\n", b"-CLUSTERDOWN x\r\n"
ONCE = (b"CAP", b"ONCE", b"t", b"INCR", b"k")
INCR = (b"INCR", b"k")

Pipelines = Sequence[Sequence[str]]

is_asyncio = pytest.mark.parametrize("is_asyncio", [False, True], ids=["plain", "asyncio"])


class Scripted:
    """A cluster of one node that reads once and answers once, per reply."""

    names: tuple[str, ...] = ("s",)

    def __init__(self, port: int) -> None:
        self._port = port

    def address(self, name: str) -> tuple[str, int]:
        return "127.0.0.1", self._port


@contextmanager
def scripted(*replies: bytes) -> Iterator[Scripted]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                for reply in replies:
                    if not connection.recv(1 << 16):
                        return
                    connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Scripted(listener.getsockname()[1])
        thread.join()


def send(recording: Recording, cluster: Any, node: str, pipelines: Pipelines, *, is_asyncio: bool) -> None:
    """Send pipelines of commands, one after the other; a pipeline of one is a command."""
    if is_asyncio:
        asyncio.run(send_by_asyncio(recording, cluster, node, pipelines))
        return
    client = recording.client(cluster, node, **QUIET)
    for lines in pipelines:
        try:
            if len(lines) == 1:
                client.execute_command(*lines[0].split())
            else:
                pipeline = client.pipeline(transaction=False)
                for line in lines:
                    pipeline.execute_command(*line.split())
                pipeline.execute()
        except redis.RedisError:  # the recording knows which
            continue
    client.close()


async def send_by_asyncio(recording: Recording, cluster: Any, node: str, pipelines: Pipelines) -> None:
    async with recording.async_client(cluster, node, **QUIET) as client:
        for lines in pipelines:
            try:
                if len(lines) == 1:
                    await client.execute_command(*lines[0].split())
                else:
                    pipeline = client.pipeline(transaction=False)
                    for line in lines:
                        pipeline.execute_command(*line.split())
                    await pipeline.execute()
            except redis.RedisError:  # the recording knows which
                continue


def told(recording: Recording) -> list[tuple[Any, Any, str]]:
    return [(each.argument, each.result, each.outcome) for each in recording]


def begin(processes: Processes) -> Note:
    note = processes.begin_sent(ONCE)
    assert note is not None
    return note


@is_asyncio
def test_a_refused_retry_says_nothing_of_the_attempt_whose_fate_is_unknown(*, is_asyncio: bool) -> None:
    recording, once = Recording(), ["CAP ONCE t INCR k"]
    with scripted(UNCERTAIN, REFUSED, b"$1\r\n1\r\n") as cluster:
        send(recording, cluster, "s", [once, once, ["GET k"]], is_asyncio=is_asyncio)
    assert told(recording) == [(INCR, None, "info"), ((b"GET", b"k"), b"1", "ok")]
    assert check_commands(recording.operations).is_valid


def test_of_attempts_at_once_one_answer_is_enough_and_only_refusals_alone_prove_a_fail() -> None:
    replies = {"ok": 1, "fail": "CLUSTERDOWN x", "info": "UNCERTAIN x"}
    for outcomes in itertools.product(replies, repeat=3):
        recording = Recording()
        notes = [begin(Processes(recording, node)) for node in ("n1", "n2", "n3")]
        for note, outcome in zip(notes, outcomes, strict=True):
            note.answered(replies[outcome])
        (done,) = recording.operations
        expected = next((each for each in ("ok", "info") if each in outcomes), "fail")
        assert (done.outcome, done.result) == (expected, 1 if expected == "ok" else None), outcomes


SUMS = {"the same": (b":1\r\n", ""), "another": (b":2\r\n", r"INCR.* was answered 1, then 2, under one token")}


@is_asyncio
@pytest.mark.parametrize("name", SUMS)
def test_a_retry_is_told_the_first_reply_or_the_history_is_not_linearizable(name: str, *, is_asyncio: bool) -> None:
    second, said = SUMS[name]
    recording = Recording()
    with scripted(b":1\r\n", UNCERTAIN, REFUSED, second, b"$1\r\n1\r\n") as cluster:
        lines = [["CAP ONCE t INCR k"], *[["CAP EXPLAIN CAP ONCE t incr k"]] * 3, ["GET k"]]
        send(recording, cluster, "s", lines, is_asyncio=is_asyncio)
    assert told(recording) == [(INCR, 1, "ok"), ((b"GET", b"k"), b"1", "ok")]
    assert {each.process for each in recording} == {1}
    if not said:
        assert_linearizable(recording)
        return
    with pytest.raises(AssertionError, match=f"first reply repeated: invalid: .*{said}"):
        assert_linearizable(recording)
    ((first, again),) = recording.retold
    assert (first.result, again.result) == (1, 2)
    assert first.precedes(again)


def test_of_attempts_at_once_all_are_told_one_reply() -> None:
    for second, is_broken in ((1, False), (2, True), ("ERR value is not an integer or out of range", True)):
        recording = Recording()
        notes = [begin(Processes(recording, node)) for node in ("n1", "n2")]
        for note, reply in zip(notes, (1, second), strict=True):
            note.answered(reply)
        assert [each.result for each in recording] == [1]
        assert bool(recording.retold) is is_broken


@pytest.mark.parametrize(
    ("first", "again", "is_other"),
    [
        (b"1.5", 1.5, False), (b"a", {b"a": 1}, False), ((b"a", b"1.5"), ((b"a", 1.5),), False), (1, True, False),
        (b"OK", None, True), ((b"a", None), (b"a", b"b"), True), ((b"a",), (b"a",), False), (None, b"", True),
    ],
)  # fmt: skip
def test_what_each_protocol_tells_in_its_own_form_is_not_another_reply(
    first: Any, again: Any, *, is_other: bool
) -> None:
    assert is_another(first, again) is is_other
    assert is_another(again, first) is is_other


def test_the_number_of_an_operation_that_is_under_way_elsewhere_is_not_free() -> None:
    recording = Recording()
    one, other = Processes(recording, "n1"), Processes(recording, "n2")
    first, second = begin(one), begin(other)
    first.answered("CLUSTERDOWN x")
    after = one.begin("command", (b"GET", b"k"), (b"GET", b"k"))
    second.answered(1)
    again = other.begin("command", (b"GET", b"k"), (b"GET", b"k"))
    assert len({each.process for each in recording}) == 3
    after.answered(b"1")
    again.answered(b"1")


def test_a_token_belongs_to_its_shard_so_that_two_keys_of_one_token_are_two_operations() -> None:
    recording = Recording()
    lines = ["CAP ONCE t SET bank:a 1", "CAP ONCE t SET b 1", "CAP ONCE t set b 1", "GET b"]
    with scripted(b"+OK\r\n", b"+OK\r\n", b"+OK\r\n", b"$1\r\n1\r\n") as cluster:
        send(recording, cluster, "s", [[line] for line in lines], is_asyncio=False)
    assert [argument for argument, _, _ in told(recording)] == [
        (b"SET", b"bank:a", b"1"),
        (b"SET", b"b", b"1"),
        (b"GET", b"b"),
    ]
    assert_linearizable(recording)


@is_asyncio
def test_an_explained_command_is_recorded_with_its_own_reply(*, is_asyncio: bool) -> None:
    recording = Recording()
    lines = ["SET e:x 0", "CAP EXPLAIN set e:x 1", "GET e:x", "CAP EXPLAIN CAP ONCE t9 INCR e:n", "GET e:n"]
    with StageCluster(nodes=1) as cluster:
        send(recording, cluster, "n1", [[line] for line in [*lines, "CAP EXPLAIN INCR e:x y"]], is_asyncio=is_asyncio)
    assert told(recording) == [
        ((b"SET", b"e:x", b"0"), b"OK", "ok"),
        ((b"SET", b"e:x", b"1"), b"OK", "ok"),
        ((b"GET", b"e:x"), b"1", "ok"),
        ((b"INCR", b"e:n"), 1, "ok"),
        ((b"GET", b"e:n"), b"1", "ok"),
        ((b"INCR", b"e:x", b"y"), None, "fail"),
    ]
    assert check_commands(recording.operations).is_valid


@is_asyncio
def test_a_pipeline_records_each_command_as_it_would_be_alone(*, is_asyncio: bool) -> None:
    recording = Recording()
    alone = [["SET a 1"], ["GET a"]]
    together = ["PING", "CAP ONCE t INCR k", "CAP EXPLAIN INCR k", "CAP ONCE t INCR k", "NOSUCH k", "GET k"]
    replies = (
        b"+OK\r\n",
        b"$1\r\n1\r\n",
        b"+PONG\r\n:1\r\n*2\r\n:2\r\n*0\r\n:1\r\n-ERR unknown command\r\n$1\r\n2\r\n",
    )
    with scripted(*replies) as cluster:
        send(recording, cluster, "s", [*alone, together], is_asyncio=is_asyncio)
    assert told(recording)[2:] == [
        (INCR, 1, "ok"),
        (INCR, 2, "ok"),
        ((b"NOSUCH", b"k"), None, "fail"),
        ((b"GET", b"k"), b"2", "ok"),
    ]
    assert {each.process for each in recording} == {1}
    assert_linearizable(recording)


@is_asyncio
def test_what_is_sent_after_watch_is_recorded_as_it_would_be_alone(*, is_asyncio: bool) -> None:
    async def use(cluster: Scripted) -> None:
        async with recording.async_client(cluster, "s", **QUIET) as client, client.pipeline() as pipeline:
            await pipeline.watch("k")
            await pipeline.execute_command(*ONCE)

    recording = Recording()
    with scripted(b"+OK\r\n", b":1\r\n", b"+OK\r\n") as cluster:
        if is_asyncio:
            asyncio.run(use(cluster))
        else:
            client = recording.client(cluster, "s", **QUIET)
            with client.pipeline() as pipeline:
                pipeline.watch("k")
                pipeline.execute_command(*ONCE)
            client.close()
    assert told(recording) == [(INCR, 1, "ok")]


@is_asyncio
def test_a_process_that_went_on_before_its_next_attempt_has_no_order_to_be_held_to(*, is_asyncio: bool) -> None:
    recording = Recording()
    pipelines = [["CAP ONCE t SET k v", "GET k"], ["CAP ONCE t SET k v"], ["GET k"]]
    with scripted(UNCERTAIN + b"$-1\r\n", b"+OK\r\n", b"$1\r\nv\r\n") as cluster:
        send(recording, cluster, "s", pipelines, is_asyncio=is_asyncio)
    assert_linearizable(recording)
    with pytest.raises(AssertionError, match=r"unknown: a process did two things at once"):
        assert_causal(recording)


@is_asyncio
def test_a_keyspace_that_is_dropped_takes_its_keys_along_so_the_history_is_unknown(*, is_asyncio: bool) -> None:
    recording = Recording()
    lines = ["SET shop:a 1", "KEYSPACE INFO shop", "keyspace drop shop", "KEYSPACE CREATE shop MODE cp", "GET shop:a"]
    with scripted(b"+OK\r\n", b"*0\r\n", b"+OK\r\n", b"+OK\r\n", b"$-1\r\n") as cluster:
        send(recording, cluster, "s", [[line] for line in lines], is_asyncio=is_asyncio)
    assert [each.argument[0] for each in recording] == [b"SET", b"KEYSPACE", b"GET"]
    for check in (assert_linearizable, assert_causal):
        with pytest.raises(AssertionError, match="unknown: KEYSPACE takes away keys that it does not name"):
            check(recording)
