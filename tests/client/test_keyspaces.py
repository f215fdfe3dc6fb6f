"""Which keyspace a key of a history lives in: the nodes tell, and where none does nothing is guessed."""

import asyncio
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from trilemma.check.history import Operation
from trilemma.client.assertions import assert_causal, assert_linearizable, assert_no_lost_writes
from trilemma.client.control import wait_until_ready
from trilemma.client.pytest_plugin import history  # noqa: F401 - a fixture
from trilemma.client.recording import Recording
from trilemma.client.stage import StageCluster


@pytest.fixture(scope="module")
def solo() -> Iterator[StageCluster]:
    with StageCluster(nodes=1) as made:
        made.create("shop", "ap")
        yield made


def test_keys_whose_first_words_name_no_keyspace_are_one_store(solo: StageCluster, history: Recording) -> None:  # noqa: F811
    client = history.client(solo, "n1")
    client.mset({"user:1": "a", "order:1": "b"})
    client.set("order:2", "old")
    with client.pipeline() as pipeline:
        pipeline.set("user:2", "x").set("order:2", "new").execute()
    history.read_finals(solo)
    assert_linearizable(history)
    assert_no_lost_writes(history)
    for key, wrong in ((b"order:1", None), (b"order:2", b"old"), (b"user:2", None)):
        kept = history.finals
        history.finals = [each._replace(result=wrong) if each.key == key else each for each in kept]
        with pytest.raises(AssertionError, match="invalid"):
            assert_no_lost_writes(history)
        history.finals = kept


def told_backwards(recording: Recording, cause: str, effect: str) -> None:
    """Have a second process see the effect, and then not the cause, which the first process wrote before."""
    steps = [(1, b"SET", cause, b"OK"), (1, b"SET", effect, b"OK"), (2, b"GET", effect, b"v"), (2, b"GET", cause, None)]
    for process, name, key, result in steps:
        words = (name, key.encode(), b"v")[: 3 if name == b"SET" else 2]
        recording.complete(recording.invoke(process, f"n{process}", "command", words, words), "ok", result)


def verdict(check: Callable[[Recording], None], recording: Recording) -> str:
    try:
        check(recording)
    except AssertionError as failure:
        return str(failure)
    return "valid"


def test_no_effect_is_seen_before_its_cause_whatever_the_keys_begin_with(
    solo: StageCluster,
    history: Recording,  # noqa: F811
) -> None:
    history.client(solo, "n1")
    told_backwards(history, "order:1", "mail:1")
    assert "read as absent although a write to it came before" in verdict(assert_causal, history)


def test_keyspaces_have_no_order_among_them_also_where_one_was_made_after_the_client(
    solo: StageCluster,
    history: Recording,  # noqa: F811
) -> None:
    history.client(solo, "n1")
    told_backwards(history, "shop:1", "mail:1")
    assert verdict(assert_causal, history) == "valid"
    solo.create("late", "ap")
    told_backwards(history, "late:1", "mail:2")
    assert verdict(assert_causal, history) == "valid"


def test_where_no_node_tells_the_keyspaces_what_depends_on_them_is_unknown() -> None:
    alike, mixed, read, late = (Recording() for _ in range(4))
    with StageCluster(nodes=1) as cluster:
        for each in (alike, mixed, read, late):
            each.client(cluster, "n1").set("user:0", "0")
        for each in (read, late):
            each.read_finals(cluster)
    told_backwards(alike, "user:1", "user:2")
    assert ": invalid" in verdict(assert_causal, alike), "whichever keyspace it is, it is one"
    told_backwards(mixed, "order:1", "mail:1")
    assert "'mail' and 'order' and 'user' before a key's colon" in verdict(assert_causal, mixed)
    assert verdict(assert_no_lost_writes, read) == "valid", "it was told before the end, and nothing came since"
    told_backwards(late, "order:1", "mail:1")
    assert "unknown: no node told whether 'mail' and 'order'" in verdict(assert_causal, late)


def test_where_a_node_is_down_another_tells_the_keyspaces(history: Recording) -> None:  # noqa: F811
    async def use(cluster: StageCluster) -> None:
        async with history.async_client(cluster, "n1") as near, history.async_client(cluster, "n2") as far:
            await near.mset({"order:1": "v", "mail:1": "v"})
            cluster.kill("n1")
            await far.get("order:1")
            assert verdict(assert_causal, history) == "valid"

    with StageCluster(nodes=2, default_mode="ap") as cluster:
        asyncio.run(use(cluster))
    assert history.modes == {"default": "ap"}


UNKNOWN = b"-ERR unknown command 'X'\r\n"
GREETED = {b"HELLO": b"%1\r\n$5\r\nproto\r\n:3\r\n", b"CLIENT": b"+OK\r\n"}
"""What clients send as they connect."""

