"""Recording clients: what they note of commands, pipelines and transactions, and of answers that never come."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
import redis
import redis.asyncio

from trilemma.check.history import Operation
from trilemma.client.assertions import (
    assert_causal,
    assert_converged,
    assert_linearizable,
    assert_no_lost_updates,
    assert_no_lost_writes,
)
from trilemma.client.pytest_plugin import history  # noqa: F401 - a fixture
from trilemma.client.recording import Recording
from trilemma.client.stage import StageCluster


@pytest.fixture(scope="module")
def solo() -> Iterator[StageCluster]:
    """One node, which has no leader to lose: for tests of what is recorded, not of what a cut does."""
    with StageCluster(nodes=1) as made:
        yield made


@pytest.fixture(scope="module")
def cluster() -> Iterator[StageCluster]:
    with StageCluster() as made:
        made.create("shop", "ap")
        yield made


def noted(recording: Recording) -> list[tuple[str, object, object, str]]:
    return [(each.kind, each.argument, each.result, each.outcome) for each in recording]


QUIET: dict[str, Any] = {"protocol": 2, "driver_info": None, "socket_timeout": 10}


@contextmanager
def server(*replies: bytes | None) -> Iterator[str]:
    """A server that reads once and answers once, per reply; None stands for hanging up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                for reply in replies:
                    if not connection.recv(1 << 16) or reply is None:
                        return
                    connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def plain_client(recording: Recording, address: str) -> redis.Redis:
    """A client that sends nothing of its own when it connects."""
    return recording.connect(address, "s", **QUIET)


def test_commands_are_kept_as_sent_and_replies_as_told(solo: StageCluster, history: Recording) -> None:  # noqa: F811
    client = history.client(solo, "n1")
    assert client.set("r:a", "é") is True
    assert client.get("r:a") == "é"
    assert client.setnx("r:a", 1) is False
    assert client.incrby("r:n", 5) == 5
    assert client.mget("r:a", "r:none") == ["é", None]
    assert client.append("r:n", "0") == 2
    assert client.delete("r:a", "r:none") == 1
    assert client.ping()
    with pytest.raises(redis.ResponseError):
        client.execute_command("incr", "r:n", "x")
    client.set("r:s", "text")
    with pytest.raises(redis.ResponseError):
        client.incr("r:s")
    accented = "é".encode()
    assert noted(history) == [
        ("command", (b"SET", b"r:a", accented), b"OK", "ok"),
        ("command", (b"GET", b"r:a"), accented, "ok"),
        ("command", (b"SETNX", b"r:a", b"1"), 0, "ok"),
        ("command", (b"INCRBY", b"r:n", b"5"), 5, "ok"),
        ("command", (b"MGET", b"r:a", b"r:none"), (accented, None), "ok"),
        ("command", (b"APPEND", b"r:n", b"0"), 2, "ok"),
        ("command", (b"DEL", b"r:a", b"r:none"), 1, "ok"),
        ("command", (b"INCR", b"r:n", b"x"), None, "fail"),
        ("command", (b"SET", b"r:s", b"text"), b"OK", "ok"),
        ("command", (b"INCRBY", b"r:s", b"1"), "ERR value is not an integer or out of range", "ok"),
    ]
    assert {each.process for each in history} == {1}
    assert all(each.complete_us is not None and each.invoke_us <= each.complete_us for each in history)
    one, other = history.operations[:2]
    assert one.complete_us is not None
    assert one.complete_us <= other.invoke_us


def test_transactions_are_one_operation_with_the_reads_they_guard(solo: StageCluster, history: Recording) -> None:  # noqa: F811
    client, other = history.client(solo, "n1"), history.client(solo, "n1")
    with client.pipeline() as pipeline:
        pipeline.set("t:{x}a", 1).incr("t:{x}b").get("t:{x}a")
        assert pipeline.execute() == [True, 1, "1"]
    with client.pipeline() as pipeline:
        pipeline.watch("t:{x}a")
        assert pipeline.get("t:{x}a") == "1"
        assert pipeline.get("t:{x}b") == "1", "not guarded"
        pipeline.multi()
        pipeline.set("t:{x}a", 2)
        assert pipeline.execute() == [True]
    with client.pipeline() as pipeline:
        pipeline.watch("t:{x}a")
        pipeline.get("t:{x}a")
        other.set("t:{x}a", 7)
        pipeline.multi()
        pipeline.set("t:{x}a", 3)
        with pytest.raises(redis.WatchError):
            pipeline.execute()
    found = [each for each in noted(history) if each[0] == "transaction"]
    get, sets = (b"GET", b"t:{x}a"), [(b"SET", b"t:{x}a", value) for value in (b"1", b"2", b"3")]
    assert found == [
        ("transaction", (sets[0], (b"INCRBY", b"t:{x}b", b"1"), get), (b"OK", 1, b"1"), "ok"),
        ("transaction", (get, sets[1]), (b"1", b"OK"), "ok"),
        ("transaction", (get, sets[2]), None, "fail"),
    ]
    assert_linearizable(history)
    assert_no_lost_updates(history)


