"""The verdict on a run: promises count, the rest is said, and a run that shows nothing is unknown."""

from random import Random

from trilemma.check.hierarchy import stand
from trilemma.check.history import Operation
from trilemma.check.report.data import Report, Subject
from trilemma.check.verdict import Validity, Verdict, invalid, unknown, valid
from trilemma.target.judge import find_unjudged, find_vacuity, judge
from trilemma.target.load import Lane
from trilemma.target.measure import as_writes
from trilemma.target.port import Keyspace, Promise
from trilemma.target.standing import breaks, by_model, by_promise
from trilemma.target.trilemma import PROMISES
from trilemma.workload.bank import Bank
from trilemma.workload.register import Registers
from trilemma.workload.reply import judge_transaction
from trilemma.workload.step import Step


def lane(operations: list[Operation], *promises: Promise) -> Lane:
    made = Lane(Keyspace("k", b"", "", promises), Registers(Random(0), b""))
    for each in operations:
        number = made.recorder.invoke(each)
        made.recorder.complete(number, each.end_us, each.outcome, each.result)
    return made


def write(value: bytes, begin: int, process: int = 1, node: str = "n1") -> Operation:
    return Operation(process, begin, begin + 1, "write", b"r0", value, b"OK", node=node)


def read(value: bytes | None, begin: int, process: int = 2, node: str = "n2") -> Operation:
    return Operation(process, begin, begin + 1, "read", b"r0", None, value, node=node)


STALE = [write(b"1", 0), write(b"2", 10), read(b"1", 20)]


def validity(verdicts: list[Verdict]) -> Validity:
    return Subject("k", "", "register", (), verdicts).validity


def test_a_stale_read_breaks_linearizability_where_that_is_promised() -> None:
    verdicts, _ = judge(lane(STALE, "linearizable"), "registers", (), {})
    assert validity(verdicts) is Validity.INVALID


def add(amount: int, total: int, begin: int, end: int, process: int = 1) -> Operation:
    return Operation(process, begin, end, "add", b"c0", amount, total, node="n1")


def test_two_increments_that_were_told_the_same_sum_break_linearizability_though_it_lies_within_bounds() -> None:
    total = Operation(3, 20, 25, "read", b"c0", None, 2, node="n2")
    twice = lane([add(1, 1, 0, 10), add(1, 1, 2, 12, process=2), total], "linearizable")
    verdicts, _ = judge(twice, "counters", (), {})
    assert [each.validity for each in verdicts] == [Validity.VALID, Validity.INVALID]
    once = lane([add(1, 1, 0, 10), add(1, 2, 2, 12, process=2), total], "linearizable")
    assert validity(judge(once, "counters", (), {})[0]) is Validity.VALID


def append(token: bytes, length: int, begin: int, process: int) -> Operation:
    return Operation(process, begin, begin + 5, "append", b"a0", token, length, node="n1")


def cas(expected: bytes, new: bytes, begin: int, process: int) -> Operation:
    return Operation(process, begin, begin + 5, "cas", b"r0", (expected, new), True, node="n1")


def test_a_reply_that_two_clients_cannot_both_have_had_breaks_linearizability_of_every_workload() -> None:
    move = (b"MGET", b"{bank}0", b"{bank}1")
    halves = (b"SET", b"{bank}0", b"90"), (b"SET", b"{bank}1", b"110")
    moved = (move, *halves), ((b"100", b"100"), b"OK", b"OK")
    opening = Bank(Random(0), b"").opening(1).commands[0]
    planted = {
        "registers": STALE,
        "cas": [write(b"1", 0), cas(b"1", b"2", 10, 1), cas(b"1", b"3", 11, 2)],
        "counters": [add(1, 1, 0, 10), add(1, 1, 2, 12, process=2)],
        "appends": [append(b"1;", 2, 0, 1), append(b"2;", 2, 1, 2)],
        "bank": [
            Operation(1, 0, 1, "command", b"{bank}", opening, b"OK"),
            Operation(1, 10, 15, "transaction", b"{bank}", *moved),
            Operation(2, 11, 16, "transaction", b"{bank}", *moved),
        ],
    }
    for workload, operations in planted.items():
        made = lane(operations, "linearizable")
        if workload == "bank":
            made.generator = Bank(Random(0), b"")
        verdicts, _ = judge(made, workload, (), {})
        assert validity(verdicts) is Validity.INVALID, (workload, verdicts)


