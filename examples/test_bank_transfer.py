"""A bank transfer, written wrongly and rightly, under the fixture that tells them apart.

Run it with `pytest examples`. The wrong transfer reads both balances, works out the new ones, and sets them. Each of
its commands does what it should, on a store that is linearizable, and money is lost all the same, because another
transfer can come in between. The right one says WATCH before it reads: if a balance changes before EXEC, nothing is
written, and the application begins again.

The steps of two clients are interleaved by hand, so the outcome does not depend on luck: a transfer is a generator that
stops between its read and its write.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest
import redis

from trilemma.client.assertions import (
    assert_converged,
    assert_linearizable,
    assert_no_lost_updates,
    assert_no_lost_writes,
)

if TYPE_CHECKING:
    from trilemma.client.recorded_redis import RecordedRedis
    from trilemma.client.recording import Recording
    from trilemma.client.stage import StageCluster

ALICE, BOB = "bank:{accounts}:alice", "bank:{accounts}:bob"
OPENING = 100

Steps = Generator[None, None, bool]
"""A transfer in steps; it returns whether it was made."""


def transfer_wrongly(client: "RecordedRedis", amount: int) -> Steps:
    """Move money from Alice to Bob: read, then set."""
    alice, bob = int(client.get(ALICE)), int(client.get(BOB))
    yield
    client.set(ALICE, alice - amount)
    client.set(BOB, bob + amount)
    return True


def transfer_rightly(client: "RecordedRedis", amount: int) -> Steps:
    """Move money from Alice to Bob, or do nothing if a balance has changed meanwhile."""
    with client.pipeline() as pipeline:
        pipeline.watch(ALICE, BOB)
        alice, bob = int(pipeline.get(ALICE)), int(pipeline.get(BOB))
        yield
        pipeline.multi()
        pipeline.set(ALICE, alice - amount)
        pipeline.set(BOB, bob + amount)
        try:
            pipeline.execute()
        except redis.WatchError:
            return False
    return True


def finish(steps: Steps) -> bool:
    """Take a transfer to its end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return bool(end.value)


def open_accounts(cluster: "StageCluster", history: "Recording") -> None:
    cluster.create("bank", "cp")
    history.client(cluster, "n1").mset({ALICE: OPENING, BOB: OPENING})


def test_the_wrong_transfer_loses_an_update(trilemma_cluster: "StageCluster", history: "Recording") -> None:
    open_accounts(trilemma_cluster, history)
    one = transfer_wrongly(history.client(trilemma_cluster, "n1"), 30)
    other = transfer_wrongly(history.client(trilemma_cluster, "n2"), 50)
    next(one)
    next(other)  # both have read 100
    assert finish(one)
    assert finish(other)
    assert_linearizable(history)  # the store did nothing wrong
    with pytest.raises(AssertionError, match="read by two before either wrote it"):
        assert_no_lost_updates(history)


def test_the_right_transfer_loses_none(trilemma_cluster: "StageCluster", history: "Recording") -> None:
    open_accounts(trilemma_cluster, history)
    near, far = history.client(trilemma_cluster, "n1"), history.client(trilemma_cluster, "n2")
    one, other = transfer_rightly(near, 30), transfer_rightly(far, 50)
    next(one)
    next(other)
    assert finish(one)
    assert not finish(other)  # the balance has changed: nothing was written
    assert finish(transfer_rightly(far, 50))  # begun again, from what is there now
    assert (near.get(ALICE), near.get(BOB)) == ("20", "180")
    history.read_finals(trilemma_cluster)
    assert_linearizable(history)
    assert_no_lost_updates(history)
    assert_no_lost_writes(history)


def test_the_right_transfer_stays_right_across_a_cut(trilemma_cluster: "StageCluster", history: "Recording") -> None:
    open_accounts(trilemma_cluster, history)
    near, far = history.client(trilemma_cluster, "n1"), history.client(trilemma_cluster, "n3")
    one = transfer_rightly(far, 30)
    next(one)
    with trilemma_cluster.partitioned("n3"), pytest.raises(redis.RedisError):
        finish(one)  # CLUSTERDOWN: surely nothing; UNCERTAIN: perhaps, so look before you begin again
    balance = int(near.get(ALICE))
    assert balance in (OPENING, OPENING - 30)
    assert finish(transfer_rightly(near, 50))
    assert int(far.get(ALICE)) == balance - 50
    assert_linearizable(history)
    assert_no_lost_updates(history)
    assert_converged(trilemma_cluster)
