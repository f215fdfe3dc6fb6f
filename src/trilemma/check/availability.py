"""Availability: the share of requests that were answered, per group (a node, a keyspace, a side of a cut).

Answered means outcome `ok`: a refusal or a lost answer is none, an ordinary error reply (a wrong type) is one. What an
answer was worth, how soon it came and how stale it was, stands beside the share in `SideShare`.
Source: PROMISES §1, the letter A; Gilbert and Lynch, SIGACT News 33(2), 2002: every request to a live node.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from trilemma.check.fault import Fault
from trilemma.check.figures import percentile
from trilemma.check.history import END_OF_TIME_US, Operation
from trilemma.check.report.data import SideShare
from trilemma.check.sides import Side, by_side
from trilemma.check.staleness import Staleness
from trilemma.check.verdict import Verdict, invalid, unknown, valid

CHECKER: Final = "availability"

WITNESS_MAX: Final = 5
"""Unanswered requests that a verdict shows."""


class Share(NamedTuple):
    """How the requests of one group ended."""

    answered: int
    refused: int
    unknown: int

    @property
    def total(self) -> int:
        """All requests."""
        return self.answered + self.refused + self.unknown

    @property
    def ratio(self) -> float:
        """Answered requests by all requests (1.0 where there were none)."""
        return self.answered / self.total if self.total else 1.0


class Outage(NamedTuple):
    """A time in which a node was down, paused or starting: requests that touch it need no answer."""

    node: str
    from_us: int
    until_us: int = END_OF_TIME_US


def shares(operations: Iterable[Operation], group: Callable[[Operation], Hashable]) -> dict[Any, Share]:
    """Return how the requests ended, per group, in order of first appearance."""
    counts: dict[Any, list[int]] = {}
    for operation in operations:
        count = counts.setdefault(group(operation), [0, 0, 0])
        count[("ok", "fail", "info").index(operation.outcome)] += 1
    return {name: Share(*count) for name, count in counts.items()}


def while_live(operations: Iterable[Operation], outages: Iterable[Outage]) -> list[Operation]:
    """Return the requests whose node was live from their invocation to their end."""
    by_node: dict[str, list[Outage]] = {}
    for outage in outages:
        by_node.setdefault(outage.node, []).append(outage)
    return [each for each in operations if not any(_touches(each, outage) for outage in by_node.get(each.node, ()))]


def _touches(operation: Operation, outage: Outage) -> bool:
    end_us = END_OF_TIME_US if operation.complete_us is None else operation.complete_us
    return operation.invoke_us <= outage.until_us and outage.from_us <= end_us


def check_availability(
    operations: Iterable[Operation], outages: Iterable[Outage] = (), latency_us_max: int | None = None
) -> Verdict:
    """Judge whether every request to a live node was answered, and soon enough.

    Args:
        outages: times in which nodes were not live.
        latency_us_max: the longest that an answer may take; None for no bound.
    """
    requests = while_live(operations, outages)
    if not requests:
        return unknown(CHECKER, "no request was made to a live node")
    refused = [each for each in requests if each.outcome != "ok"]
    if refused:
        reason = f"{len(refused)} of {len(requests)} requests to live nodes were not answered"
        return invalid(CHECKER, reason, refused[:WITNESS_MAX])
    if latency_us_max is not None:
        late = [each for each in requests if each.end_us - each.invoke_us > latency_us_max]
        if late:
            return invalid(CHECKER, f"{len(late)} answers took longer than {latency_us_max} us", late[:WITNESS_MAX])
    return valid(CHECKER, f"{len(requests)} requests, all answered")


WHOLE: Final = "whole"
"""The stretch that is the whole run."""


def side_shares(
    operations: Sequence[Operation], faults: Iterable[Fault] = (), measured: Sequence[Staleness] = ()
) -> list[SideShare]:
    """Return how requests fared over the whole run, and during each fault on each of its sides, as `by_side` has them.

    Args:
        operations: those that name the node that they were sent to; others count for the whole run only.
        measured: how stale those of them were that are reads which tell it.

    Returns:
        The whole run first, then stretches in order of their beginning; a side to which nothing was sent has no row.
    """
    if not operations:
        return []
    nodes = tuple(sorted({each.node for each in operations if each.node}))
    known = list(faults)
    reads = by_side(measured, lambda each: each.read, nodes, known)
    rows = [_side_share(Side(WHOLE, nodes), operations, measured)]
    for side, sent in by_side(operations, lambda each: each, nodes, known).items():
        rows.append(_side_share(side, sent, reads.get(side, ())))
    return rows


def _side_share(side: Side, operations: Sequence[Operation], measured: Sequence[Staleness]) -> SideShare:
    share = shares(operations, lambda _: None)[None]
    latencies_us = sorted(each.end_us - each.invoke_us for each in operations if each.outcome == "ok")
    return SideShare(
        side.stretch,
        " ".join(side.nodes),
        share.answered,
        share.refused,
        share.unknown,
        percentile(latencies_us, 0.5),
        percentile(latencies_us, 0.99),
        percentile(latencies_us, 1.0),
        len(measured),
        sum(each.versions > 0 for each in measured),
        max((each.versions for each in measured), default=0),
        max((each.age_us for each in measured), default=0),
    )