ASKED = re.compile(rb"\*\d+\r\n\$\d+\r\n(\w+)\r\n")
"""The name of a command, as it is sent."""


@dataclass
class Stub:
    """A store of one node that answers each command always the same, and knows no others."""

    answers: dict[bytes, bytes] = field(default_factory=dict)
    asked: list[bytes] = field(default_factory=list)
    port: int = 0
    names: tuple[str, ...] = ("s",)

    def address(self, name: str) -> tuple[str, int]:
        return "127.0.0.1", self.port

    @contextmanager
    def serving(self) -> Iterator["Stub"]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            thread = threading.Thread(target=self._serve, args=(listener,))
            thread.start()
            try:
                yield self
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join()

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):  # the listener is closed at the end
            while True:
                connection, _ = listener.accept()
                with connection:
                    while received := connection.recv(1 << 16):
                        names = ASKED.findall(received)
                        self.asked += names
                        connection.sendall(b"".join((GREETED | self.answers).get(name, UNKNOWN) for name in names))


def test_a_store_without_keyspaces_is_one(history: Recording) -> None:  # noqa: F811
    with Stub().serving() as store:
        history.client(store, "s")
        told_backwards(history, "order:1", "mail:1")
        assert ": invalid" in verdict(assert_causal, history)
    assert history.modes == {"default": ""}


def test_final_reads_of_a_store_without_keyspaces_are_made_and_nothing_it_does_not_know_is_asked_again(
    history: Recording,  # noqa: F811
) -> None:
    with Stub({b"GET": b"$1\r\nv\r\n"}).serving() as store:
        told_backwards(history, "order:1", "mail:1")
        history.read_finals(store)
    assert [read.result for read in history.finals] == [b"v", b"v"]
    assert history.modes == {"default": ""}
    assert [store.asked.count(name) for name in (b"CAP", b"KEYSPACE")] == [1, 1]


@pytest.mark.parametrize(
    "said",
    [b"+OK\r\n", b"$-1\r\n", b":3\r\n", b"*0\r\n", b"*1\r\n:3\r\n", b"*1\r\n$1\r\nn\r\n", b"-ERR not here\r\n"],
)
def test_an_answer_that_tells_of_no_keyspaces_is_as_good_as_none(history: Recording, said: bytes) -> None:  # noqa: F811
    digests = {} if said.startswith(b"-") else {b"CAP": said}
    with Stub({b"GET": b"$1\r\nv\r\n", b"KEYSPACE": said, **digests}).serving() as store:
        history.client(store, "s")
        told_backwards(history, "order:1", "mail:1")
        assert "unknown: no node told whether 'mail' and 'order'" in verdict(assert_causal, history)
        history.read_finals(store)
    assert [read.result for read in history.finals] == [b"v", b"v"], "what was read is kept"
    assert "unknown: no node told whether 'mail' and 'order'" in verdict(assert_no_lost_writes, history)


@pytest.mark.process
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed (make test-deps)")
def test_redis_itself_is_judged_by_its_final_reads(history: Recording, tmp_path: Path) -> None:  # noqa: F811
    with redis_server(tmp_path) as store:
        client = history.client(store, "r")
        client.mset({"user:1": "x", "order:1": "y"})
        client.get("user:1")
        history.read_finals(store)
        for check in (assert_causal, assert_linearizable, assert_no_lost_writes):
            assert verdict(check, history) == "valid"
        history.finals = [each._replace(result=None) for each in history.finals]
        assert ": invalid" in verdict(assert_no_lost_writes, history)


@contextmanager
def redis_server(directory: Path) -> Iterator[Stub]:
    """A redis-server that answers, as a store of one node."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = Stub(port=free.getsockname()[1], names=("r",))
    words = ["--port", str(place.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)]
    server = subprocess.Popen(["redis-server", *words], stdout=subprocess.DEVNULL)
    try:
        wait_until_ready({"r": f"127.0.0.1:{place.port}"})
        yield place
    finally:
        server.kill()
        server.wait()


def test_what_has_keys_of_two_keyspaces_belongs_to_none(history: Recording) -> None:  # noqa: F811
    history.modes = {"default": "cp", "shop": "ap"}
    both = (b"MSET", b"user:1", b"a", b"shop:1", b"b")
    seen = Operation(1, 0, 1, "command", b"user:2", (b"SET", b"user:2", b"v"), b"OK")
    looked = Operation(1, 2, 3, "command", b"user:2", (b"GET", b"user:2"), b"v")
    refused = Operation(2, 4, 5, "command", b"user:1", both, None, "fail")
    history._operations = [seen, looked, refused]
    assert verdict(assert_causal, history) == "valid", "it was refused, as CROSSSLOT"
    history._operations[2] = refused._replace(outcome="info")
    assert "an operation has keys of two keyspaces" in verdict(assert_causal, history)
