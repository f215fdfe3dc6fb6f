"""Long fork: two reads that saw two writes in opposite orders, so that there is no one order of states.

Operations: `write` (argument: a value; each key is written once), `multi_write` (argument: pairs), `multi_read`
(argument: keys; result: their values, None where absent), all of one group of keys. A read that shows one key and not
another saw the one written before the other. Parallel snapshot isolation allows it, snapshot isolation does not.
Source: Jepsen `tests/long_fork.clj`; Sovran et al., "Transactional storage for geo-replicated systems", SOSP 2011.
Twin: every pair of reads, in the tests.
Cost: O(reads * shown * absent) in the keys of one read.
"""

from collections.abc import Iterable
from typing import Final

from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict, invalid, unknown, valid
from trilemma.check.written_once import IncomparableError, find_torn, find_unwritten, writers_and_reads

CHECKER: Final = "long fork"


def check_long_fork(operations: Iterable[Operation]) -> Verdict:
    """Judge whether all reads agree on the order in which keys were written.

    Returns:
        `invalid` also where a value was read that nobody had begun to write, or a read contradicts itself; `unknown`
            where a key was written twice, or with nil, or where no read saw one key and not another.
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
    return _compare(reads)


def _compare(reads: list[Operation]) -> Verdict:
    first_to_see: dict[tuple[bytes, bytes], Operation] = {}
    for read in reads:
        pairs = list(zip(read.argument, read.result, strict=True))
        absent = [key for key, value in pairs if value is None]
        for seen, value in pairs:
            if value is None:
                continue
            for missed in absent:
                other = first_to_see.get((missed, seen))
                if other is not None:
                    reason = f"one read saw {seen!r} written and {missed!r} not yet, another the other way round"
                    return invalid(CHECKER, reason, [other, read])
                first_to_see.setdefault((seen, missed), read)
    if not first_to_see:
        return unknown(CHECKER, "no read saw one key written and another not yet")
    return valid(CHECKER, f"{len(reads)} reads agree on the order of {len(first_to_see)} pairs of keys")
