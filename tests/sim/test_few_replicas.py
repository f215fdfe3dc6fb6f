"""Keyspaces with fewer replicas than nodes: who draws one, and what is judged at a node without a replica."""

from dataclasses import replace
from random import Random

import pytest

from trilemma.check.history import Operation, Outcome
from trilemma.sim.campaign import judge, run_seed
from trilemma.sim.client import Numbers
from trilemma.sim.faults.operators import OperatorFaults
from trilemma.sim.generators import make_generator
from trilemma.sim.judge import judge_workload
from trilemma.sim.judged import Judged
from trilemma.sim.options import MODES, Options, draw, with_replicas
from trilemma.sim.passing import PassingKeyspaces
from trilemma.sim.run import Schedule, run_schedule
from trilemma.sim.sessions import as_executed

NODES = frozenset({"n1", "n2", "n3"})
HOLDERS = frozenset({"n1", "n2"})


def few(seed: int, mode: str, replicas: int) -> Options:
    return with_replicas(replace(draw(seed, mode), nodes=3, replicas=0), replicas)


def test_one_seed_in_eight_has_fewer_replicas_than_nodes_and_leaves_nobody_out() -> None:
    drawn = [options for seed in range(800) if (options := draw(seed)).replicas]
    assert 70 < len(drawn) < 130
    assert {(each.replicas, each.nodes) for each in drawn} == {(1, 3), (2, 3), (1, 5), (2, 5), (3, 5)}
    assert {each.mode for each in drawn} == set(MODES)
    for options in drawn:
        assert options.left_out == ""
        assert options.keyspace == "few"
        assert options.settings[-2:] == ("REPLICAS", str(options.replicas))


def test_the_numbers_of_write_and_read_fit_the_replicas() -> None:
    orders = replace(few(1, "ap", 2), settings=("WRITE", "2", "READ", "2", "TIMEOUT", "1500"))
    assert with_replicas(orders, 1).settings == ("WRITE", "1", "READ", "1", "TIMEOUT", "1500", "REPLICAS", "1")
    assert with_replicas(replace(orders, nodes=5), 3).has_quorums
    assert not with_replicas(replace(orders, nodes=5, settings=("READ", "2")), 3).has_quorums
    assert with_replicas(replace(orders, nodes=5, settings=("READ", "2")), 2).has_quorums


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("mode", MODES)
def test_every_promise_is_kept_at_nodes_without_a_replica(mode: str, replicas: int) -> None:
    outcome = run_schedule(replace(few(3, mode, replicas), workloads=("registers", "counters")))
    assert judge(outcome) == "clean", [*outcome.broken, *outcome.failures]


def test_the_first_nodes_hold_the_replicas_and_clients_of_the_others_are_answered() -> None:
    schedule = Schedule(replace(few(3, "ap", 2), workloads=("counters",), clients=6), is_short=True)
    schedule.run()
    assert schedule._cluster.holders() == HOLDERS
    operations = schedule._seen.runs["counters"].history().operations
    assert {each.node for each in operations if each.outcome == "ok"} == NODES


def at(node: str, begin_us: int, kind: str, value: object, outcome: Outcome = "ok", process: int = 7) -> Operation:
    is_read = kind == "read"
    argument, result = (None, value) if is_read else (value, None)
    return Operation(process, begin_us, begin_us + 10, kind, b"few:k", argument, result, outcome, node)


def broken(operations: list[Operation], final: object, holders: frozenset[str] = HOLDERS) -> list[str]:
    finals = [at(node, 900, "read", final, process=80 + int(node[1:])) for node in sorted(NODES)]
    part = Judged("registers", operations, finals, nodes=NODES, holders=holders)
    return [each.checker for each in judge_workload(part, "ap", None) if each.is_invalid]


def test_a_session_may_go_back_in_time_where_its_node_has_no_replica_and_only_there() -> None:
    def session(node: str) -> list[Operation]:
        return [at(node, 0, "write", b"1"), at(node, 20, "read", b"1"), at(node, 40, "read", None)]

    assert broken(session("n3"), b"1") == []
    assert broken(session("n1"), b"1") == ["causal convergence"]
    assert broken(session("n3"), b"1", NODES) == ["causal convergence"]