def test_what_changes_no_data_is_no_part_of_a_transaction(solo: StageCluster, history: Recording) -> None:  # noqa: F811
    client = history.client(solo, "n1")
    with client.pipeline() as pipeline:
        pipeline.ping()
        pipeline.set("p:k", 1)
        pipeline.config_get("save")
        pipeline.get("p:k")
        assert pipeline.execute() == [True, True, {"save": ""}, "1"]
        pipeline.ping()
        assert pipeline.execute() == [True]
        pipeline.watch("p:k")
        assert pipeline.get("p:k") == "1"
        pipeline.multi()
        pipeline.ping()
        assert pipeline.execute() == [True]
    get = (b"GET", b"p:k")
    assert noted(history) == [
        ("transaction", ((b"SET", b"p:k", b"1"), get), (b"OK", b"1"), "ok"),
        ("command", get, b"1", "ok"),
        ("transaction", (get,), (b"1",), "ok"),
    ]
    assert_linearizable(history)


def test_what_was_read_before_unwatch_is_no_part_of_a_transaction(solo: StageCluster, history: Recording) -> None:  # noqa: F811
    client, other = history.client(solo, "n1"), history.client(solo, "n1")
    client.set("u:{x}a", 1)
    with client.pipeline() as pipeline:
        pipeline.watch("u:{x}a")
        pipeline.get("u:{x}a")
        pipeline.unwatch()
        other.set("u:{x}a", 2)
        pipeline.watch("u:{x}b")
        pipeline.get("u:{x}b")
        pipeline.multi()
        pipeline.set("u:{x}b", 3)
        assert pipeline.execute() == [True]
    done = history.operations[-1]
    assert done.argument == ((b"GET", b"u:{x}b"), (b"SET", b"u:{x}b", b"3"))
    assert_linearizable(history)


def test_a_pipeline_without_transaction_is_as_many_operations(solo: StageCluster, history: Recording) -> None:  # noqa: F811
    client = history.client(solo, "n1")
    with client.pipeline(transaction=False) as pipeline:
        pipeline.set("p:a", "text").incr("p:a").get("p:a")
        told = pipeline.execute(raise_on_error=False)
    assert isinstance(told[1], redis.ResponseError)
    assert [(each.outcome, each.process) for each in history] == [("ok", 1)] * 3
    assert history.operations[1].result == "ERR value is not an integer or out of range"
    assert client.get("p:a") == "text"
    assert history.operations[3].process == 1
    assert_linearizable(history)


