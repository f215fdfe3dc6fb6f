"""The receipt of CAP EXPLAIN is true: every field, on every mode, whatever the role of the replica that answers."""

from random import Random
from typing import Any

import pytest

from stage import Asked, Stage
from trilemma.resp.decode import ReplyDecoder
from trilemma.sim.solo import request

DETECTION_MS = 900
SLOW = 20 / 19
"""What a bound in ms allows for slow clocks."""

NEWEST, STALE = b"newest acknowledged", b"stale: current at some time"


@pytest.fixture(scope="module")
def stage() -> Stage:
    """All nodes up, n1 leads all; `pair` (ap, WRITE 2, READ 2) and `quick` (ap, everysec) besides the usual ones."""
    made = Stage()
    made.lead(1)
    assert made.ask(1, "KEYSPACE", "CREATE", "pair", "MODE", "ap", "WRITE", "2", "READ", "2").reply == b"OK"
    assert made.ask(1, "KEYSPACE", "CREATE", "quick", "MODE", "ap", "DURABILITY", "everysec").reply == b"OK"
    made.run(500_000)
    return made


@pytest.fixture
def cut_stage() -> Stage:
    """A stage to be cut; n3 leads all."""
    made = Stage()
    made.lead(3)
    return made


def explained(stage: Stage, node: int, *words: str, readonly: bool = False) -> tuple[Any, dict[str, Any]]:
    answer: Any = stage.ask(node, "CAP", "EXPLAIN", *words, readonly=readonly).reply
    assert isinstance(answer, tuple), answer
    reply, receipt = answer
    return reply, {name.decode(): value for name, value in zip(receipt[::2], receipt[1::2], strict=True)}


def receipt(stage: Stage, node: int, *words: str, readonly: bool = False) -> dict[str, Any]:
    return explained(stage, node, *words, readonly=readonly)[1]


def raft_of(stage: Stage, node: int, keyspace: str) -> Any:
    made: Any = stage.cluster.processes[node].node
    return made.replicas[stage._shard(keyspace)].raft


# cp and ca


@pytest.mark.parametrize(("key", "node", "answers"), [
    ("bank:k", 1, b"n1"), ("bank:k", 2, b"n1"), ("ledger:k", 3, b"n1"), ("site:k", 1, b"n1"), ("site:k", 2, b"n2"),
])  # fmt: skip
def test_a_read_is_the_newest_acknowledged_also_under_a_followers_lease(
    stage: Stage, key: str, node: int, answers: bytes
) -> None:
    assert stage.ask(1, "SET", key, "v").reply == b"OK"
    stage.run(300_000)
    reply, told = explained(stage, node, "GET", key)
    assert reply == b"v"
    assert (told["node"], told["promise"], told["stale_ms_max"]) == (answers, NEWEST, 0)
    assert told["replicas"] == 3
    assert told["index"] <= raft_of(stage, 1, key.partition(":")[0]).last_index


def test_a_readonly_read_at_a_follower_is_stale_by_what_it_heard_of_its_leader(stage: Stage) -> None:
    told = receipt(stage, 2, "GET", "bank:k", readonly=True)
    assert (told["node"], told["promise"]) == (b"n2", STALE)
    assert DETECTION_MS <= told["stale_ms_max"] <= (DETECTION_MS + 250) * SLOW


def test_a_readonly_read_at_a_leader_is_stale_by_when_a_majority_followed_it(stage: Stage) -> None:
    told = receipt(stage, 1, "GET", "bank:k", readonly=True)
    assert (told["node"], told["promise"]) == (b"n1", STALE)
    assert 0 <= told["stale_ms_max"] <= 200 * SLOW


def test_readonly_makes_no_difference_on_ca(stage: Stage) -> None:
    told = receipt(stage, 2, "GET", "site:k", readonly=True)
    assert (told["promise"], told["stale_ms_max"]) == (NEWEST, 0)


@pytest.mark.parametrize(
    ("keyspace", "write", "least"), [("bank", "majority", 2), ("ledger", "all", 3), ("site", "all", 3)]
)
@pytest.mark.parametrize("node", [1, 2])
def test_a_writes_receipt_names_its_own_entry_and_who_holds_it(
    stage: Stage, keyspace: str, write: str, least: int, node: int
) -> None:
    told = receipt(stage, node, "SET", f"{keyspace}:{node}.own", "v")
    (entry,) = raft_of(stage, 1, keyspace).entries(told["index"], told["index"])
    assert f"{keyspace}:{node}.own".encode() in entry.body
    assert (told["term"], told["promise"], told["stale_ms_max"]) == (entry.term, f"durable on {write}".encode(), 0)
    assert least <= told["replicas"] <= 3