def test_transactions_that_came_apart_make_nothing_invalid_for_they_were_none() -> None:
    step = Step(1, ((b"MULTI",), (b"SET", b"r0", b"2"), (b"EXEC",)), "cas", b"r0", (b"1", b"2"))
    told = judge_transaction(step, ["NOPERM no multi", b"OK", "ERR EXEC without MULTI"])
    apart = cas(b"1", b"2", 10, 1)._replace(outcome=told.outcome, result=told.result)
    unwatched = [write(b"1", 0), write(b"3", 5), apart, read(b"2", 20)]
    (verdict,) = judge(lane(unwatched, "linearizable"), "cas", (), {})[0]
    assert verdict.validity is Validity.UNKNOWN
    assert "NOPERM no multi" in verdict.reason
    (verdict,) = judge(lane([*unwatched[:2], read(b"1", 20)], "linearizable"), "cas", (), {})[0]
    assert verdict.is_invalid


def test_what_is_promised_and_what_was_only_seen_go_by_different_names() -> None:
    verdicts, observed = judge(lane([add(1, 1, 0, 10)], "linearizable"), "counters", (), {})
    assert {each.checker for each in verdicts}.isdisjoint(each.checker for each in observed)


def test_a_promise_that_a_workload_cannot_show_is_told() -> None:
    def of(mode: str) -> Keyspace:
        return Keyspace("k", b"", mode, PROMISES[mode])

    assert find_unjudged(of("ap"), "appends") == ["causal", "nothing lost"]
    assert find_unjudged(of("cp"), "bank") == []  # what is linearizable to its end has lost nothing
    assert find_unjudged(of("ap"), "counters") == []


def test_a_stale_read_is_only_said_where_causal_order_is_promised() -> None:
    verdicts, observed = judge(lane(STALE, "causal"), "registers", (), {})
    assert validity(verdicts) is Validity.VALID
    assert any(each.is_invalid and "linearizable" in each.checker for each in observed)


def test_a_write_that_is_gone_at_the_end_breaks_the_promise_that_nothing_is_lost() -> None:
    made = lane([write(b"1", 0), write(b"2", 10)], "nothing lost")
    made.finals = [read(b"1", 90)]
    assert validity(judge(made, "registers", (), {})[0]) is Validity.INVALID
    made.finals = [read(b"2", 90)]
    assert validity(judge(made, "registers", (), {})[0]) is Validity.VALID


def test_replicas_that_differ_at_rest_do_not_converge() -> None:
    made = lane([write(b"1", 0)], "convergent")
    made.finals = [read(b"1", 90), read(b"1", 90, node="n3")]
    assert validity(judge(made, "registers", (), {"n1": "a", "n2": "a"})[0]) is Validity.VALID
    assert validity(judge(made, "registers", (), {"n1": "a", "n2": "b"})[0]) is Validity.INVALID
    made.replica_finals = [read(b"1", 90), read(None, 90, node="n3")]
    assert validity(judge(made, "registers", (), {})[0]) is Validity.INVALID


def test_a_refusal_breaks_availability_and_an_aborted_transaction_does_not() -> None:
    refused = read(None, 5)._replace(outcome="fail", result="CLUSTERDOWN no")
    assert validity(judge(lane([refused], "available"), "registers", (), {})[0]) is Validity.INVALID
    aborted = refused._replace(result=None)
    assert validity(judge(lane([aborted], "available"), "registers", (), {})[0]) is Validity.VALID


def test_runs_that_show_nothing_are_unknown() -> None:
    def is_vacuous(*operations: Operation, nemesis: str = "none", faults: int = 0) -> bool:
        return find_vacuity("registers", operations, nemesis, faults) is not None

    assert is_vacuous(write(b"1", 0))
    assert is_vacuous(read(None, 0))
    assert is_vacuous(write(b"1", 0), read(b"1", 5)._replace(outcome="info"))
    assert is_vacuous(write(b"1", 0), read(b"1", 5), nemesis="isolate")
    assert not is_vacuous(write(b"1", 0), read(b"1", 5), nemesis="isolate", faults=1)
    assert not is_vacuous(write(b"1", 0), read(b"1", 5))


