"""CAP ONCE: at most once, whatever is lost between client and cluster, and the first reply again (PROMISES §2)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from stage import Stage
from trilemma.base.ids import ConnId, NodeId
from trilemma.datatype import once
from trilemma.node import internal
from trilemma.node.dirty import DirtyKeys
from trilemma.node.raft_shard import RaftShard
from trilemma.node.refusal import keys_in
from trilemma.node.unit import Path, Unit
from trilemma.sim.options import Options
from trilemma.sim.solo import request

RETRY_US = 20_000
RETRIES_MAX = 500
SERVED_US = 2_000_000


class Raw:
    """A connection that shows the bytes it was sent."""

    def __init__(self, stage: Stage, node: NodeId, *, resp3: bool = False) -> None:
        self._stage = stage
        self.bytes = b""
        conn = stage.cluster.connect(node, self)
        assert conn is not None
        self._conn = conn
        if resp3:
            self.send(request("HELLO", "3"))
            self.bytes = b""

    def receive(self, conn: ConnId, data: bytes) -> None:
        self.bytes += data

    def lost(self, conn: ConnId) -> None:
        raise AssertionError("the connection was lost")

    def send(self, data: bytes) -> bytes:
        """Send requests; return what comes within two seconds."""
        self.bytes = b""
        self._stage.cluster.send(self._conn, data)
        self._stage.run(SERVED_US)
        return self.bytes

    def ask(self, *words: str) -> bytes:
        return self.send(request(*words))


def retried(stage: Stage, node: NodeId, *words: str) -> Any:
    """Send the same request until it is answered by neither a refusal nor a doubt; return the reply."""
    for _ in range(RETRIES_MAX):
        answer = stage.ask(node, *words)
        if answer.reply is not None and not answer.is_refusal and not answer.is_uncertain:
            return answer.reply
        stage.run(RETRY_US)
    raise AssertionError("never answered")


def tables(stage: Stage, name: str) -> list[int]:
    """How many tokens each replica of a keyspace that runs remembers."""
    shard = stage._shard(name)
    nodes = [process.node for process in stage.cluster.processes.values()]
    return [
        replica._rows.once.count for node in nodes if node and isinstance(replica := node.replicas[shard], RaftShard)
    ]


def agree(stage: Stage) -> None:
    """See that all replicas hold the same, tokens included."""
    stage.run(SERVED_US)
    for shard, digests in stage.cluster.digests().items():
        assert len(set(digests.values())) == 1, (shard, digests)


@pytest.fixture(scope="module")
def shared() -> Stage:
    return Stage()


@pytest.fixture
def calm(shared: Stage) -> Iterator[Stage]:
    """A stage that tests use one after the other, each with keys and tokens of its own."""
    yield shared
    agree(shared)


# What it does


@pytest.mark.parametrize("name", ["default", "bank", "ledger", "site"])
def test_a_retry_gets_the_first_reply_and_the_effect_happens_once(calm: Stage, name: str) -> None:
    words = ("CAP", "ONCE", f"{name}-again", "INCR", f"{name}:again")
    assert [calm.ask(node, *words).reply for node in (1, 2, 3, 1)] == [1, 1, 1, 1]
    assert calm.ask(2, "GET", f"{name}:again").reply == b"1"
    assert calm.ask(2, "CAP", "ONCE", f"{name}-other", "INCR", f"{name}:again").reply == 2


def test_a_read_is_repeated_too_though_its_key_has_changed(calm: Stage) -> None:
    calm.ask(1, "SET", "bank:read", "old")
    assert calm.ask(1, "CAP", "ONCE", "read", "GET", "bank:read").reply == b"old"
    calm.ask(1, "SET", "bank:read", "new")
    assert calm.ask(3, "CAP", "ONCE", "read", "GET", "bank:read").reply == b"old"


def test_an_error_of_the_command_is_a_reply_like_any_other(calm: Stage) -> None:
    calm.ask(1, "SET", "bank:error", "text")
    first = calm.ask(1, "CAP", "ONCE", "error", "INCR", "bank:error").reply
    assert first == "ERR value is not an integer or out of range"
    calm.ask(1, "SET", "bank:error", "1")
    assert calm.ask(2, "CAP", "ONCE", "error", "INCR", "bank:error").reply == first
    assert calm.ask(2, "GET", "bank:error").reply == b"1"


def test_a_token_with_another_command_is_refused_and_nothing_is_written(calm: Stage) -> None:
    assert calm.ask(1, "CAP", "ONCE", "other", "INCR", "bank:other").reply == 1
    for words in (("INCRBY", "bank:other", "1"), ("INCR", "bank:another"), ("DEL", "bank:other")):
        said = calm.ask(2, "CAP", "ONCE", "other", *words).reply
        assert said == "ERR CAP ONCE: the token was given with another command before; this one was not executed"
    assert calm.ask(2, "GET", "bank:other").reply == b"1"
    assert calm.ask(2, "CAP", "ONCE", "other", "incr", "bank:other").reply == 1


def test_a_name_of_two_words_is_the_same_in_any_case(calm: Stage) -> None:
    calm.ask(1, "SET", "bank:two", "1")
    words = [("OBJECT", "ENCODING"), ("object", "encoding"), ("Object", "Encoding")]
    assert [calm.ask(1, "CAP", "ONCE", "two", *name, "bank:two").reply for name in words] == [b"int"] * 3


def test_tokens_of_dbs_and_keyspaces_are_told_apart(calm: Stage) -> None:
    assert calm.ask(1, "CAP", "ONCE", "apart", "INCR", "bank:apart").reply == 1
    assert calm.ask(1, "CAP", "ONCE", "apart", "INCR", "site:apart").reply == 1
    raw = Raw(calm, 2)
    assert raw.send(request("SELECT", "5") + request("CAP", "ONCE", "apart", "INCR", "bank:apart")) == b"+OK\r\n:1\r\n"


@pytest.mark.parametrize("flush", ["FLUSHDB", "FLUSHALL"])
def test_tokens_survive_a_flush_so_that_a_late_retry_does_not_write_again(flush: str) -> None:
    stage = Stage()
    assert stage.ask(1, "CAP", "ONCE", "t", "INCR", "bank:k").reply == 1
    assert stage.ask(1, flush).reply == b"OK"
    assert stage.ask(2, "CAP", "ONCE", "t", "INCR", "bank:k").reply == 1
    assert stage.ask(2, "GET", "bank:k").reply is None


def test_the_reply_is_repeated_in_the_protocol_of_whoever_asks(calm: Stage) -> None:
    two, three = Raw(calm, 1), Raw(calm, 3, resp3=True)
    words = ("CAP", "ONCE", "nil", "GET", "bank:nobody")
    assert (two.ask(*words), three.ask(*words), two.ask(*words)) == (b"$-1\r\n", b"_\r\n", b"$-1\r\n")
    words = ("CAP", "ONCE", "nil3", "SET", "bank:nil3", "1", "GET")
    assert (three.ask(*words), two.ask(*words)) == (b"_\r\n", b"$-1\r\n")
    words = ("CAP", "ONCE", "many", "MGET", "bank:nil3", "bank:nobody")
    assert (three.ask(*words), two.ask(*words)) == (b"*2\r\n$1\r\n1\r\n_\r\n", b"*2\r\n$1\r\n1\r\n$-1\r\n")


def test_the_same_token_twice_in_one_entry_counts_once(calm: Stage) -> None:
    one = request("CAP", "ONCE", "twin", "INCR", "bank:twin")
    assert Raw(calm, 1).send(one + one + request("GET", "bank:twin")) == b":1\r\n:1\r\n$1\r\n1\r\n"


def test_the_same_token_at_all_nodes_at_the_same_moment_counts_once(calm: Stage) -> None:
    words = ("CAP", "ONCE", "race", "INCR", "bank:race")
    asked = [calm.begin(node, *words) for node in (1, 2, 3) for _ in range(3)]
    assert {calm.wait(one).reply for one in asked} == {1}
    assert calm.ask(1, "GET", "bank:race").reply == b"1"


def test_commands_of_one_connection_keep_their_order_around_it(calm: Stage) -> None:
    sent = request("SET", "bank:order", "1") + request("GET", "bank:order")
    sent += request("CAP", "ONCE", "order", "INCR", "bank:order") + request("GET", "bank:order")
    sent += request("INCR", "bank:order") + request("CAP", "ONCE", "order", "INCR", "bank:order")
    said = b"+OK\r\n$1\r\n1\r\n:2\r\n$1\r\n2\r\n:3\r\n:2\r\n"
    assert [Raw(calm, node).send(sent.replace(b"order", b"orde%d" % node)) for node in (1, 2, 3)] == [said] * 3


def test_deadlines_and_other_times_are_those_of_the_first_execution(calm: Stage) -> None:
    assert calm.ask(1, "CAP", "ONCE", "ttl", "SET", "bank:ttl", "v", "PX", "500").reply == b"OK"
    calm.run(1_000_000)
    assert calm.ask(2, "CAP", "ONCE", "ttl", "SET", "bank:ttl", "v", "PX", "500").reply == b"OK"
    assert calm.ask(2, "GET", "bank:ttl").reply is None


def test_fences_routes_and_leased_reads_see_the_keys_of_its_command() -> None:
    unit = Unit(Path.WRITE, 0, 2, [internal.ONCE, b"token", b"MSET", b"bank:a", b"1", b"bank:b", b"2"])
    assert list(keys_in(unit)) == [b"bank:a", b"bank:b"]
    assert not DirtyKeys._has_keyless_part(unit)
    assert DirtyKeys._has_keyless_part(Unit(Path.WRITE, 0, 2, [internal.FLUSH, b"ALL"]))


# What is refused


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("t", "INCR", "shop:k"), "ERR CAP ONCE: keyspace 'shop' is ap, where each side of a cut would execute"),
        (("t", "PING", "x"), "ERR CAP ONCE takes a command that reads or writes keys"),
        (("t", "DBSIZE"), "ERR CAP ONCE takes a command that reads or writes keys"),
        (("t", "CAP", "ONCE", "u", "INCR", "k"), "ERR CAP ONCE takes a command that reads or writes keys"),
        (("t", "MULTI"), "ERR CAP ONCE takes a command that reads or writes keys"),
        (("t", "INCR"), "ERR wrong number of arguments for 'incr' command"),
        (("t", "NOSUCH", "k"), "ERR unknown command 'NOSUCH'"),
        (("t", "MGET", "bank:a", "site:b"), "CROSSSLOT"),
        (("", "INCR", "k"), "ERR CAP ONCE: a token has 1 to 128 bytes"),
        (("x" * 129, "INCR", "k"), "ERR CAP ONCE: a token has 1 to 128 bytes"),
        (("t", "INCR", "k" * 70_000), "ERR key is longer than"),
        (("t",), "ERR wrong number of arguments for 'cap|once' command"),
    ],
)
def test_what_cannot_be_done_once_is_refused_with_the_reason(calm: Stage, words: tuple[str, ...], said: str) -> None:
    assert str(calm.ask(2, "CAP", "ONCE", *words).reply).startswith(said)


def test_inside_multi_it_is_refused_with_the_reason_and_the_transaction_aborted(calm: Stage) -> None:
    sent = request("MULTI") + request("CAP", "ONCE", "multi", "INCR", "bank:multi") + request("EXEC")
    said = Raw(calm, 1).send(sent)
    assert said.startswith(b"+OK\r\n-ERR CAP ONCE is not allowed inside MULTI: ")
    assert said.endswith(b"-EXECABORT Transaction discarded because of previous errors.\r\n")
    assert calm.ask(1, "GET", "bank:multi").reply is None


def test_help_names_it(calm: Stage) -> None:
    assert any(b"ONCE" in line for line in calm.ask(1, "CAP", "HELP").reply)


def test_a_reply_too_long_to_keep_is_given_once(calm: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "ONCE_REPLY_BYTES_MAX", 100)
    calm.ask(1, "SET", "bank:long", "x" * 200)
    assert calm.ask(1, "CAP", "ONCE", "long", "GETDEL", "bank:long").reply == b"x" * 200
    said = calm.ask(2, "CAP", "ONCE", "long", "GETDEL", "bank:long").reply
    assert str(said).startswith("ERR CAP ONCE: the command was executed before; its reply of more than")


# What is forgotten


def test_tokens_are_forgotten_by_log_time_on_every_replica_though_nobody_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(once, "ONCE_KEPT_MS_MAX", 3_000)
    stage = Stage()
    assert stage.ask(1, "CAP", "ONCE", "t", "INCR", "bank:k").reply == 1
    stage.run(1_000_000)
    assert tables(stage, "bank") == [1, 1, 1]
    assert stage.ask(2, "CAP", "ONCE", "t", "INCR", "bank:k").reply == 1
    stage.run(3_000_000)
    assert tables(stage, "bank") == [0, 0, 0]
    agree(stage)
    assert stage.ask(2, "CAP", "ONCE", "t", "INCR", "bank:k").reply == 2


def test_where_only_young_tokens_take_the_room_a_new_one_is_refused_and_a_known_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(once, "ONCE_TOKENS_MAX", 2)
    monkeypatch.setattr(once, "ONCE_KEPT_MS_MIN", 2_000)
    stage = Stage()
    assert [stage.ask(1, "CAP", "ONCE", f"t{number}", "INCR", "bank:k").reply for number in (1, 2)] == [1, 2]
    said = stage.ask(1, "CAP", "ONCE", "t3", "INCR", "bank:k").reply
    assert said.startswith("TRYAGAIN keyspace 'bank' (cp): all room is taken by tokens of CAP ONCE")
    assert said.endswith("; this command was not executed")
    assert stage.ask(3, "CAP", "ONCE", "t1", "INCR", "bank:k").reply == 1
    stage.run(2_500_000)
    assert stage.ask(1, "CAP", "ONCE", "t3", "INCR", "bank:k").reply == 3
    agree(stage)


def test_old_tokens_make_room_for_a_long_reply_however_short_their_own_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "ONCE_BYTES_MAX", 40_000)
    monkeypatch.setattr(once, "ONCE_REPLY_BYTES_MAX", 10_000)
    monkeypatch.setattr(once, "ONCE_KEPT_MS_MIN", 10_000)
    stage = Stage()
    stage.ask(1, "SET", "bank:big", "x" * 9_000)
    said = Raw(stage, 1).send(b"".join(request("CAP", "ONCE", f"s{number}", "INCR", "bank:k") for number in range(600)))
    assert said.endswith(b"; this command was not executed\r\n")
    stage.run(11_000_000)
    asked = [stage.ask(1, "CAP", "ONCE", f"b{number}", "GET", "bank:big").reply for number in range(3)]
    assert asked == [b"x" * 9_000] * 3
    agree(stage)


# What befalls clusters


@pytest.mark.parametrize("name", ["bank", "site"])
@pytest.mark.parametrize("after_us", range(0, 6_000, 400))
def test_a_leader_that_dies_at_any_moment_leaves_one_effect_and_one_reply(name: str, after_us: int) -> None:
    stage = Stage()
    stage.lead(1)
    words = ("CAP", "ONCE", "t", "INCR", f"{name}:k")
    asked = stage.begin(1, *words)
    stage.run(after_us)
    stage.crash(1)
    first = stage.wait(asked)
    if name == "site":
        stage.heal()
    assert retried(stage, 2, *words) == 1
    stage.heal()
    assert retried(stage, 1, *words) == 1
    assert retried(stage, 3, "GET", f"{name}:k") == b"1"
    assert first.reply in (1, None)
    agree(stage)


def test_what_a_deposed_leader_still_had_is_not_executed_again_when_it_comes_back() -> None:
    stage = Stage()
    stage.lead(1)
    stage.cut_off(1)
    words = ("CAP", "ONCE", "t", "INCR", "bank:k")
    asked = stage.begin(1, *words)
    assert retried(stage, 2, *words) == 1
    assert stage.wait(asked).reply != 1
    stage.heal()
    assert [retried(stage, node, *words) for node in (1, 2, 3)] == [1, 1, 1]
    assert retried(stage, 1, "GET", "bank:k") == b"1"
    agree(stage)


@pytest.mark.parametrize("flush_share", [0.0, 1.0])
def test_a_restart_of_the_whole_cluster_forgets_no_token(flush_share: float) -> None:
    class Flushing(Stage):
        @staticmethod
        def _options(seed: int, nodes: int) -> Options:
            return replace(Stage._options(seed, nodes), flush_share=flush_share)

    stage = Flushing()
    words = ("CAP", "ONCE", "t", "INCR", "bank:k")
    assert stage.ask(1, *words).reply == 1
    stage.run(SERVED_US)
    for node in (1, 2, 3):
        stage.crash(node)
    stage.heal()
    stage.run(SERVED_US)
    assert [retried(stage, node, *words) for node in (1, 2, 3)] == [1, 1, 1]
    assert retried(stage, 1, "GET", "bank:k") == b"1"
    agree(stage)


class ShortLog(Stage):
    """Keeps so little of its logs that whoever was away comes back by snapshot."""

    @staticmethod
    def _options(seed: int, nodes: int) -> Options:
        return replace(Stage._options(seed, nodes), retained_bytes=500, segment_bytes=4_000, flush_share=1.0)

    def generation(self, node: NodeId, name: str) -> int:
        made = self.cluster.processes[node].node
        assert made is not None
        return int(made.replicas[self._shard(name)].generation)  # type: ignore[attr-defined]


def test_a_replica_that_came_back_by_snapshot_knows_the_tokens() -> None:
    stage = ShortLog()
    stage.lead(1)
    stage.cut_off(3)
    words = ("CAP", "ONCE", "t", "INCR", "bank:k")
    before = stage.generation(3, "bank")
    assert retried(stage, 1, *words) == 1
    for number in range(60):
        assert retried(stage, 1, "SET", f"bank:{number}", "x" * 200) == b"OK"
        stage.run(50_000)
    stage.run(12_000_000)
    stage.heal()
    stage.run(2 * SERVED_US)
    assert stage.generation(3, "bank") > before, "it was not a snapshot"
    assert tables(stage, "bank") == [1, 1, 1]
    agree(stage)
    stage.lead(3)
    stage.cut_off(1)
    assert retried(stage, 3, *words) == 1
    assert retried(stage, 3, "GET", "bank:k") == b"1"
