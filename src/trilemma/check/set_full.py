"""Sets that only grow, element by element: known, then stable, or lost; and how often and how long reads were stale.

Operations: `add` (argument: an element that is added once), `read` (result: the elements). An element is *known* from
the end of its add, or of the first read that showed it. It is *lost* if the last reads that began after that do not
show it (of reads that overlap it suffices that one shows it), *stable* if the last ones show it: since the beginning of
the first read after which all show it. Every read without it that began after it was known, and before it was stable,
was *stale*. What was never read after it was known, and what somebody tried to remove, is left out. A read that shows
an element twice shows no set, whatever becomes of the element.
Source: Jepsen `checker.clj` (set-full). Twin: the definition read by read, in the tests.
Cost: O(elements * reads).
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Final, NamedTuple

from trilemma.check.figures import percentile
from trilemma.check.history import END_OF_TIME_US, History, Operation
from trilemma.check.verdict import Verdict, combine, invalid, unknown, valid

CHECKER: Final = "set, element by element"


class Life(NamedTuple):
    """What became of one element. Times in microseconds."""

    element: Hashable
    known_us: int
    stable_us: int | None
    """Since when every read showed it; None if it was lost."""
    stale: tuple[Operation, ...]
    """Reads that did not show it although it was known, and that were put right later."""
    missed_by: tuple[Operation, ...]
    """If it was lost: its add, if that was acknowledged, and the last reads, which do not show it."""

    @property
    def is_lost(self) -> bool:
        """Whether the last reads do not show it."""
        return self.stable_us is None

    @property
    def delay_us(self) -> int:
        """How long it was known before it was stable; 0 if it was lost."""
        return 0 if self.stable_us is None else max(0, self.stable_us - self.known_us)


def lives(operations: Iterable[Operation]) -> list[Life]:
    """Return what became of each element of one set, in order of their adds."""
    history = sorted(operations, key=lambda each: each.invoke_us)
    reads = [(each, frozenset(each.result or ())) for each in history if each.kind == "read" and each.outcome == "ok"]
    removed = {each.argument for each in history if each.kind == "remove" and each.outcome != "fail"}
    found = []
    for add in history:
        if add.kind == "add" and add.outcome != "fail" and add.argument not in removed:
            life = _life(add, reads)
            if life is not None:
                found.append(life)
    return found


def _life(add: Operation, reads: list[tuple[Operation, frozenset[Hashable]]]) -> Life | None:
    showing = [read for read, shown in reads if add.argument in shown]
    known_us = min([add.end_us, *(read.end_us for read in showing)])
    missing = [read for read, shown in reads if add.argument not in shown and read.invoke_us > known_us]
    if not missing and not any(read.invoke_us > known_us for read in showing):
        return None
    last_shown_us = max((read.end_us for read in showing), default=-1)
    if missing and missing[-1].invoke_us > last_shown_us:
        last_ones = [read for read in missing if read.invoke_us > last_shown_us]
        acknowledged = (add,) if add.outcome == "ok" else tuple(showing[:1])
        return Life(add.argument, known_us, None, (), (*acknowledged, last_ones[-1]))
    last_missing_us = missing[-1].invoke_us if missing else -1
    stable_us = min((read.invoke_us for read in showing if read.invoke_us >= last_missing_us), default=last_missing_us)
    return Life(add.argument, known_us, stable_us, tuple(missing), ())


def check_set_full(operations: Iterable[Operation], stale_is_wrong: bool = False) -> Verdict:
    """Judge whether every element that was known of every set stayed.

    Args:
        stale_is_wrong: hold stale reads against the store (it claims to be linearizable); else they are counted.

    Returns:
        `invalid` also where an element was read that nobody had begun to add, or was read twice at once; `unknown`
            where none was read after it was known.
    """
    verdicts = []
    for key, group in History(operations).by_key().items():
        impossible = _find_unadded(group) or _find_repeated(group)
        found = lives(group)
        if impossible is not None:
            verdicts.append(impossible)
        elif found:
            verdicts.append(_judge(key, found, stale_is_wrong))
    if len(verdicts) == 1:
        return verdicts[0]
    return combine(verdicts, CHECKER) if verdicts else unknown(CHECKER, "no element was read after it was known")


def _find_unadded(group: list[Operation]) -> Verdict | None:
    """Find an element that was read although nobody can have begun to add it."""
    begun_us: dict[Hashable, int] = {}
    for each in group:
        if each.kind == "add" and each.outcome != "fail":
            begun_us[each.argument] = min(each.invoke_us, begun_us.get(each.argument, each.invoke_us))
    for read in group:
        if read.kind == "read" and read.outcome == "ok":
            for element in read.result or ():
                if begun_us.get(element, END_OF_TIME_US) > read.end_us:
                    return invalid(CHECKER, f"{element!r} was read in {read.key!r}, but nobody had added it", [read])
    return None


def _find_repeated(group: list[Operation]) -> Verdict | None:
    """Find an element that is in what one read showed more than once."""
    for read in group:
        if read.kind == "read" and read.outcome == "ok" and read.result:
            element, times = Counter(read.result).most_common(1)[0]
            if times > 1:
                reason = f"a read of {read.key!r} is of no set: {element!r} is there {times} times"
                return invalid(CHECKER, reason, [read])
    return None


def _judge(key: bytes, found: list[Life], stale_is_wrong: bool) -> Verdict:
    lost = [life for life in found if life.is_lost]
    if lost:
        reason = f"{len(lost)} of {len(found)} elements of {key!r} were lost, such as {lost[0].element!r}"
        return invalid(CHECKER, reason, lost[0].missed_by)
    late = [life for life in found if life.stale]
    delays = sorted(life.delay_us for life in late)
    counts = f"{len(found)} elements of {key!r}, {sum(len(life.stale) for life in found)} stale reads"
    if late:
        counts += (
            f", of {len(late)} elements; stable after {percentile(delays, 0.5)} us (median), {delays[-1]} us (worst)"
        )
        if stale_is_wrong:
            return invalid(CHECKER, f"{late[0].element!r} was known, but not read: {counts}", late[0].stale[:1])
    return valid(CHECKER, counts)