def test_a_write_with_a_replica_away_names_those_that_hold_it(cut_stage: Stage) -> None:
    cut_stage.cut_off(1)
    cut_stage.run(2_000_000)
    assert receipt(cut_stage, 3, "SET", "bank:k", "v")["replicas"] == 2


def test_a_leader_just_cut_off_calls_a_readonly_read_stale_and_says_how_stale(cut_stage: Stage) -> None:
    stage = cut_stage
    stage.cut_off(3)
    stage.run(250_000)
    assert stage.leads(3, "bank")
    told = receipt(stage, 3, "GET", "bank:k", readonly=True)
    assert told["promise"] == STALE
    assert 150 <= told["stale_ms_max"] <= 450 * SLOW
    stage.run(5_000_000)
    assert not stage.leads(3, "bank")
    assert 5_200 <= receipt(stage, 3, "GET", "bank:k", readonly=True)["stale_ms_max"] <= 5_600 * SLOW


def test_without_a_word_of_any_leader_no_bound_is_known(cut_stage: Stage) -> None:
    stage = cut_stage
    stage.crash(2)
    stage.cut_off(2)
    stage.cluster.restart(stage.cluster.processes[2])
    stage.run(1_000_000)
    told = receipt(stage, 2, "GET", "bank:k", readonly=True)
    assert (told["promise"], told["stale_ms_max"]) == (STALE, -1)
    assert receipt(stage, 2, "GET", "shop:k")["stale_ms_max"] == -1


# ap


def test_an_ap_writes_vector_holds_its_own_batch_and_one_replica_has_it(stage: Stage) -> None:
    told = receipt(stage, 2, "SET", "shop:first", "v")
    made: Any = stage.cluster.processes[2].node
    seq = made.replicas[stage._shard("shop")].replica.vector[2]
    assert f"2:{seq}".encode() in told["vector"]
    assert (told["promise"], told["replicas"]) == (b"durable on 1, spreads to all", 1)


def test_a_write_of_two_replicas_is_on_two_when_it_is_answered(stage: Stage) -> None:
    told = receipt(stage, 2, "SET", "pair:k", "v")
    assert told["promise"] == b"durable on 2, spreads to all"
    assert told["replicas"] in (2, 3)
    assert b"2:" in told["vector"]


def test_a_write_that_waits_for_no_disk_does_not_say_durable(stage: Stage) -> None:
    told = receipt(stage, 2, "SET", "quick:k", "v")
    assert told["promise"] == b"taken in, durable a moment later, spreads to all"
    assert told["replicas"] == 0


def test_an_ap_read_says_who_holds_what_it_shows_and_how_stale_it_may_be(stage: Stage) -> None:
    assert stage.ask(1, "SET", "shop:r", "v").reply == b"OK"
    stage.run(500_000)
    reply, told = explained(stage, 2, "GET", "shop:r")
    assert reply == b"v"
    assert (told["promise"], told["replicas"]) == (b"own side's newest", 3)
    assert 0 < told["stale_ms_max"] <= 250 * SLOW


def test_a_read_of_two_replicas_says_so(stage: Stage) -> None:
    told = receipt(stage, 2, "GET", "pair:k")
    assert told["promise"] == b"newest of 2 replicas"
    assert 0 < told["stale_ms_max"] <= 250 * SLOW


def test_a_write_that_changes_nothing_makes_no_batch(stage: Stage) -> None:
    before = receipt(stage, 2, "SET", "shop:once", "v")["vector"]
    told = receipt(stage, 2, "SETNX", "shop:once", "w")
    assert (told["promise"], told["vector"]) == (b"own side's newest", before)


def test_an_ap_read_on_the_lesser_side_grows_stale(cut_stage: Stage) -> None:
    cut_stage.cut_off(3)
    cut_stage.run(5_000_000)
    assert 5_200 <= receipt(cut_stage, 3, "GET", "shop:k")["stale_ms_max"] <= 5_800 * SLOW


class Late:
    """Frames to n3 that come long after they were sent, all at once, as after it stood still; large ones never do."""

    def __init__(self, stage: Stage) -> None:
        self._network = stage.cluster.network
        self._deliver = self._network._deliver
        self._kept: list[tuple[int, int, bytes]] = []
        self._network.holes.update({(1, 3): 400, (2, 3): 400})
        self._network._deliver = self._keep

    def _keep(self, source: int, target: int, frame: bytes) -> None:
        if target == 3:
            self._kept.append((source, target, frame))
        else:
            self._deliver(source, target, frame)

    def come(self) -> None:
        self._network._deliver = self._deliver
        for each in self._kept:
            self._deliver(*each)


