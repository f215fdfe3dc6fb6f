"""Causal reverse: a read that shows a write, but not one that was over before that write began.

Operations: `write` (argument: a value; each key is written once), `multi_write` (argument: pairs), `multi_read`
(argument: keys; result: their values, None where absent), all of one group of keys. Serializability allows it, strict
serializability does not, and it confuses people most who wrote both themselves.
Source: Jepsen `tests/causal_reverse.clj`; jepsen.io/analyses/cockroachdb-beta-20160829. Twin: the definition, in the
tests. Cost: O(n * keys of a read).
"""

from collections.abc import Iterable
from typing import Final

from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict, invalid, unknown, valid
from trilemma.check.written_once import IncomparableError, find_torn, find_unwritten, writers_and_reads

CHECKER: Final = "causal reverse"


def check_causal_reverse(operations: Iterable[Operation]) -> Verdict:
    """Judge whether every read that shows a write shows those that were over before it.

    Returns:
        `invalid` also where a value was read that nobody had begun to write, or a read contradicts itself; `unknown`
            where a key was written twice, or with nil, or where no read showed a write that another had preceded.
    """
    try:
        writers, reads = writers_and_reads(operations)
    except IncomparableError as refusal:
        return unknown(CHECKER, str(refusal))
    unwritten = find_unwritten(writers, reads)
    if unwritten is not None:
        key, value, read = unwritten
        return invalid(CHECKER, f"{value!r} was read from {key!r}, but nobody had written it", [read])
    torn = find_torn(reads)
    if torn is not None:
        return invalid(CHECKER, f"one read showed {torn[0]!r} both as written and as absent", [torn[1]])
    demands = 0
    for read in reads:
        seen = [
            writers[key]
            for key, value in zip(read.argument, read.result, strict=True)
            if value is not None and key in writers
        ]
        if not seen:
            continue
        last = max(seen, key=lambda each: each.invoke_us)
        for key, value in zip(read.argument, read.result, strict=True):
            if key in writers and writers[key].precedes(last):
                demands += 1
                if value is None:
                    reason = (
                        f"{key!r} was read as absent, although a write that is shown began after {key!r} was written"
                    )
                    return invalid(CHECKER, reason, [writers[key], last, read])
    if not demands:
        return unknown(CHECKER, "no read showed a write that another had preceded")
    return valid(CHECKER, f"{len(reads)} reads")
