"""Judging a schedule: what each workload's history must satisfy under its keyspace's promise (PROMISES §2, §4, §5).

Only what clients saw is judged, and the digests; what nodes found broken in themselves is reported beside it.
"""

from collections.abc import Callable, Sequence

from trilemma.check import model
from trilemma.check.availability import Outage, check_availability
from trilemma.check.bank import check_bank
from trilemma.check.causal import check_causal
from trilemma.check.connection import walk
from trilemma.check.convergence import check_equal_reads
from trilemma.check.counter import check_counter, check_final_sums, check_quorum_reads
from trilemma.check.expiry import check_expiry
from trilemma.check.history import Operation
from trilemma.check.inquiry import check_conflicts, check_counts, check_digests, check_tokens
from trilemma.check.linearizable import check_linearizable
from trilemma.check.lost import CHECKER as LOST_CHECKER
from trilemma.check.lost import check_lost_elements, check_lost_keys, check_lost_writes, check_returned_keys
from trilemma.check.once import check_once
from trilemma.check.pipeline import (
    check_early_reads,
    check_pipelined_appends,
    check_pipelined_counters,
    check_pipelined_registers,
)
from trilemma.check.receipt import check_receipts, plainly
from trilemma.check.redis_model import REDIS
from trilemma.check.refusal import check_refusals
from trilemma.check.register import check_register
from trilemma.check.stale import STALE, check_stale
from trilemma.check.verdict import Verdict, valid
from trilemma.sim.judge_commands import judge_owned, judge_shared, sums_of
from trilemma.sim.judged import Judged
from trilemma.workload.bank import Bank

SEARCH_STEPS_MAX = 100_000
"""Steps of the model per key: a search that needs more is given up, and counted as unknown."""

EXPIRY_ERROR_US = 1_200_000
"""By how much deadlines may be judged wrongly in a run with drift, fail-over and slewed clocks."""


Judge = Callable[[Judged], list[Verdict]]


def _fresh(part: Judged) -> list[Operation]:
    return [each for each in (*part.operations, *part.finals) if not each.kind.startswith(STALE)]


def _registers(part: Judged) -> list[Verdict]:
    operations = _fresh(part)
    return [
        check_register(operations),
        check_lost_writes(part.operations, part.finals),
        check_stale(part.operations),
        check_pipelined_registers(operations),
        check_early_reads(operations),
    ]


def _foundings(part: Judged) -> list[Verdict]:
    operations = [each for each in _fresh(part) if each.kind != "create"]
    return [check_register(operations), check_lost_writes(operations, part.finals)]


def _counters(part: Judged) -> list[Verdict]:
    operations = _fresh(part)
    return [
        check_counter(operations),
        check_final_sums(operations, part.finals),
        check_linearizable(operations, model.COUNTER, SEARCH_STEPS_MAX),  # two equal replies may lie within bounds
        check_pipelined_counters(operations),
    ]


def _appends(part: Judged) -> list[Verdict]:
    return [
        check_linearizable(_fresh(part), model.APPEND, SEARCH_STEPS_MAX),
        check_lost_elements(part.operations, part.finals),
        check_pipelined_appends(_fresh(part)),
    ]


def _strings(part: Judged) -> list[Verdict]:
    return [check_linearizable(_fresh(part), REDIS, SEARCH_STEPS_MAX)]


def _looks(part: Judged) -> list[Verdict]:
    """Judge commands that only look, too: of a refusal that blames the command the model knows nothing."""
    return [check_refusals([*part.operations, *part.finals]), *_strings(part)]


def _groups(part: Judged) -> list[Verdict]:
    return [check_linearizable(_fresh(part), model.MULTI_REGISTER, SEARCH_STEPS_MAX)]


def _in_every_database(operations: Sequence[Operation]) -> list[Operation]:
    """Return a history with each FLUSHALL said of every database: it flushed them all, or none."""
    databases = {each.key for each in operations}
    spread: list[Operation] = []
    for each in operations:
        if each.kind == "flush_all":
            spread.extend(each._replace(key=database, kind="flush") for database in sorted(databases))
        else:
            spread.append(each)
    return spread


def _databases(part: Judged) -> list[Verdict]:
    return [check_linearizable(_in_every_database(_fresh(part)), model.KEY_SET, SEARCH_STEPS_MAX)]


def _expiry(part: Judged) -> list[Verdict]:
    return [check_expiry(_fresh(part), EXPIRY_ERROR_US + part.leap_us)]


def _once(part: Judged) -> list[Verdict]:
    return check_once(part.operations, part.finals)


def _sent_at_once(part: Judged, judge: Judge) -> list[Verdict]:
    """Judge what connections were told of themselves, and by `judge` what they did to registers.

    Only with a replica at its node, or with one alone, does a connection's node know of its own writes at once.
    """
    one_place = part.nodes if len(part.holders) == 1 else part.holders
    elsewhere = part.nodes - one_place if part.is_leaderless else frozenset[str]()
    run, finals = walk(part.operations, elsewhere), walk(part.finals)
    return [run.verdict, finals.verdict, *judge(part._replace(operations=run.operations, finals=finals.operations))]


