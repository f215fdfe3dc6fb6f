"""Agreement at rest is judged by what clients are told, and held against what replicas hold."""

import pytest

from trilemma.node.digest import Digest
from trilemma.node.raft_standing import RaftStanding
from trilemma.sim.agreement import NO_ANSWER, ask_digests, judge_agreement
from trilemma.sim.client import Client
from trilemma.sim.cluster import Cluster
from trilemma.sim.options import draw
from trilemma.sim.run import READY_US, Schedule

SEED = 12


@pytest.fixture
def cluster() -> Cluster:
    """Return three nodes with keyspaces of their own making, at rest."""
    schedule = Schedule(draw(SEED, "cp", 3))
    schedule._cluster.start()
    schedule._scheduler.run_until(READY_US)
    return schedule._cluster


def test_what_clients_are_told_is_what_replicas_hold(cluster: Cluster) -> None:
    assert judge_agreement(cluster).is_valid
    assert ask_digests(cluster) == cluster.digests()
    assert ask_digests(cluster, ["n1", "n3"]) == cluster.digests(["n1", "n3"])
    assert not cluster.failures


def test_replicas_that_differ_are_what_clients_see(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = iter(range(1_000))
    monkeypatch.setattr(Digest, "text", property(lambda self: f"{next(pages):032x}"))
    verdict = judge_agreement(cluster)
    assert verdict.is_invalid
    assert "differ" in verdict.reason
    assert not cluster.failures, "by itself the simulator sees nothing: a client does"


def test_nodes_that_say_they_agree_and_do_not_are_found(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RaftStanding, "digest", lambda self: (f"index {self.applied_index}", f"{id(self)}"))
    assert judge_agreement(cluster).is_valid
    assert [each for each in cluster.failures if "nodes say that their replicas agree, but" in each]


def test_a_node_that_does_not_answer_does_not_agree(cluster: Cluster) -> None:
    cluster.processes[2].pause()
    told = ask_digests(cluster)
    assert {held["n2"] for held in told.values()} == {NO_ANSWER}
    assert judge_agreement(cluster).is_invalid


def test_asking_leaves_no_connection(cluster: Cluster) -> None:
    ask_digests(cluster)
    assert not [caller for _, caller in cluster._callers.values() if not isinstance(caller, Client)]
