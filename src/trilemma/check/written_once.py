"""Histories whose keys are each written once: who wrote each, and the reads of several keys at one moment.

For checkers that compare reads with each other (`long_fork`, `causal_reverse`).
"""

from collections.abc import Iterable

from trilemma.check.causal_graph import writes_of
from trilemma.check.history import Operation


class WrittenTwiceError(ValueError):
    """A key was written twice, so that reads of it cannot be compared."""


def writers_and_reads(operations: Iterable[Operation]) -> tuple[dict[bytes, Operation], list[Operation]]:
    """Return which operation wrote each key, and each `multi_read` that was answered; what failed is left out.

    Raises:
        WrittenTwiceError: a key was written twice.
    """
    writers: dict[bytes, Operation] = {}
    reads = []
    for operation in operations:
        if operation.outcome == "fail":
            continue
        for key, _ in writes_of(operation):
            if key in writers:
                raise WrittenTwiceError(f"{key!r} was written twice, so that reads of it cannot be compared")
            writers[key] = operation
        if operation.kind == "multi_read" and operation.outcome == "ok":
            reads.append(operation)
    return writers, reads
