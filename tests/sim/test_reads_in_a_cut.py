"""Where writes wait for all replicas, what only reads is answered in a cut, and what is refused is refused at once."""

import pytest

from stage import Stage

S = 1_000_000


@pytest.fixture(scope="module", params=["site", "ledger"])
def scene(request: pytest.FixtureRequest) -> tuple[Stage, str]:
    """A stage whose n3 has been cut off for a while, and a keyspace that takes writes from all replicas only."""
    stage = Stage()
    stage.lead(1)
    name = request.param
    assert stage.ask(1, "SET", f"{name}:a", "0").reply == b"OK"
    stage.cut_off(3)
    stage.run(2_500_000)
    return stage, name


@pytest.mark.parametrize("node", [1, 2])
def test_watch_is_answered(scene: tuple[Stage, str], node: int) -> None:
    stage, name = scene
    assert stage.ask(node, "WATCH", f"{name}:a").reply == b"OK"


@pytest.mark.parametrize("node", [1, 2])
def test_a_read_behind_a_refused_write_is_answered_and_the_refusal_is_one(scene: tuple[Stage, str], node: int) -> None:
    stage, name = scene
    since_us = stage.now_us
    write, read = stage.pipeline(node, ("SET", f"{name}:a", "2"), ("GET", f"{name}:a"))
    assert write.startswith("CLUSTERDOWN")
    assert "nothing was written" in write
    assert read == b"0"
    assert stage.now_us - since_us < S


@pytest.mark.parametrize("node", [1, 2])
def test_a_transaction_that_only_reads_is_answered(scene: tuple[Stage, str], node: int) -> None:
    stage, name = scene
    assert stage.pipeline(node, ("MULTI",), ("GET", f"{name}:a"), ("EXEC",))[-1] == (b"0",)
