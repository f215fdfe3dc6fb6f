"""A cluster in this process that is used wrongly: a sentence, an exception of the kind, and nothing left behind."""

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import trilemma
from trilemma.client.local import LocalCluster
from trilemma.client.stage import StageCluster

Use = Callable[[LocalCluster], object]

USES: list[Use] = [
    lambda cluster: cluster.client("n1"),
    lambda cluster: cluster.address("n1"),
    lambda cluster: cluster.create("bank", "cp"),
    lambda cluster: cluster.cut("n1"),
    lambda cluster: cluster.slow("n1", "80ms"),
    lambda cluster: cluster.heal(),
    lambda cluster: cluster.kill("n1"),
    lambda cluster: cluster.restart("n1"),
    lambda cluster: cluster.pause("n1"),
    lambda cluster: cluster.resume("n1"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with trilemma.local(nodes=2) as made:
        yield made


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where directories for a while are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("nodes", [0, -1, True, 2.0, "3"])
def test_a_number_of_nodes_that_cannot_be_is_refused(scratch: Path, nodes: int) -> None:
    with pytest.raises(ValueError, match=f"nodes is a whole number from 1 on, not {nodes!r}"):
        trilemma.local(nodes=nodes)
    assert list(scratch.iterdir()) == []


def test_a_mode_that_there_is_not_is_refused(scratch: Path) -> None:
    with pytest.raises(ValueError, match="default_mode is cp, ap or ca, not 'xp'"):
        StageCluster(default_mode="xp")
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("use", USES)
def test_before_the_with_block_nothing_can_be_asked_of_it(scratch: Path, use: Use) -> None:
    threads = threading.active_count()
    made = trilemma.local(nodes=1)
    with pytest.raises(RuntimeError, match="the cluster does not run yet: use it inside `with trilemma"):
        use(made)
    made.stop()
    assert threading.active_count() == threads
    assert list(scratch.iterdir()) == []


def test_a_cluster_runs_once_and_its_end_says_so(scratch: Path) -> None:
    threads = threading.active_count()
    made = trilemma.local(nodes=1)
    with made:
        with pytest.raises(RuntimeError, match="the cluster runs already"):
            made.start()
        assert made.client("n1").set("k", "v"), "a second start must not stop it"
    with pytest.raises(RuntimeError, match="the cluster has ended: make another one"), made:
        pass
    for use in USES:
        with pytest.raises(RuntimeError, match="the cluster has ended"):
            use(made)
    made.stop()
    assert threading.active_count() == threads
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    "use",
    [
        lambda cluster: cluster.client("n9"),
        lambda cluster: cluster.address("n9"),
        lambda cluster: cluster.kill("n9"),
        lambda cluster: cluster.restart("n9"),
        lambda cluster: cluster.pause("n9"),
        lambda cluster: cluster.resume("n9"),
    ],
)
def test_a_node_that_there_is_not_is_named_with_those_that_there_are(cluster: LocalCluster, use: Use) -> None:
    with pytest.raises(ValueError, match="there is no node 'n9'; the nodes are n1, n2"):
        use(cluster)


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (lambda cluster: cluster.cut("n9"), "'n9' names no node and no link between two; the nodes are n1, n2"),
        (lambda cluster: cluster.heal("n1-n9"), "'n1-n9' names no node and no link"),
        (lambda cluster: cluster.slow("n1-n2", "soon"), "'soon' is no delay; say 80ms or 2s"),
    ],
)
def test_a_link_that_there_is_not_gets_the_sentence_of_lab(cluster: LocalCluster, use: Use, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        use(cluster)


def test_a_node_that_is_down_can_only_be_restarted(cluster: LocalCluster) -> None:
    cluster.kill("n2")
    for use in (cluster.kill, cluster.pause, cluster.resume):
        with pytest.raises(RuntimeError, match="n2 is down; `restart` starts it"):
            use("n2")
    cluster.kill("n1")
    for ask in (lambda: cluster.cut("n1"), lambda: cluster.create("bank", "cp")):
        with pytest.raises(RuntimeError, match="every node is down; `restart` starts one"):
            ask()
    cluster.restart("n1")
    cluster.restart("n2")
    cluster.wait_until_ready()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_cuts_and_heals_keep_no_connection(cluster: LocalCluster) -> None:
    cluster.cut("n1")
    cluster.heal()
    before = descriptors()
    for _ in range(20):
        cluster.cut("n1")
        cluster.heal()
    assert descriptors() <= before + 2, "a connection of the nodes may come or go meanwhile"


def test_a_node_that_cannot_be_stopped_cleanly_leaves_nothing_behind_and_is_told(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = threading.active_count()
    made = trilemma.local(nodes=2)

    def fail(_: object) -> None:
        raise OSError(28, "No space left on device")

    def use() -> None:
        with made:
            monkeypatch.setattr(type(made._nodes.servers["n2"].storage.engine), "flush", fail)
            raise KeyError("the body's own")

    with pytest.raises(KeyError, match="the body's own") as caught:
        use()
    assert "No space left" in " ".join(caught.value.__notes__)
    assert threading.active_count() == threads
    assert list(scratch.iterdir()) == []
    made.stop()


def test_a_process_that_was_forked_from_it_has_no_nodes(cluster: LocalCluster) -> None:
    """There `kill` waited for a thread that is not in that process, for ever."""
    cluster._process += 1  # as the child of a fork sees it
    try:
        with pytest.raises(RuntimeError, match="forked"):
            cluster.kill("n1")
        cluster.stop()
    finally:
        cluster._process -= 1
    assert cluster.client("n1").ping()
