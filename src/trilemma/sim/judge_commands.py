"""Judging all commands on strings and keys on `ap`: an owner's by one order, those on shared keys by what is left."""

from trilemma.check.convergence import check_equal_reads
from trilemma.check.owned import check_owned
from trilemma.check.redis_model import REDIS_WITH_EXACT_SUMS
from trilemma.check.refusal import check_refusals
from trilemma.check.shared import check_moved, check_taken
from trilemma.check.verdict import Verdict
from trilemma.sim.judged import Judged


def judge_owned(part: Judged) -> list[Verdict]:
    """Judge the groups of those owners whose node executes itself, or has one executor alone.

    Of any other the operations are executed by several replicas, each of which shows what it has seen.
    """
    everything = [*part.operations, *part.finals]
    at = part.nodes if len(part.holders) == 1 else part.holders
    groups = {each.key for each in part.operations if each.node in at}
    in_order = [each for each in everything if each.key in groups]
    return [
        check_refusals(everything),
        check_equal_reads(part.finals),
        check_owned(in_order, REDIS_WITH_EXACT_SUMS, part.holders),
    ]


def judge_shared(part: Judged) -> list[Verdict]:
    """Judge keys that are taken, and values that are moved; sums are for the judge of counters."""
    return [
        check_refusals([*part.operations, *part.finals]),
        check_equal_reads(part.finals),
        check_taken(part.executed(part.operations), part.finals, part.holders),
        check_moved(part.operations, part.finals),
    ]


def sums_of(part: Judged) -> Judged:
    """Return the part of a history of shared keys that is about sums."""
    return part._replace(
        operations=[each for each in part.operations if each.kind in ("add", "read")],
        finals=[each for each in part.finals if each.kind == "read"],
    )