def test_what_could_not_be_sent_did_not_happen(history: Recording) -> None:  # noqa: F811
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        client = history.connect(f"127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(redis.ConnectionError):
            client.set("k", "v")
        with pytest.raises(redis.ConnectionError):
            client.pipeline().set("k", "v").execute()
        with pytest.raises(redis.ConnectionError):
            client.pipeline(transaction=False).set("k", "v").get("k").execute()
    assert [each.outcome for each in history] == ["fail"] * 4
    assert {each.process for each in history} == {1}


def test_what_was_sent_and_never_answered_may_have_happened(history: Recording) -> None:  # noqa: F811
    with server(None) as address:
        client = plain_client(history, address)
        with pytest.raises(redis.ConnectionError):
            client.set("k", "v")
    with server(b"+OK\r\n", None) as address:
        client = plain_client(history, address)
        client.set("k", "v")
        with pytest.raises(redis.ConnectionError):
            client.pipeline().set("k", "w").execute()
    with server(b"+OK\r\n") as address:
        client = plain_client(history, address)
        with pytest.raises(redis.ConnectionError):
            client.pipeline(transaction=False).set("k", "x").set("k", "y").execute()
    assert [each.outcome for each in history] == ["info", "ok", "info", "ok", "info"]
    assert all(each.complete_us is not None for each in history)


def test_a_client_goes_on_under_a_new_number_after_an_unknown_outcome(history: Recording) -> None:  # noqa: F811
    replies = (b"-UNCERTAIN keyspace 'k' (cp): so\r\n", b"-CLUSTERDOWN x\r\n", b"+OK\r\n", b"-LOADING x\r\n")
    with server(*replies) as address:
        client = plain_client(history, address)
        for reply in replies:
            if reply[:1] == b"+":
                client.set("k", "v")
                continue
            with pytest.raises(redis.RedisError):
                client.set("k", "v")
    assert [(each.outcome, each.process) for each in history] == [("info", 1), ("fail", 2), ("ok", 2), ("fail", 2)]


def test_a_pipeline_of_which_one_outcome_is_unknown_has_its_number_for_itself(history: Recording) -> None:  # noqa: F811
    with server(b"+OK\r\n-ERR timed out\r\n+OK\r\n", b"+OK\r\n+OK\r\n", b"+OK\r\n") as address:
        client = plain_client(history, address)
        pipeline = client.pipeline(transaction=False)
        with pytest.raises(redis.ResponseError):
            pipeline.set("k", "u").set("k", "v").set("k", "w").execute()
        pipeline.set("k", "x").set("k", "y").execute()
        client.set("k", "z")
    assert [(each.outcome, each.process) for each in history] == [
        ("ok", 1),
        ("info", 1),
        ("ok", 1),
        ("ok", 2),
        ("ok", 2),
        ("ok", 2),
    ]


def test_an_error_that_nobody_knows_leaves_the_outcome_open(history: Recording) -> None:  # noqa: F811
    with server(b"-ERR timed out\r\n", b"-ERR unknown command 'SET'\r\n") as address:
        client = plain_client(history, address)
        for _ in range(2):
            with pytest.raises(redis.ResponseError):
                client.set("k", "v")
    assert [each.outcome for each in history] == ["info", "fail"]


WITHOUT_MULTI = b"-NOPERM no multi\r\n%b-ERR EXEC without MULTI\r\n"


def test_a_transaction_whose_multi_was_refused_is_as_many_operations_as_were_answered(history: Recording) -> None:  # noqa: F811
    with server(b"+OK\r\n", WITHOUT_MULTI % b"+OK\r\n-NOPERM no get\r\n:1\r\n", b"+OK\r\n") as address:
        client = plain_client(history, address)
        client.set("a:k", "v")
        with pytest.raises(redis.ResponseError):
            client.pipeline().set("a:k", "w").get("b:k").incr("n").execute()
        client.set("a:k", "x")
    incr, wrote = (b"INCRBY", b"n", b"1"), (b"SET", b"a:k", b"w")
    assert noted(history)[1:-1] == [
        ("command", wrote, b"OK", "ok"),
        ("command", (b"GET", b"b:k"), None, "fail"),
        ("command", incr, 1, "ok"),
    ]
    before, *parts, after = history.operations
    assert [(each.key, each.keyspace, each.node) for each in parts] == [
        (b"a:k", "a", "s"),
        (b"b:k", "b", "s"),
        (b"n", "default", "s"),
    ]
    assert before.complete_us is not None
    for part in parts:
        assert part.complete_us is not None
        assert before.complete_us <= part.invoke_us <= part.complete_us <= after.invoke_us
    assert {each.process for each in history} == {1}
    assert_linearizable(history)


def test_what_changes_no_data_is_no_part_of_a_transaction_that_came_apart(history: Recording) -> None:  # noqa: F811
    with server(b"+OK\r\n$1\r\nv\r\n", WITHOUT_MULTI % b"+PONG\r\n") as address:
        pipeline = plain_client(history, address).pipeline()
        pipeline.watch("k")
        pipeline.get("k")
        pipeline.multi()
        pipeline.ping()
        with pytest.raises(redis.ResponseError):
            pipeline.execute()
    with server(WITHOUT_MULTI % b"+PONG\r\n+OK\r\n") as address:
        pipeline = plain_client(history, address).pipeline()
        pipeline.ping()
        pipeline.set("k", "w")
        with pytest.raises(redis.ResponseError):
            pipeline.execute()
    get, wrote = (b"GET", b"k"), (b"SET", b"k", b"w")
    assert noted(history) == [
        ("command", get, b"v", "ok"),
        ("transaction", (get,), None, "fail"),
        ("command", wrote, b"OK", "ok"),
    ]


def test_of_a_transaction_that_came_apart_only_what_nobody_knows_is_open(history: Recording) -> None:  # noqa: F811
    with server(WITHOUT_MULTI % b"+OK\r\n-ERR timed out\r\n", b"+OK\r\n") as address:
        client = plain_client(history, address)
        with pytest.raises(redis.ResponseError):
            client.pipeline().set("k", "v").set("l", "v").execute()
        client.set("k", "w")
    assert [(each.outcome, each.process) for each in history] == [("ok", 1), ("info", 1), ("ok", 2)]


def test_a_transaction_that_is_not_known_to_have_come_apart_stays_one(history: Recording) -> None:  # noqa: F811
    with server(b"+OK\r\n+QUEUED\r\n-ERR EXEC without MULTI\r\n") as address:
        client = plain_client(history, address)
        with pytest.raises(redis.ResponseError):
            client.pipeline().set("k", "v").execute()
    with server(WITHOUT_MULTI % b"+OK\r\n") as address:
        client = plain_client(history, address)
        with pytest.raises(redis.ConnectionError):
            client.pipeline().set("k", "v").set("k", "w").execute()
    assert [(each.kind, each.outcome) for each in history] == [("transaction", "fail"), ("transaction", "info")]


def test_a_clients_of_asyncio_transaction_comes_apart_alike(history: Recording) -> None:  # noqa: F811
    async def use(address: str) -> None:
        async with history.async_client(Elsewhere(address), "s", **QUIET) as client:
            with pytest.raises(redis.ResponseError):
                await client.pipeline().set("k", "v").get("k").execute()

    with server(WITHOUT_MULTI % b"+OK\r\n$1\r\nv\r\n") as address:
        asyncio.run(use(address))
    found = [("command", (b"SET", b"k", b"v"), b"OK", "ok"), ("command", (b"GET", b"k"), b"v", "ok")]
    assert noted(history) == found


def test_attempts_of_a_command_that_is_executed_once_are_one_operation(history: Recording) -> None:  # noqa: F811
    with server(b"-UNCERTAIN x\r\n", b":1\r\n", b":1\r\n", b":2\r\n", b"-CLUSTERDOWN x\r\n", b":3\r\n") as address:
        client = plain_client(history, address)
        for attempt, token in enumerate(("t", "t", "t", "u", "v", "v")):
            if attempt in (0, 4):
                with pytest.raises(redis.RedisError):
                    client.execute_command("CAP", "ONCE", token, "incr", "k")
            else:
                client.execute_command("CAP", "ONCE", token, "incr", "k")
        client.close()
    command = (b"INCR", b"k")
    assert noted(history) == [
        ("command", command, 1, "ok"),
        ("command", command, 2, "ok"),
        ("command", command, None, "fail"),
        ("command", command, 3, "ok"),
    ]
    first, second = history.operations[:2]
    assert first.complete_us is not None
    assert first.complete_us <= second.invoke_us
    assert_linearizable(history)


def test_recording_clients_refuse_what_would_hide_the_truth(history: Recording) -> None:  # noqa: F811
    for options in ({"retry": None}, {"retry_on_timeout": True}, {"db": 3}, {"cache_config": None}):
        with pytest.raises(ValueError, match="a recording client"):
            history.connect("127.0.0.1:1", **options)
    with pytest.raises(ValueError, match="never retries"):
        history.connect("127.0.0.1:1").set_retry(None)


def test_clients_of_asyncio_are_recorded_alike(solo: StageCluster, history: Recording) -> None:  # noqa: F811
    async def use() -> None:
        async with history.async_client(solo, "n1") as client, history.async_client(solo, "n1") as other:
            await client.set("y:a", 1)
            async with client.pipeline() as pipeline:
                await pipeline.watch("y:a")
                assert await pipeline.get("y:a") == "1"
                pipeline.multi()
                pipeline.set("y:a", 2)
                assert await pipeline.execute() == [True]
            async with client.pipeline() as pipeline:
                await pipeline.watch("y:a")
                await pipeline.get("y:a")
                await other.set("y:a", 7)
                pipeline.multi()
                pipeline.set("y:a", 3)
                with pytest.raises(redis.WatchError):
                    await pipeline.execute()
            async with client.pipeline(transaction=False) as pipeline:
                assert await pipeline.incr("y:n").get("y:n").execute() == [1, "1"]
            await asyncio.gather(*(client.incr("y:n") for _ in range(5)))
            with pytest.raises(redis.ResponseError):
                await client.execute_command("INCR", "y:n", "x")
        with server(None) as address:
            lost = history.async_client(Elsewhere(address), "s", **QUIET)
            async with lost:
                with pytest.raises(redis.ConnectionError):
                    await lost.set("y:a", "v")
        with pytest.raises(redis.ConnectionError):
            await lost.set("y:a", "v")
        await lost.aclose()

    asyncio.run(use())
    outcomes = ["ok"] * 3 + ["ok", "ok", "fail"] + ["ok"] * 7 + ["fail", "info", "fail"]
    assert [each.outcome for each in history] == outcomes
    overlapping = [each for each in history if each.argument[:2] == (b"INCRBY", b"y:n")]
    assert len({each.process for each in overlapping}) >= 5, "what overlaps has numbers of its own"
    assert_linearizable(history)


class Elsewhere:
    """A cluster of one node at an address."""

    names: tuple[str, ...] = ("s",)

    def __init__(self, address: str) -> None:
        self._host, _, port = address.rpartition(":")
        self._port = int(port)

    def address(self, name: str) -> tuple[str, int]:
        return self._host, self._port


# Assertions


def in_turns(*steps: tuple[int, Callable[[], object]]) -> None:
    """Have threads, by number, take steps in the order given, each waiting for the one before."""
    turns = [threading.Event() for _ in range(len(steps) + 1)]

    def run(thread: int) -> None:
        for number, (whose, step) in enumerate(steps):
            if whose == thread:
                turns[number].wait()
                step()
                turns[number + 1].set()

    threads = [threading.Thread(target=run, args=(each,)) for each in {whose for whose, _ in steps}]
    for each in threads:
        each.start()
    turns[0].set()
    for each in threads:
        each.join()


def test_updates_that_threads_lose_are_found_though_they_share_a_client(
    solo: StageCluster,
    history: Recording,  # noqa: F811
) -> None:
    client = history.client(solo, "n1")
    get, set_ = lambda: client.get("w:a"), lambda: client.set("w:a", "1")
    in_turns((1, get), (2, get), (1, set_), (2, set_))
    assert len({each.process for each in history}) == 2
    with pytest.raises(AssertionError, match="one is lost"):
        assert_no_lost_updates(history)


def test_what_one_thread_read_is_no_basis_for_what_another_writes(solo: StageCluster, history: Recording) -> None:  # noqa: F811
    client, other = history.client(solo, "n1"), history.client(solo, "n1")
    in_turns(
        (1, lambda: client.get("w:b")),
        (3, lambda: other.set("w:b", "theirs")),
        (2, lambda: client.set("w:b", "blind")),
        (3, lambda: other.incr("w:n")),
    )
    assert_no_lost_updates(history)


def test_tasks_that_share_a_client_are_processes_of_their_own(solo: StageCluster, history: Recording) -> None:  # noqa: F811
    async def use() -> None:
        async with history.async_client(solo, "n1") as client:
            turn = asyncio.Event()

            async def first() -> None:
                await client.get("w:c")
                turn.set()
                await asyncio.create_task(second())
                await client.set("w:c", "first")

            async def second() -> None:
                await turn.wait()
                await client.get("w:c")
                await client.set("w:c", "second")

            await first()

    asyncio.run(use())
    assert [each.process for each in history] == [1, 2, 2, 1]
    with pytest.raises(AssertionError, match="one is lost"):
        assert_no_lost_updates(history)


def test_an_empty_or_blind_history_passes_nothing(solo: StageCluster, history: Recording) -> None:  # noqa: F811
    client = history.client(solo, "n1")
    for act in (lambda: None, lambda: client.get("v:a"), lambda: client.ping()):
        act()
        for check in (assert_linearizable, assert_no_lost_updates, assert_no_lost_writes, assert_causal):
            with pytest.raises(AssertionError, match="unknown is not a pass"):
                check(history)
    blind = Recording()
    with closing(blind.client(solo, "n1")) as writer:
        writer.set("v:a", 1)
    with pytest.raises(AssertionError, match="looked at anything"):
        assert_linearizable(blind)


def test_a_stale_read_fails_with_its_witness(solo: StageCluster, history: Recording) -> None:  # noqa: F811
    client = history.client(solo, "n1")
    client.set("s:a", "old")
    client.set("s:a", "new")
    client.get("s:a")
    read = history.operations[2]
    history._operations[2] = read._replace(result=b"old")
    with pytest.raises(AssertionError, match=r"(?s)came back after it was replaced.*b'new'"):
        assert_linearizable(history)


def test_lost_writes_are_told_from_kept_ones_by_final_reads(cluster: StageCluster, history: Recording) -> None:  # noqa: F811
    client = history.client(cluster, "n1")
    client.set("l:a", "1")
    client.set("l:a", "2")
    client.incr("l:n")
    client.incr("l:n", 4)
    client.set("l:gone", "x")
    client.delete("l:gone")
    client.append("l:s", "ab")
    client.set("shop:a", "1")
    client.get("shop:a")
    with pytest.raises(AssertionError, match="no final reads"):
        assert_no_lost_writes(history)
    assert_converged(cluster)
    history.read_finals(cluster)
    assert history.modes["shop"] == "ap"
    assert_no_lost_writes(history)
    assert_linearizable(history)
    kept = list(history.finals)
    for key, wrong in ((b"l:a", b"1"), (b"l:n", b"4"), (b"l:gone", b"x"), (b"l:s", b"a"), (b"shop:a", None)):
        history.finals = [_spoilt(each, key, wrong) for each in kept]
        with pytest.raises(AssertionError, match="invalid"):
            assert_no_lost_writes(history)


def test_an_increment_that_was_answered_with_an_error_added_nothing(solo: StageCluster, history: Recording) -> None:  # noqa: F811
    client = history.client(solo, "n1")
    for amount in ("9223372036854775807", "1", "x"):
        with suppress(redis.ResponseError):
            client.execute_command("INCRBY", "o:n", amount)
    client.decr("o:n", 7)
    assert [type(each.result) for each in history] == [int, str, str, int]
    history.read_finals(solo)
    assert_no_lost_writes(history)
    (kept,) = history.finals
    for wrong, reason in ((b"9223372036854775801", "acknowledged: 9223372036854775800"), (b"x", "is no sum")):
        history.finals = [kept._replace(result=wrong)]
        with pytest.raises(AssertionError, match=rf"invalid: .*{reason}"):
            assert_no_lost_writes(history)


def _spoilt(read: Operation, key: bytes, wrong: bytes | None) -> Operation:
    return read._replace(result=wrong) if read.key == key and read.node == "n3" else read


def test_what_ap_promises_holds_across_a_cut_and_what_cp_promises_does_not(
    cluster: StageCluster,
    history: Recording,  # noqa: F811
) -> None:
    near, far = history.client(cluster, "n1"), history.client(cluster, "n3")
    near.set("shop:c", "before")
    assert_converged(cluster)
    with cluster.partitioned("n3"):
        near.set("shop:c", "near")
        assert far.get("shop:c") == "before"
        far.set("shop:d", "far")
    assert_converged(cluster)
    assert_causal(history)
    with pytest.raises(AssertionError, match="came back after it was replaced"):
        assert_linearizable(history)
    history.read_finals(cluster)
    assert_no_lost_writes(history)


class Told(Elsewhere):
    """A cluster that tells when the address of a node was asked for."""

    def __init__(self, cluster: StageCluster, node: str) -> None:
        self._cluster = cluster
        self._node = node
        self.names = cluster.names
        self.was_asked = threading.Event()

    def address(self, name: str) -> tuple[str, int]:
        if name == self._node:
            self.was_asked.set()
        return self._cluster.address(name)


def test_final_reads_wait_until_replicas_hold_the_same(cluster: StageCluster, history: Recording) -> None:  # noqa: F811
    far = history.client(cluster, "n3")
    told = Told(cluster, "n3")
    reader = threading.Thread(target=history.read_finals, args=(told,))
    with cluster.partitioned("n3"):
        far.set("shop:w", "far")
        reader.start()
        told.was_asked.wait()
    reader.join()
    assert [each.result for each in history.finals] == [b"far"] * 3
    assert_no_lost_writes(history)


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"rocksdict", "uvloop", "hiredis"}:
            raise ImportError(name)

sys.meta_path.insert(0, Missing())
import trilemma.client.pytest_plugin
assert "redis" not in sys.modules and "trilemma.check" not in sys.modules, "imported only when asked for"
import trilemma.client.assertions, trilemma.client.recording
import trilemma.client.recorded_asyncio, trilemma.client.recorded_redis
import trilemma.check.report.page
trilemma.client.recording.Recording().connect("127.0.0.1:1").close()
"""


def test_plugin_and_recording_need_none_of_the_stores_libraries() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