def _with_receipts(part: Judged, judge: Judge) -> list[Verdict]:
    """Judge receipts, and by `judge` the replies that they stand beside."""
    return [
        check_refusals([*part.operations, *part.finals]),
        check_receipts(part.operations, part.terms),
        check_digests([*part.operations, *part.finals], part.digests, part.terms),
        check_conflicts(part.operations, part.terms),
        check_counts(part.operations, part.terms),
        check_tokens(part.operations, part.terms),
        *judge(part._replace(operations=plainly(part.operations), finals=plainly(part.finals))),
    ]


ORDERED: dict[str, Judge] = {
    "registers": _registers,
    "counters": _counters,
    "appends": _appends,
    "strings": _strings,
    "groups": _groups,
    "expiry": _expiry,
    "founding": _foundings,
    "databases": _databases,
    "once": _once,
    "looks": _looks,
    "connections": lambda part: _sent_at_once(part, _registers),
    "receipts": lambda part: _with_receipts(part, _registers),
}
"""For `cp` and `ca`: one order of everything."""


def _causal(part: Judged) -> list[Verdict]:
    verdicts = [check_causal(part.executed([*part.operations, *part.finals]))]
    if not part.has_all_replicas:
        # What a node without a replica acknowledged is in nobody's past, so the order does not tell that it was lost.
        verdicts += [_not_lost(_single(part.operations), _single(part.finals)), check_equal_reads(part.finals)]
        # What one connection has sent at once keeps its order all the same.
        verdicts.append(check_early_reads(part.operations))
    return verdicts


def _single(operations: Sequence[Operation]) -> list[Operation]:
    """Return a history with what was written to, or read from, several keys at once said of each key."""
    single: list[Operation] = []
    for each in operations:
        if each.kind == "multi_write":
            single += [each._replace(kind="write", key=key, argument=value) for key, value in each.argument]
        elif each.kind == "multi_read" and each.outcome == "ok":
            pairs = zip(each.argument, each.result, strict=True)
            single += [each._replace(kind="read", key=key, argument=None, result=value) for key, value in pairs]
        else:
            single.append(each)
    return single


def _not_lost(operations: Sequence[Operation], finals: Sequence[Operation]) -> Verdict:
    """Judge that no key ends as absent that was written: of concurrent writes any may win, but one does."""
    hidden = [each for each in finals if each.result is None]
    if not hidden:
        return valid(LOST_CHECKER)
    keys = {each.key for each in hidden}
    return check_lost_writes([each for each in operations if each.key in keys], hidden)


def _lagging_foundings(part: Judged) -> list[Verdict]:
    """Of concurrent writes any may win, but whatever was written is not hidden by a keyspace that is made later."""
    operations = [each for each in part.operations if each.kind != "create"]
    return [_not_lost(operations, part.finals), check_equal_reads(part.finals)]


def _lagging_counters(part: Judged) -> list[Verdict]:
    executed = part.executed(part.operations)
    verdicts = [check_counter(executed, replicas_lag=True), check_final_sums(part.operations, part.finals)]
    if part.has_quorums:
        verdicts.append(check_quorum_reads(part.operations))
    return verdicts


def _lagging_expiry(part: Judged) -> list[Verdict]:
    return [check_expiry(part.executed(part.operations), EXPIRY_ERROR_US + part.apart_us, replicas_lag=True)]


def _equal(part: Judged) -> list[Verdict]:
    return [check_equal_reads(part.finals)]


def _equal_databases(part: Judged) -> list[Verdict]:
    operations = _in_every_database(part.executed(part.operations))
    return [
        check_equal_reads(part.finals),
        check_lost_keys(operations, part.finals),
        check_returned_keys(operations, part.finals),
    ]


LEADERLESS: dict[str, Judge] = {
    "registers": _causal,
    "counters": _lagging_counters,
    "groups": _causal,
    "expiry": _lagging_expiry,
    "founding": _lagging_foundings,
    "mixed": _equal,
    "databases": _equal_databases,
    "connections": lambda part: _sent_at_once(part, _causal),
    "receipts": lambda part: _with_receipts(part, _causal),
    "owned": judge_owned,
    "shared": lambda part: [*judge_shared(part), *_lagging_counters(sums_of(part))],
}
"""For `ap`: causal order, nothing lost, convergence."""


def judge_workload(part: Judged, mode: str, bank: Bank | None) -> list[Verdict]:
    """Return the verdicts on one workload."""
    if part.workload == "bank" and bank is not None:
        operations = _fresh(part)
        return [
            check_bank(operations, bank.accounts, bank.total),
            check_linearizable(operations, REDIS, SEARCH_STEPS_MAX),
        ]
    return (LEADERLESS if mode == "ap" else ORDERED)[part.workload](part)


def judge_availability(operations: Sequence[Operation], outages: Sequence[Outage]) -> Verdict:
    """Judge that `ap` answered every request to a live node."""
    return check_availability(operations, outages)
