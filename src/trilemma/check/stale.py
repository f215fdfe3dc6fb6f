"""Stale reads: each shows what was current at some time, so what somebody had written to its key, or absence.

Operations: `write` (argument: a value unique for its key), `stale_read` (result), and others, which are ignored.
How stale reads were is measured by `staleness`, not judged here.
Source: docs/promises.md, reads after `READONLY` on `cp`.
Cost: O(n).
"""

from collections.abc import Iterable
from typing import Any, Final

from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict, invalid, valid

CHECKER: Final = "stale reads"

STALE: Final = "stale_"
"""What the kinds of operations on READONLY connections begin with."""


def check_stale(operations: Iterable[Operation]) -> Verdict:
    """Judge whether each stale read shows a value that was being written to its key before it ended."""
    written: dict[tuple[bytes, Any], Operation] = {}
    reads = []
    for each in operations:
        if each.kind == "write" and each.outcome != "fail":
            written[each.key, each.argument] = each
        elif each.kind == STALE + "read" and each.outcome == "ok" and each.result is not None:
            reads.append(each)
    for read in reads:
        write = written.get((read.key, read.result))
        if write is None or write.invoke_us > read.end_us:
            return invalid(CHECKER, f"{read.result!r} was read, but nobody had written it to {read.key!r}", [read])
    return valid(CHECKER, f"{len(reads)} stale reads of a value")
