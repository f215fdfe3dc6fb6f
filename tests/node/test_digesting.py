"""CAP DIGEST reflects what was there when it began, though the engine gets that only once the log is durable."""

from dataclasses import replace
from typing import Any

import pytest

from stage import Stage
from trilemma.node.causal_standing import CausalStanding
from trilemma.node.raft_standing import RaftStanding
from trilemma.sim.solo import SoloNode, request


@pytest.fixture
def stage() -> Stage:
    made = Stage()
    made.lead(1)
    made.run(1_000_000)
    return made


def slow_down(stage: Stage, node: int, sync_us: int) -> None:
    stage.cluster.processes[node].disk._options = replace(stage.options, sync_us=sync_us)


def told(reply: Any) -> tuple[str, str]:
    """Return what the only row of a reply says: what it reflects, the digest."""
    ((_, _, reflects, digest),) = reply
    return reflects.decode(), digest.decode()


def test_what_was_waited_for_is_in_the_digest_though_the_disk_is_slow(stage: Stage) -> None:
    slow_down(stage, 2, 100_000)
    for number in range(5):
        assert stage.ask(1, "SET", f"shop:{number}", "v").reply == b"OK"
    token = stage.ask(1, "CAP", "TOKEN").reply.decode()
    assert stage.ask(2, "CAP", "WAIT", token).reply == b"OK"
    behind = stage.ask(2, "CAP", "DIGEST", "shop")
    assert told(behind.reply) == told(stage.ask(1, "CAP", "DIGEST", "shop").reply)
    assert 50_000 < behind.took_us < 1_000_000


def test_where_the_disk_does_not_keep_up_the_digest_is_of_what_it_has_kept(stage: Stage) -> None:
    before = told(stage.ask(2, "CAP", "DIGEST", "shop").reply)
    slow_down(stage, 2, 8_000_000)
    assert stage.ask(1, "SET", "shop:k", "v").reply == b"OK"
    token = stage.ask(1, "CAP", "TOKEN").reply.decode()
    assert stage.ask(2, "CAP", "WAIT", token).reply == b"OK"
    answer = stage.ask(2, "CAP", "DIGEST", "shop")
    assert told(answer.reply) == before
    assert 1_900_000 < answer.took_us < 2_500_000


@pytest.mark.parametrize("keyspace", ["bank", "site", "shop"])
def test_a_digest_behind_a_write_in_a_pipeline_has_it(stage: Stage, keyspace: str) -> None:
    before = told(stage.ask(1, "CAP", "DIGEST", keyspace).reply)
    ok, behind = stage.pipeline(1, ("SET", f"{keyspace}:k", "v"), ("CAP", "DIGEST", keyspace))
    assert ok == b"OK"
    stage.run(1_000_000)
    assert told(behind) == told(stage.ask(1, "CAP", "DIGEST", keyspace).reply) != before


@pytest.mark.parametrize("offset_us", range(0, 10_000, 1_000))
def test_behind_cap_wait_in_a_pipeline_it_has_what_has_come_in_that_very_turn(stage: Stage, offset_us: int) -> None:
    stage.cluster.options = replace(stage.cluster.options, turn_us=5_000)
    stage.ask(1, "SET", "shop:k", "1")
    stage.run(500_000)
    written = stage.begin(1, "SET", "shop:k", "2")
    asked = stage.begin(1, "CAP", "TOKEN")
    while asked.answer is None:
        stage.run(100)
    token = asked.answer.reply.decode()
    stage.run(offset_us)
    ok, behind = stage.pipeline(2, ("CAP", "WAIT", token), ("CAP", "DIGEST", "shop"))
    assert ok == b"OK"
    assert stage.wait(written).reply == b"OK"
    assert told(behind) == told(stage.ask(1, "CAP", "DIGEST", "shop").reply)


def test_a_client_that_sends_no_more_gets_its_digest() -> None:
    solo = SoloNode()
    conn = solo.connect()
    solo.node.receive_client(conn, request("SET", "k", "v") + request("CAP", "DIGEST"))
    solo.node.client_ended(conn)
    solo.run_until(solo.now.mono_us + 10_000)
    assert bytes(solo.replies[conn]).startswith(b"+OK\r\n*1\r\n*4\r\n$7\r\ndefault\r\n")


def test_a_keyspace_that_is_dropped_meanwhile_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    solo = SoloNode()
    conn, other = solo.connect(), solo.connect()
    solo.send(other, request("KEYSPACE", "CREATE", "shop", "MODE", "ap"))
    solo.run_until(solo.now.mono_us + 1_000_000)
    with monkeypatch.context() as patch:
        for kind in (CausalStanding, RaftStanding):
            patch.setattr(kind, "has_in_engine", lambda of, mark: False)
        assert solo.send(conn, request("CAP", "DIGEST")) == b""
        solo.send(other, request("KEYSPACE", "DROP", "shop"))
        solo.run_until(solo.now.mono_us + 1_000_000)
        assert solo.replies[other].endswith(b"+OK\r\n")
        assert solo.replies[conn] == b""
    solo.run_until(solo.now.mono_us + 10_000)
    assert bytes(solo.replies[conn]).startswith(b"*1\r\n*4\r\n$7\r\ndefault\r\n")
