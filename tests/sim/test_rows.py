"""Each row of PROMISES §2 in virtual time, where its bounds are exact; n3 leads before the cut, or it does not.

n1, n2, n3; n3 is cut off, or crashes. Tests are named after the rows.
"""

from collections.abc import Iterator

import pytest

from stage import KEYSPACES, Stage
from trilemma.sim.cluster import CLIENT_DELAY_US

DETECTION_US = 1_000_000
REFUSAL_US = 10_000 + 2 * CLIENT_DELAY_US
FAIL_OVER_US = 2_000_000
CA_WAIT_US = 1_500_000
LEASE_US = 1_000_000
SERVED_US = 2_000_000
TIMEOUT_US = 2_000_000
MAJORITY = (1, 2)


@pytest.fixture(params=["n1 leads", "n3 leads"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    made = Stage()
    made.lead(int(request.param[1]))
    for name in KEYSPACES:
        assert made.ask(1, "SET", f"{name}:k", "before").reply == b"OK"
    made.run(400_000)
    yield made
    assert made.cluster.failures == []


@pytest.fixture(params=["cut", "crash"])
def lost(request: pytest.FixtureRequest, stage: Stage) -> Stage:
    """Return a stage whose n3 was lost just now."""
    if request.param == "cut":
        stage.cut_off(3)
    else:
        stage.crash(3)
    return stage


@pytest.fixture
def cut(stage: Stage) -> Stage:
    """Return a stage whose n3 is cut off, which is known by now."""
    stage.cut_off(3)
    stage.run(DETECTION_US)
    return stage


def test_cp_write_at_the_majority(lost: Stage) -> None:
    assert lost.until_ok(1, "SET", "bank:k", "after") <= FAIL_OVER_US
    assert lost.until_ok(2, "SET", "bank:k2", "after") <= FAIL_OVER_US
    lost.run(FAIL_OVER_US)
    for node in MAJORITY:
        assert lost.ask(node, "SET", "bank:k", f"n{node}").reply == b"OK"


def test_cp_write_at_the_minority(cut: Stage) -> None:
    answer = cut.ask(3, "SET", "bank:k", "never")
    assert answer.reply == "CLUSTERDOWN keyspace 'bank' (cp): n3 reaches 1 of 3 replicas, needs 2; nothing was written"
    assert answer.took_us < REFUSAL_US
    cut.heal()
    cut.run(SERVED_US)
    assert cut.ask(3, "GET", "bank:k").reply == b"before"


def test_cp_read(cut: Stage) -> None:
    cut.until_ok(2, "SET", "bank:k", "after")
    for node in MAJORITY:
        assert cut.ask(node, "GET", "bank:k").reply == b"after"
    answer = cut.ask(3, "GET", "bank:k")
    assert answer.is_refusal
    assert answer.took_us < REFUSAL_US


def test_cp_read_after_readonly(cut: Stage) -> None:
    cut.until_ok(1, "SET", "bank:k", "after")
    answer = cut.ask(3, "GET", "bank:k", readonly=True)
    assert answer.reply == b"before"
    assert answer.took_us < REFUSAL_US
    told = cut.ask(3, "CAP", "EXPLAIN", "GET", "bank:k", readonly=True).reply
    assert b"stale: current at some time" in told[1]
    for node in MAJORITY:
        assert cut.ask(node, "GET", "bank:k", readonly=True).reply in (b"before", b"after")


def test_cp_with_write_all_write(cut: Stage) -> None:
    cut.run(FAIL_OVER_US)
    for node in (1, 2, 3):
        answer = cut.ask(node, "SET", "ledger:k", "never")
        assert answer.is_refusal
        assert answer.took_us < REFUSAL_US
    assert "WRITE all needs 3 of 3" in cut.ask(1, "SET", "ledger:k", "never").reply


def test_cp_with_write_all_read(cut: Stage) -> None:
    assert cut.until_ok(1, "GET", "ledger:k") + DETECTION_US <= FAIL_OVER_US
    for node in MAJORITY:
        assert cut.ask(node, "GET", "ledger:k").reply == b"before"
    assert cut.ask(3, "GET", "ledger:k").is_refusal


def test_ca_write(cut: Stage) -> None:
    cut.run(FAIL_OVER_US)
    for node in (1, 2, 3):
        answer = cut.ask(node, "SET", "site:k", "never")
        assert answer.is_refusal
        assert answer.took_us < REFUSAL_US


def test_ca_read_at_the_majority(lost: Stage) -> None:
    for node in MAJORITY:
        answer = lost.ask(node, "GET", "site:k")
        assert answer.reply == b"before"
        assert answer.took_us <= CA_WAIT_US
    lost.run(FAIL_OVER_US)
    for node in MAJORITY:
        answer = lost.ask(node, "GET", "site:k")
        assert answer.reply == b"before"
        assert answer.took_us < REFUSAL_US


def test_ca_read_at_the_minority(stage: Stage) -> None:
    stage.cut_off(3)
    answer = stage.ask(3, "GET", "site:k")
    assert answer.reply == b"before"
    stage.run(LEASE_US)
    for readonly in (False, True):
        answer = stage.ask(3, "GET", "site:k", readonly=readonly)
        assert answer.is_refusal
        assert answer.took_us < REFUSAL_US


def test_ap_write_and_read(stage: Stage) -> None:
    stage.cut_off(3)
    for wait_us in (0, DETECTION_US):
        stage.run(wait_us)
        for node, value in ((1, "majority"), (3, "minority")):
            answer = stage.ask(node, "SET", "shop:k", value)
            assert answer.reply == b"OK"
            assert answer.took_us < REFUSAL_US
        stage.run(100_000)
        assert stage.ask(1, "GET", "shop:k").reply == b"majority"
        assert stage.ask(2, "GET", "shop:k").reply == b"majority"
        assert stage.ask(3, "GET", "shop:k").reply == b"minority"


def test_all_after_healing(lost: Stage) -> None:
    lost.run(FAIL_OVER_US)
    assert lost.ask(1, "SET", "bank:k", "after").reply == b"OK"
    assert lost.ask(2, "INCRBY", "shop:count", "7").reply == 7
    if lost.cluster.processes[3].node is not None:
        assert lost.ask(3, "INCRBY", "shop:count", "3").reply == 3
    lost.heal()
    healed_us = lost.now_us
    for name in ("bank", "ledger", "site"):
        for node in (1, 2, 3):
            lost.until_ok(node, "SET", f"{name}:again", "1")
    assert lost.now_us - healed_us <= SERVED_US
    lost.run(SERVED_US)
    for shard, digests in lost.cluster.digests().items():
        assert len(digests) == 3
        assert len(set(digests.values())) == 1, shard
    assert [lost.ask(node, "GET", "bank:k").reply for node in (1, 2, 3)] == [b"after"] * 3
    sums = {lost.ask(node, "GET", "shop:count").reply for node in (1, 2, 3)}
    assert sums in ({b"10"}, {b"7"})


def test_a_request_in_flight_at_the_cut_waits_no_longer_than_timeout_and_a_read_is_never_uncertain(lost: Stage) -> None:
    asked = [
        lost.begin(node, *words.split())
        for name in ("bank", "ledger", "site")
        for node in (1, 2, 3)
        for words in (f"GET {name}:k", f"SET {name}:k in-flight")
    ]
    answers = [lost.wait(each) for each in asked]
    assert all(answer.took_us <= TIMEOUT_US + REFUSAL_US for answer in answers)
    assert not any(answer.is_uncertain for answer in answers[::2])


# Other cuts


def test_a_node_without_a_link_to_the_leader_is_served_through_a_peer(stage: Stage) -> None:
    leader = 1 if stage.leads(1, "bank") else 3
    outside = 4 - leader
    stage.cut((leader, outside))
    stage.run(DETECTION_US)
    for name in ("bank", "ledger", "site"):
        assert stage.leads(leader, name)
    assert stage.ask(outside, "SET", "bank:k", "through n2").reply == b"OK"
    assert stage.ask(outside, "GET", "bank:k").reply == b"through n2"
    assert stage.ask(outside, "GET", "site:k").reply == b"before"


def test_ca_writes_need_a_link_between_the_leader_and_every_replica(stage: Stage) -> None:
    leader = 1 if stage.leads(1, "site") else 3
    stage.cut((leader, 4 - leader))
    stage.run(DETECTION_US)
    for node in (1, 2, 3):
        assert stage.ask(node, "SET", "site:k", "never").is_refusal
    stage.heal()
    stage.run(SERVED_US)
    assert stage.ask(2, "SET", "site:k", "after").reply == b"OK"


def test_ca_writes_need_no_link_between_followers(stage: Stage) -> None:
    leader = 1 if stage.leads(1, "site") else 3
    stage.cut((2, 4 - leader))
    stage.run(DETECTION_US)
    for node in (1, 2, 3):
        assert stage.ask(node, "SET", "site:k", f"n{node}").reply == b"OK"
        assert [stage.ask(reader, "GET", "site:k").reply for reader in (1, 2, 3)] == [b"n%d" % node] * 3


@pytest.mark.parametrize("way", [(1, 3), (3, 1), (2, 3), (3, 2), (1, 2), (2, 1)])
def test_a_one_way_cut_does_not_make_leadership_flap(stage: Stage, way: tuple[int, int]) -> None:
    before = stage.terms()
    stage.cut_way(*way)
    stage.run(10_000_000)
    assert all(term <= before[shard] + 1 for shard, term in stage.terms().items())
    for node in (1, 2, 3):
        assert stage.ask(node, "SET", "bank:k", "served").reply == b"OK"


def test_ap_batches_flow_along_any_path_that_is_left(stage: Stage) -> None:
    stage.cut((1, 3))
    stage.run(DETECTION_US)
    assert stage.ask(1, "SET", "shop:k", "from n1").reply == b"OK"
    stage.run(500_000)
    assert stage.ask(3, "GET", "shop:k").reply == b"from n1"
    assert stage.ask(3, "SET", "shop:k", "from n3").reply == b"OK"
    stage.run(500_000)
    assert stage.ask(1, "GET", "shop:k").reply == b"from n3"


# Keys that expire (PROMISES §5, PROTOCOLS §4)


@pytest.mark.parametrize("name", ["bank", "site"])
def test_an_overdue_key_waits_for_the_tick_and_is_not_shown(stage: Stage, name: str) -> None:
    leader = 1 if stage.leads(1, name) else 3
    assert stage.ask(leader, "SET", f"{name}:e", "shown", "PX", "400").reply == b"OK"
    stage.run(100_000)
    assert [stage.ask(node, "GET", f"{name}:e").reply for node in (1, 2, 3)] == [b"shown"] * 3
    # Heartbeats go through, entries do not: leadership is confirmed, but no tick can be committed.
    for other in {1, 2, 3} - {leader}:
        stage.cluster.network.holes[leader, other] = 1_000
    blocking = stage.begin(leader, "SET", f"{name}:big", "x" * 2_000)
    stage.run(500_000)
    asked = {node: stage.begin(node, "GET", f"{name}:e") for node in (1, 2, 3)}
    whole = stage.begin(leader, "KEYS", f"{name}:*")
    stale = stage.ask(leader, "GET", "bank:e", readonly=True).reply
    assert stale == (b"shown" if name == "bank" else None)
    assert stage.ask(leader, "GET", f"{name}:k").reply == b"before"
    for each in (*asked.values(), whole):
        answer = stage.wait(each)
        assert answer.is_refusal
        assert answer.took_us <= TIMEOUT_US + REFUSAL_US
    assert stage.wait(blocking).is_uncertain
    stage.cluster.network.holes.clear()
    stage.run(SERVED_US)
    assert [stage.ask(node, "GET", f"{name}:e").reply for node in (1, 2, 3)] == [None] * 3


def test_an_overdue_key_is_gone_as_soon_as_the_tick_is_there(stage: Stage) -> None:
    # Log time is slewed towards the leader's wall clock by at most a tenth.
    for name in ("bank", "site"):
        assert stage.ask(1, "SET", f"{name}:e", "shown", "PX", "300").reply == b"OK"
        written_us = stage.now_us
        seen = []
        while stage.now_us < written_us + 370_000:
            answer = stage.ask(2, "GET", f"{name}:e")
            seen.append((stage.now_us - answer.took_us - written_us, answer.reply))
        assert all(reply == b"shown" for at_us, reply in seen if at_us < 265_000)
        assert all(reply is None for at_us, reply in seen if at_us > 340_000)
