"""Recording a history while it happens: an operation is opened at its invocation and closed when its fate is known.

Owns the rule that what is never answered stays `info`. Reads no clock: the caller stamps, before the bytes leave and
after the reply is parsed (FAULTS §4, pitfall 3).
"""

from typing import Any

from trilemma.check.history import History, Operation, Outcome


class Recorder:
    """Collects operations that are open for a while, in order of invocation."""

    __slots__ = ("_open", "_operations")

    def __init__(self) -> None:
        self._operations: list[Operation] = []
        self._open: set[int] = set()

    def invoke(self, operation: Operation) -> int:
        """Note that `operation` is being sent; return the number to complete it by."""
        number = len(self._operations)
        self._operations.append(operation._replace(complete_us=None, outcome="info"))
        self._open.add(number)
        return number

    def complete(
        self,
        number: int,
        complete_us: int,
        outcome: Outcome,
        result: Any = None,
        receipt: Any = None,
        context: Any = None,
    ) -> Operation:
        """Note what became of an operation, and return it as recorded.

        Raises:
            KeyError: the operation is not open.
        """
        self._open.remove(number)
        operation = self._operations[number]._replace(
            complete_us=complete_us, outcome=outcome, result=result, receipt=receipt, context=context
        )
        self._operations[number] = operation
        return operation

    def count_from(self, origin_us: int) -> None:
        """Count all times from another moment than the clock's own."""
        self._operations = [each.since(origin_us) for each in self._operations]

    @property
    def size(self) -> int:
        """The number of operations recorded."""
        return len(self._operations)

    def pending(self) -> list[Operation]:
        """Return the operations that are still open, in order of invocation."""
        return [self._operations[number] for number in sorted(self._open)]

    def history(self) -> History:
        """Return everything recorded; what is still open has the outcome `info` and no completion."""
        return History(self._operations)
