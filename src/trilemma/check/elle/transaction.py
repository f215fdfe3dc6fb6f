"""Transactions: what each one appended, what it read from outside, and whether it agrees with itself.

Operations: kind `txn`; argument: micro-operations, each `("append", key, element)` or `("r", key, None)`; result of an
`ok`: the same with the lists read in place, as tuples (None: the empty list). Elements of a key are unique. Of an
operation that is not `ok` only the argument is read: what it appended may have happened (`info`) or never did (`fail`).

A transaction agrees with itself if each read shows what its earlier reads and appends lead to expect. A read after own
appends, with no read before, shows what stood before them, and then them: so it too reads from outside.
Source: arXiv:2003.10554, sections 4 and 6.1 (internal consistency).
"""

from collections.abc import Hashable, Iterable
from typing import Any, Final, NamedTuple

from trilemma.check.history import Operation

KIND: Final = "txn"
APPEND: Final = "append"
READ: Final = "r"

Elements = tuple[Hashable, ...]


class RefusalError(ValueError):
    """The history is not one of list-append transactions with unique elements, so nothing can be judged from it."""


class Read(NamedTuple):
    """A list that a transaction was shown."""

    key: Hashable
    shown: Elements
    outside: int | None
    """How many elements of it stood there before the transaction's own; None where that cannot be told, or an earlier
    read tells it."""


class Slip(NamedTuple):
    """A read that contradicts its own transaction."""

    key: Hashable
    shown: Elements
    expected: str


class Transaction:
    """One transaction. `number` is its place in the order of invocation."""

    __slots__ = ("appends", "number", "operation", "reads", "slips")

    def __init__(self, number: int, operation: Operation) -> None:
        """Raises: RefusalError: the micro-operations cannot be understood."""
        self.number = number
        self.operation = operation
        self.appends: dict[Hashable, list[Hashable]] = {}
        self.reads: list[Read] = []
        self.slips: list[Slip] = []
        is_ok = operation.outcome == "ok"
        try:
            self._walk(operation.result if is_ok else operation.argument, is_ok)
        except (TypeError, ValueError) as problem:
            raise RefusalError(f"not a transaction of appends and reads ({problem}): {operation.describe()}") from None

    def _walk(self, micros: Iterable[Any], is_ok: bool) -> None:
        known: dict[Hashable, Elements] = {}
        for word, key, value in micros:
            if word == APPEND:
                self.appends.setdefault(key, []).append(value)
                if key in known:
                    known[key] += (value,)
            elif word != READ:
                raise ValueError(f"unknown micro-operation {word!r}")
            elif is_ok:
                shown = () if value is None else tuple(value)
                self._read(key, shown, known.get(key))
                known[key] = shown
        for read in self.reads:
            own = self.appends.get(read.key)
            if own and read.outside is not None and not set(own).isdisjoint(read.shown[: read.outside]):
                self.slips.append(Slip(read.key, read.shown, "nothing that it appended only later"))

    def _read(self, key: Hashable, shown: Elements, expected: Elements | None) -> None:
        own = tuple(self.appends.get(key, ()))
        if expected is not None:
            if shown != expected:
                self.slips.append(Slip(key, shown, show(expected)))
                self.reads.append(Read(key, shown, None if own else len(shown)))
            elif own:
                self.reads.append(Read(key, shown, None))  # tells in which order its own appends came
            return
        if not own:
            self.reads.append(Read(key, shown, len(shown)))
        elif shown[-len(own) :] == own:
            self.reads.append(Read(key, shown, len(shown) - len(own)))
        else:
            self.slips.append(Slip(key, shown, f"{show(own)} at its end"))
            self.reads.append(Read(key, shown, None))


SHOWN_MAX: Final = 4
"""Elements of a list that a sentence shows: its last ones, by which versions are told apart."""


def show(elements: Elements) -> str:
    """Return a list for people: its last elements."""
    left_out = ["…"] if len(elements) > SHOWN_MAX else []
    return "[" + " ".join(left_out + [str(each) for each in elements[-SHOWN_MAX:]]) + "]"


def parse(operations: Iterable[Operation]) -> list[Transaction]:
    """Return the transactions of a history in order of invocation.

    Raises:
        RefusalError: an operation is no transaction, or an element was appended to a key twice.
    """
    ordered = sorted(operations, key=lambda each: (each.invoke_us, each.process))
    for operation in ordered:
        if operation.kind != KIND:
            raise RefusalError(f"an operation is no transaction: {operation.describe()}")
    return [Transaction(number, operation) for number, operation in enumerate(ordered)]