@pytest.mark.parametrize("keyspace", ["bank", "shop"])
def test_what_came_late_bounds_nothing_though_the_newest_of_it_is_fresh(keyspace: str) -> None:
    """All was taken as just heard: the newest frame's echo brought the links up, and with them what was sent before."""
    stage, key = Stage(), f"{keyspace}:k"
    stage.lead(1)
    late = Late(stage)
    assert stage.ask(1, "SET", key, "old").reply == b"OK"
    stage.run(500_000)
    assert stage.ask(1, "SET", key, "new" * 200).reply == b"OK"
    acknowledged_us = stage.now_us
    stage.run(5_000_000)
    late.come()
    asked_us = stage.now_us
    reply, told = explained(stage, 3, "GET", key, readonly=keyspace == "bank")
    assert reply == b"old"
    assert told["stale_ms_max"] * 1_000 > asked_us - acknowledged_us


# All


@pytest.mark.parametrize("keyspace", ["bank", "ledger", "site", "shop", "pair"])
@pytest.mark.parametrize("node", [1, 2])
def test_beside_an_error_nothing_is_promised(stage: Stage, keyspace: str, node: int) -> None:
    assert stage.ask(1, "SET", f"{keyspace}:text", "v").reply == b"OK"
    stage.run(300_000)
    reply, told = explained(stage, node, "INCR", f"{keyspace}:text")
    assert reply.startswith("ERR")
    assert (told["promise"], told["stale_ms_max"]) == (b"nothing: the reply is an error", -1)


class Collected:
    """All replies of one connection."""

    def __init__(self) -> None:
        self._decoder = ReplyDecoder()
        self.replies: list[Any] = []

    def receive(self, conn: int, data: bytes) -> None:
        self._decoder.feed(data)
        self.replies.extend(self._decoder.replies())

    def lost(self, conn: int) -> None:
        raise AssertionError("the connection broke")


@pytest.mark.parametrize("keyspace", ["bank", "site", "shop", "pair"])
def test_an_explained_read_shows_the_write_sent_just_before_it(stage: Stage, keyspace: str) -> None:
    key = f"{keyspace}:behind"
    collected = Collected()
    conn = stage.cluster.connect(2, collected)
    assert conn is not None
    for value in ("one", "two", "three"):
        collected.replies.clear()
        stage.cluster.send(conn, request("SET", key, value) + request("CAP", "EXPLAIN", "GET", key))
        stage.scheduler.run_until(stage.now_us + 5_000_000, lambda: len(collected.replies) == 2)
        assert collected.replies[1][0] == value.encode()


@pytest.mark.parametrize("seed", range(3))
def test_no_reply_is_staler_than_its_receipt_says(seed: int) -> None:
    """A twin that knows only when each increment was acknowledged, anywhere, judges the bound under random cuts."""
    random, stage = Random(seed), Stage(seed)
    keys = {"bank:n": True, "shop:n": False}
    acknowledged: dict[str, list[int]] = {key: [] for key in keys}
    open_writes: list[tuple[str, Asked]] = []
    judged = 0
    for _ in range(150):
        if random.random() < 0.1:
            stage.cluster.network.cut.clear()
            if random.random() < 0.7:
                stage.cut_off(random.randint(1, 3)) if random.random() < 0.5 else stage.cut((1, random.randint(2, 3)))
        open_writes += [(key, stage.begin(random.randint(1, 3), "INCR", key)) for key in keys]
        stage.run(random.randint(1_000, 120_000))
        for key, asked in [*open_writes]:
            if asked.answer is not None:
                open_writes.remove((key, asked))
                if isinstance(asked.answer.reply, int):
                    acknowledged[key].append(asked.sent_us + asked.answer.took_us)
        for key, readonly in keys.items():
            sent_us = stage.now_us
            reply, told = explained(stage, random.randint(1, 3), "GET", key, readonly=readonly)
            if told["stale_ms_max"] >= 0 and told["promise"] != NEWEST:
                judged += 1
                due = sum(each <= sent_us - told["stale_ms_max"] * 1_000 for each in acknowledged[key])
                assert int(reply or 0) >= due, (key, told, reply, due)
    assert judged > 200
