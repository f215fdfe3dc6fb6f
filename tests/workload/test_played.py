"""Workloads that only a real node can answer: played against one, what they record is what it must be."""

from random import Random

from played import Player
from trilemma.check.connection import walk
from trilemma.check.inquiry import check_digests
from trilemma.check.linearizable import check_linearizable
from trilemma.check.lost import check_lost_writes
from trilemma.check.pipeline import check_pipelined_registers
from trilemma.check.receipt import Terms, check_receipts, plainly
from trilemma.check.redis_model import REDIS
from trilemma.check.register import check_register
from trilemma.sim.solo import SoloNode
from trilemma.workload.connection import Connections
from trilemma.workload.receipts import Receipts
from trilemma.workload.step import Step
from trilemma.workload.strings import looking

STEPS = 400

ALONE = Terms(1, 1, frozenset({"n1"}))
"""What a keyspace of one node owes."""


def test_connections_are_told_what_they_must_be_and_write_what_they_do_not_give_up() -> None:
    player, generator = Player(SoloNode(), mode="ca"), Connections(Random(1), b"")
    run, finals = walk(player.play(generator, STEPS)), walk(player.finals(generator))
    everything = [*run.operations, *finals.operations]
    assert run.verdict.is_valid
    assert finals.verdict.is_valid
    assert check_register(everything).is_valid
    assert check_pipelined_registers(everything).is_valid
    assert check_lost_writes(run.operations, finals.operations).is_valid
    outcomes = [(each.kind, each.outcome) for each in run.operations]
    assert all(outcomes.count(each) > 20 for each in (("write", "ok"), ("write", "fail"), ("read", "ok")))


def test_a_step_is_ok_only_where_every_command_was_answered_and_none_refused() -> None:
    generator = Connections(Random(1), b"")
    step = Step(1, ((b"SELECT", b"3"), (b"GET", b"k")), "session", b"k")
    assert generator.record(step, [b"OK", None]) == ("ok", (("ok", b"OK"), ("ok", None)))
    assert generator.record(step, [b"OK"]) == ("info", (("ok", b"OK"),))
    refused = "CLUSTERDOWN no majority"
    assert generator.record(step, [b"OK", refused]) == ("info", (("ok", b"OK"), ("fail", refused)))


def test_receipts_of_one_node_say_what_one_node_can() -> None:
    player, generator = Player(SoloNode()), Receipts(Random(1), b"", "default", "cp")
    run = list(player.play(generator, STEPS))
    finals = player.finals(generator)
    assert check_receipts(run, ALONE).is_valid
    assert check_digests([*run, *finals], {"1024": {}}, ALONE).is_valid
    assert check_register(each for each in plainly([*run, *finals]) if each.kind != "stale_read").is_valid
    assert {each.kind for each in run} >= {"explained_write", "explained_read", "explained_stale_read", "counted_write"}


def test_what_is_refused_has_no_receipt_and_what_stands_beside_it_does_not_count() -> None:
    generator = Receipts(Random(1), b"", "default", "ap")
    refused = "CLUSTERDOWN no majority"
    explained = Step(1, ((b"CAP", b"EXPLAIN", b"GET", b"k"),), "explained_read", b"k")
    awaited = Step(1, ((b"CAP", b"WAIT", b"t", b"300"), (b"GET", b"k")), "awaited_read", b"k")
    assert generator.record(explained, [refused]) == ("fail", refused)
    assert generator.record(explained, [(b"1", (b"replicas", 3))]) == ("ok", (b"1", ((b"replicas", 3),)))
    assert generator.record(awaited, ["TRYAGAIN not reached", b"1"]) == ("ok", (b"1", False))
    assert generator.record(awaited, ["ERR unknown subcommand", b"1"]) == ("ok", (b"1", "ERR unknown subcommand"))
    assert generator.record(awaited, [b"OK", b"1"]) == ("ok", (b"1", True))


def test_the_model_knows_how_values_are_kept_and_what_two_have_in_common() -> None:
    history = Player(SoloNode()).play(looking(Random(1), b""), STEPS)
    assert check_linearizable(history, REDIS).is_valid
    asked = {command[0] for each in history if each.kind == "command" for command in [each.argument]}
    assert {b"OBJECT", b"LCS"} <= asked
