"""Liveness: once all is healed, every request ends and every keyspace serves again, within stated bounds.

Source: TigerBeetle `src/vopr.zig` (safety phase, then liveness phase); PROMISES §2 (no request waits for ever).
"""

from collections.abc import Iterable
from typing import Final

from trilemma.check.availability import WITNESS_MAX
from trilemma.check.history import END_OF_TIME_US, Operation
from trilemma.check.verdict import Verdict, invalid, unknown, valid

CHECKER: Final = "liveness"


def check_recovery(probes: Iterable[Operation], expected: Iterable[tuple[str, str]], served_by_us: int) -> Verdict:
    """Judge whether a probe write succeeded at each expected place in time.

    Args:
        probes: writes that were tried, over and over, from the heal on.
        expected: the places, as (keyspace, node).
        served_by_us: when the first success must be complete at the latest.
    """
    places = sorted(set(expected))
    if not places:
        return unknown(CHECKER, "no place was expected to serve")
    tried: dict[tuple[str, str], list[Operation]] = {place: [] for place in places}
    for probe in probes:
        tried.setdefault((probe.keyspace, probe.node), []).append(probe)
    for place in places:
        if not any(probe.outcome == "ok" and probe.end_us <= served_by_us for probe in tried[place]):
            reason = f"keyspace {place[0]!r} did not serve at {place[1]!r} by {served_by_us} us"
            return invalid(CHECKER, reason, tried[place][-WITNESS_MAX:])
    return valid(CHECKER, f"{len(places)} places serve")


def check_waits(operations: Iterable[Operation], wait_us_max: int, until_us: int = END_OF_TIME_US) -> Verdict:
    """Judge whether no request waited longer than the bound, answered or not.

    Args:
        operations: a client that is cut off from its node must be left out.
        until_us: when the history ends; what is still open then has waited until then.
    """
    late = []
    for operation in operations:
        end_us = until_us if operation.complete_us is None else operation.complete_us
        if end_us - operation.invoke_us > wait_us_max:
            late.append(operation)
    if late:
        return invalid(CHECKER, f"{len(late)} requests waited longer than {wait_us_max} us", late[:WITNESS_MAX])
    return valid(CHECKER)