def test_a_run_without_what_its_workload_is_about_is_unknown() -> None:
    generator = Bank(Random(0), b"")
    opening, audit = generator.opening(1).commands[0], (b"MGET", *generator.accounts)
    opened = Operation(1, 0, 1, "command", b"{bank}", opening, b"OK")
    audited = Operation(1, 2, 3, "command", b"{bank}", audit, (b"100",) * 4)
    moved = Operation(1, 4, 5, "transaction", b"{bank}", (audit, (b"SET", b"{bank}0", b"100")), ((b"100",) * 4, b"OK"))
    own = {"cas": cas(b"1", b"2", 10, 1), "counters": add(1, 1, 0, 1), "appends": append(b"1;", 2, 0, 1), "bank": moved}
    beside = {"bank": [opened, audited]}
    for workload, operation in own.items():
        others = beside.get(workload, [write(b"1", 0), read(b"1", 5)])
        lacking = find_vacuity(workload, others, "none", 0)
        assert lacking is not None
        assert "acknowledged" in lacking.reason
        assert find_vacuity(workload, [*others, operation._replace(outcome="fail")], "none", 0) is not None
        assert find_vacuity(workload, [*others, operation], "none", 0) is None
    unmatched = own["cas"]._replace(result=False)
    assert find_vacuity("cas", [write(b"1", 0), read(b"1", 5), unmatched], "none", 0) is not None


def test_an_unknown_is_never_a_pass() -> None:
    subject = Subject("k", "", "register", (), [valid("a"), unknown("b", "gave up")])
    assert Report("t", "t", "w", "n", [subject]).exit_status == 2


def test_a_compare_and_set_that_did_not_match_wrote_nothing() -> None:
    cas = Operation(1, 0, 1, "cas", b"k", (b"1", b"2"), True)
    assert [each.argument for each in as_writes([cas])] == [b"2"]
    assert as_writes([cas._replace(result=False)]) == []
    assert as_writes([cas._replace(result=None, outcome="info")])[0].outcome == "info"


def test_models_are_placed_by_what_was_checked_and_nothing_follows_from_an_unknown() -> None:
    assert place([valid("linearizable register"), valid("causal convergence")]) == (("linearizable",), ())
    broken = [invalid("linearizable register", "r"), valid("causal convergence"), valid("convergence")]
    assert place(broken) == (("causal convergence", "eventual convergence"), ("linearizable",))
    assert place([unknown("linearizable register", "r")]) == ((), ())


def place(verdicts: list[Verdict]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    standing = stand(by_promise(verdicts))
    return standing.satisfied, standing.broken


def test_registers_are_placed_among_sessions_causal_sequential_and_linearizable_models() -> None:
    def placed(*operations: Operation) -> tuple[tuple[str, ...], tuple[str, ...]]:
        standing = stand(by_model("registers", operations, [valid("convergence of reads")]))
        return standing.satisfied, standing.broken

    assert placed(*STALE) == (("sequential", "eventual convergence"), ("linearizable",))
    assert placed(*STALE[:2], read(b"2", 20)) == (("linearizable", "eventual convergence"), ())
    back = placed(*STALE[:2], read(b"2", 20), read(b"1", 30))
    assert back[1] == ("monotonic writes",)  # reads that go back show the other order of the one session's writes
    assert "eventual convergence" in back[0]
    assert by_model("counters", STALE, []) == {}


def test_a_broken_model_that_no_promise_speaks_of_is_told_with_its_witness() -> None:
    crossed = [
        Operation(1, 0, 1, "write", b"x", b"1"),
        Operation(1, 2, 3, "read", b"y", None, None),
        Operation(2, 0, 1, "write", b"y", b"2"),
        Operation(2, 2, 3, "read", b"x", None, None),
    ]
    told = [*judge(lane(crossed, "causal"), "registers", (), {})[1]]
    models = by_model("registers", crossed, told)
    assert stand(models).broken == ("sequential",)
    (verdict,) = breaks(models, told)
    assert (verdict.checker, verdict.is_invalid, bool(verdict.witness)) == ("sequential", True, True)
    assert breaks(models, [*told, verdict]) == []
