"""Histories whose keys are each written once: who wrote each, and the reads of several keys at one moment.

For checkers that compare reads with each other (`long_fork`, `causal_reverse`).
"""

from collections.abc import Iterable
from typing import Any

from trilemma.check.causal_graph import writes_of, written_back
from trilemma.check.history import END_OF_TIME_US, Operation


class IncomparableError(ValueError):
    """A key was written twice, or nil was written to it, so that reads of it cannot be compared."""


def writers_and_reads(operations: Iterable[Operation]) -> tuple[dict[bytes, Operation], list[Operation]]:
    """Return which operation wrote each key, and each `multi_read` that was answered; what failed is left out.

    Raises:
        IncomparableError: a key was written twice, or with nil, as which it is read before.
    """
    writers: dict[bytes, Operation] = {}
    reads = []
    for operation in operations:
        if operation.outcome == "fail":
            continue
        for key, value in writes_of(operation):
            if value is None:
                raise IncomparableError(written_back(key, None))
            if key in writers:
                raise IncomparableError(f"{key!r} was written twice, so that reads of it cannot be compared")
            writers[key] = operation
        if operation.kind == "multi_read" and operation.outcome == "ok":
            reads.append(operation)
    return writers, reads


def find_unwritten(writers: dict[bytes, Operation], reads: Iterable[Operation]) -> tuple[bytes, Any, Operation] | None:
    """Return a key, a value and the read that showed it there although nobody can have written it; None without one.

    A write that began only after the read had ended cannot have been seen.
    """
    begun_us = {write: writer.invoke_us for writer in writers.values() for write in writes_of(writer)}
    for read in reads:
        for key, value in zip(read.argument, read.result, strict=True):
            if value is not None and begun_us.get((key, value), END_OF_TIME_US) > read.end_us:
                return key, value, read
    return None


def find_torn(reads: Iterable[Operation]) -> tuple[bytes, Operation] | None:
    """Return a key that one read showed both as written and as absent, and the read; None without one."""
    for read in reads:
        pairs = list(zip(read.argument, read.result, strict=True))
        torn = {key for key, value in pairs if value is None} & {key for key, value in pairs if value is not None}
        if torn:
            return min(torn), read
    return None
