"""READ n on `ap`: what enough replicas hold is shown, whatever the command, and whatever came before."""

import pytest

from stage import Stage

QUORUM = ("MODE", "ap", "WRITE", "2", "READ", "2")


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    assert stage.ask(1, "KEYSPACE", "CREATE", "rq", *QUORUM).reply == b"OK"
    stage.run(300_000)
    stage.ask(2, "SET", "rq:x", "old")
    stage.run(520_000)
    return stage


def test_a_question_of_an_earlier_start_that_is_answered_late_answers_none_of_this_start(stage: Stage) -> None:
    network, since_us = stage.cluster.network, stage.now_us

    def wait_until(after_us: int) -> None:
        stage.run(since_us + after_us - stage.now_us)

    network.slow[2, 1] = network.slow[3, 1] = 900_000
    stage.begin(1, "GET", "rq:x")
    stage.run(3_000)
    stage.crash(1)
    stage.cluster.restart(stage.cluster.processes[1])
    network.slow.clear()
    wait_until(840_000)
    network.cut[2, 1] = network.cut[3, 1] = None
    assert stage.ask(2, "SET", "rq:x", "new").reply == b"OK"
    stage.run(5_000)
    network.cut.clear()
    wait_until(893_000)
    network.slow[2, 1] = network.slow[3, 1] = 30_000
    assert stage.ask(1, "GET", "rq:x").reply == b"new"