def test_where_one_node_alone_executes_no_session_goes_back_in_time() -> None:
    elsewhere = [at("n3", 0, "write", b"1"), at("n2", 20, "read", None, process=8)]
    assert broken(elsewhere, b"1") == []
    assert broken(elsewhere, b"1", frozenset({"n1"})) == ["causal convergence"]


def test_what_a_node_without_a_replica_acknowledged_is_lost_to_nobody() -> None:
    written = [at("n3", 0, "write", b"1")]
    assert broken(written, b"1") == []
    assert broken(written, None) == ["lost acknowledged writes"]
    assert broken([at("n3", 0, "write", b"1", "fail")], None) == []


def test_parts_of_a_transaction_are_looked_for_key_by_key() -> None:
    both = (b"few:{m}0", b"few:{m}1")
    write = Operation(7, 0, 10, "multi_write", b"few:{m}", tuple((key, b"1") for key in both), None, "ok", "n3")
    read = Operation(8, 900, 910, "multi_read", b"few:{m}", both, (b"1", None), "ok", "n3")
    part = Judged("groups", [write], [read], nodes=NODES, holders=HOLDERS)
    assert "lost acknowledged writes" in [each.checker for each in judge_workload(part, "ap", None) if each.is_invalid]


def test_at_rest_nodes_without_a_replica_show_the_same_as_the_others() -> None:
    finals = [at("n1", 900, "read", b"1", process=8), at("n3", 900, "read", b"2", process=9)]
    written = [at("n1", 0, "write", b"1", process=5), at("n2", 0, "write", b"2", process=6)]
    part = Judged("registers", written, finals, nodes=NODES, holders=HOLDERS)
    assert "equal final reads" in [each.checker for each in judge_workload(part, "ap", None) if each.is_invalid]


def test_a_history_is_as_it_was_where_every_node_has_a_replica() -> None:
    operations = [at("n1", 0, "write", b"1"), at("n3", 5, "read", None)]
    assert as_executed(operations, NODES, NODES) == operations
    assert as_executed(operations, NODES, HOLDERS)[0] == operations[0]
    assert as_executed(operations, NODES, HOLDERS)[1].process != operations[1].process


def test_clocks_are_wrong_at_a_minority_of_the_replicas_and_wherever_there_is_none() -> None:
    def names(options: Options) -> list[str]:
        schedule = Schedule(options)
        return [each.name for each in OperatorFaults(schedule._nemesis._harm)._with_clocks_that_may_be_wrong()]

    assert names(few(3, "ap", 2)) == ["n3"]
    assert names(with_replicas(replace(few(3, "ap", 2), nodes=5), 3)) == ["n1", "n4", "n5"]
    assert names(replace(few(3, "ap", 2), replicas=0)) == names(few(3, "ap", 1)) == ["n1"]


def test_a_write_that_is_sent_to_two_executors_is_seen_to_count_twice() -> None:
    assert run_seed(24, "ap", 0, "H15").verdict == "broken"
    assert run_seed(24, "ap", 0).verdict == "clean"


def test_keyspaces_that_are_founded_have_as_many_replicas() -> None:
    def create(options: Options) -> tuple[bytes, ...]:
        return make_generator("founding", Random(1), b"", options).next(1).commands[0][5:]

    assert create(few(4, "ca", 2)) == (b"REPLICAS", b"2")
    assert create(replace(few(4, "ca", 2), replicas=0)) == ()


def test_passing_keyspaces_have_as_many_unless_their_client_could_go_back_in_time() -> None:
    def settings(mode: str, node: int, replicas: int) -> tuple[bytes, ...]:
        cluster = Schedule(replace(few(3, mode, replicas), seed=node - 1))._cluster
        return PassingKeyspaces(cluster, Numbers()).client.generator.next(1).commands[0][5:]

    assert settings("cp", 3, 2) == settings("ap", 2, 2) == (b"REPLICAS", b"2")
    assert settings("ap", 3, 1) == (b"REPLICAS", b"1")
    assert settings("ap", 3, 2) == ()
