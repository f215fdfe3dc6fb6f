"""How stale reads were: in versions, and in time, judged with the order of real time.

Operations: `write` (argument: a value unique for its key), `read` (result). A write is newer than another if it began
after the other had surely taken effect: after it was over, or after the first read that showed it was. A read is stale
by k versions if k writes that are newer than the one it shows were over before it began, and by the time since the
first of these was over. So a read that overlaps a newer write is fresh, and one that shows a write in doubt which
nobody else saw is too: where nothing is certain, the store gets the benefit.

*k-staleness*: the share of reads that show one of the last k versions, those stale by less than k. *t-visibility*: the
share of reads that miss nothing that was over t before: those not stale, or stale by less than t.
Source: Bailis et al., "Probabilistically bounded staleness for practical partial quorums", VLDB 5(8), 2012, sections 2
and 3, as measured; Golab et al., "Analyzing consistency properties for fun and profit", PODC 2011. Twin: the definition
read by read, in the tests.
Cost: O(n log n).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Sequence
from typing import Final, NamedTuple

from trilemma.check.figures import percentile
from trilemma.check.history import END_OF_TIME_US, History, Operation
from trilemma.check.report.words import duration
from trilemma.check.verdict import Verdict, invalid, unknown, valid

CHECKER: Final = "staleness"

SHARES: Final = ((0.5, "median"), (0.99, "p99"), (1.0, "worst"))
"""The percentiles that are told."""

K_VERSIONS: Final = (1, 2, 3, 5)
"""For which k the share of reads within the last k versions is told."""

T_US: Final = (1_000, 10_000, 100_000, 1_000_000)
"""For which t the share of reads that saw all that was older is told."""

_BEFORE_TIME_US: Final = -1


class Staleness(NamedTuple):
    """How stale one read was; nought of both if it was fresh."""

    read: Operation
    versions: int
    age_us: int


def measure(operations: Iterable[Operation], initial: Hashable = None) -> list[Staleness]:
    """Return how stale each read was, in no particular order.

    Args:
        initial: what each key holds before its first write.

    Raises:
        ValueError: a value was written twice to a key, or read although nobody wrote it, or a kind is foreign.
    """
    measured: list[Staleness] = []
    for group in History(operations).by_key().values():
        measured += _measure_key(group, initial)
    return measured


def _measure_key(operations: list[Operation], initial: Hashable) -> list[Staleness]:
    writes: list[Operation] = []
    effect_us: dict[Hashable, int] = {initial: _BEFORE_TIME_US}
    for each in operations:
        if each.kind == "write" and each.outcome != "fail":
            if each.argument in effect_us:
                raise ValueError(f"the value {each.argument!r} was written twice to {each.key!r}")
            effect_us[each.argument] = each.end_us
            writes.append(each)
        elif each.kind not in ("read", "write"):
            raise ValueError(f"an operation is neither read nor write: {each.describe()}")
    reads = [each for each in operations if each.kind == "read" and each.outcome == "ok"]
    for read in reads:
        if read.result not in effect_us:
            raise ValueError(f"{read.result!r} was read from {read.key!r}, but nobody wrote it")
        effect_us[read.result] = min(effect_us[read.result], read.end_us)
    done = sorted((each for each in writes if each.outcome == "ok"), key=lambda each: each.invoke_us)
    return _count(done, [(effect_us[read.result], read) for read in reads])


def _count(writes: Sequence[Operation], reads: list[tuple[int, Operation]]) -> list[Staleness]:
    """Count for each read the writes that began after a time and were over before it began.

    Reads are taken from the latest such time to the earliest, so that writes only come in; a tree of counts by the rank
    of their ends (Fenwick) says how many of these ended before a time.
    """
    ends = sorted(each.end_us for each in writes)
    counts = [0] * (len(ends) + 1)
    first_end_us = END_OF_TIME_US
    remaining = len(writes)
    measured = []
    for shown_us, read in sorted(reads, key=lambda each: each[0], reverse=True):
        while remaining and writes[remaining - 1].invoke_us > shown_us:
            remaining -= 1
            end_us = writes[remaining].end_us
            first_end_us = min(first_end_us, end_us)
            place = bisect_right(ends, end_us)
            while place < len(counts):
                counts[place] += 1
                place += place & -place
        place = bisect_left(ends, read.invoke_us)
        versions = 0
        while place:
            versions += counts[place]
            place -= place & -place
        measured.append(Staleness(read, versions, read.invoke_us - first_end_us if versions else 0))
    return measured


def check_staleness(
    operations: Iterable[Operation],
    versions_max: int | None = None,
    age_us_max: int | None = None,
    initial: Hashable = None,
) -> Verdict:
    """Judge whether no read was staler than was promised.

    Args:
        versions_max: by how many versions a read may be stale; None for any number.
        age_us_max: how long ago the first write that a read missed may have been over; None for any time.

    Returns:
        `unknown` where nothing was read, or values cannot be traced.
    """
    try:
        measured = measure(operations, initial)
    except ValueError as refusal:
        return unknown(CHECKER, str(refusal))
    if not measured:
        return unknown(CHECKER, "nothing was read")
    over = [
        each
        for each in measured
        if (versions_max is not None and each.versions > versions_max)
        or (age_us_max is not None and each.age_us > age_us_max)
    ]
    if over:
        worst = max(over, key=lambda each: (each.versions, each.age_us))
        reason = f"{len(over)} reads were too stale, the worst by {worst.versions} versions and {worst.age_us} us"
        return invalid(CHECKER, reason, [worst.read])
    return valid(CHECKER, "; ".join(f"{name}: {figure}" for name, figure in describe(measured).items()))


def describe(measured: Sequence[Staleness]) -> dict[str, str]:
    """Return figures for people, as `Subject.staleness` takes them; nothing where nothing was read."""
    if not measured:
        return {}
    stale = sum(each.versions > 0 for each in measured)
    versions = sorted(each.versions for each in measured)
    ages_us = sorted(each.age_us for each in measured)
    within = ", ".join(f"{share:.1%} (k={k})" for k, share in k_stalenesses(measured).items())
    visible = ", ".join(f"{share:.1%} ({duration(t_us)})" for t_us, share in t_visibilities(measured).items())
    return {
        "stale reads": f"{stale} of {len(measured)} ({_percent(stale, len(measured))})",
        "versions behind": ", ".join(f"{percentile(versions, share)} ({name})" for share, name in SHARES),
        "ms behind": ", ".join(f"{percentile(ages_us, share) / 1_000:.1f} ({name})" for share, name in SHARES),
        "k-staleness": f"saw one of the last k: {within}",
        "t-visibility": f"saw all older than t: {visible}",
    }


def t_visibility(measured: Sequence[Staleness], t_us: int) -> float:
    """Return the share of reads that missed nothing that had been over for `t_us` (1.0 where there were none)."""
    if not measured:
        return 1.0
    return sum(not each.versions or each.age_us < t_us for each in measured) / len(measured)


def k_staleness(measured: Sequence[Staleness], k: int) -> float:
    """Return the share of reads that showed one of the last `k` versions (1.0 where there were none)."""
    return sum(each.versions < k for each in measured) / len(measured) if measured else 1.0


def t_visibilities(measured: Sequence[Staleness]) -> dict[int, float]:
    """Return the t-visibility for each t that is told, in microseconds; nothing where nothing was read."""
    return {t_us: t_visibility(measured, t_us) for t_us in T_US} if measured else {}


def k_stalenesses(measured: Sequence[Staleness]) -> dict[int, float]:
    """Return the k-staleness for each k that is told; nothing where nothing was read."""
    return {k: k_staleness(measured, k) for k in K_VERSIONS} if measured else {}


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%"
