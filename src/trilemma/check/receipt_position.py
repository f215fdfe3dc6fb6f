"""Positions: what receipts name, an entry of a log or a vector, held against each other.

What a receipt names, those that are asked for after it was answered go beyond, as far as its promise reaches; and each
write has something of its own. A vector counts batches by a node's number: node 1 is `n1`, and so on.
Source: docs/promises.md, "What a receipt says".
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict, invalid

CHECKER: Final = "receipts"

EXPLAINED: Final = "explained_"
"""How kinds begin that have a receipt."""

STALE: Final = b"stale: current at some time"


class Receipt(NamedTuple):
    """An explained operation, and what its receipt says."""

    operation: Operation
    facts: dict[bytes, Any]


def is_write(operation: Operation) -> bool:
    """Say whether it is a write that has a receipt."""
    return operation.kind == EXPLAINED + "write"


def check_positions(receipts: Sequence[Receipt]) -> Verdict | None:
    """Return the verdict on a receipt that names what it cannot name; None without one."""
    return _entries(receipts) or _vectors(receipts)


def _in_real_time(receipts: Iterable[Receipt]) -> Iterator[tuple[str, Receipt]]:
    """Yield beginnings and ends in order of time; of equal stamps beginnings first, for these are concurrent."""
    events = []
    for number, each in enumerate(receipts):
        events.append((each.operation.invoke_us, 0, number, each))
        events.append((each.operation.end_us, 1, number, each))
    for _, is_end, _, each in sorted(events, key=lambda event: event[:3]):
        yield "end" if is_end else "begin", each


def _growing(
    receipts: Sequence[Receipt],
    position: Callable[[Receipt], Any],
    join: Callable[[Any, Any], Any],
    least: Any,
    follows: Callable[[Receipt, Any], bool],
    is_floor: Callable[[Receipt], bool] = lambda _: True,
) -> Verdict | None:
    """Return the verdict on a receipt that does not follow what was named by those that were answered before it was
    asked for.

    Args:
        join: of two positions, the least that covers both.
        follows: whether a receipt may come after a position was named.
        is_floor: whether later ones must follow what a receipt names.
    """
    known, shower = least, None
    floors: dict[int, tuple[Any, Receipt | None]] = {}
    for event, each in _in_real_time(receipts):
        if event == "begin":
            floors[id(each)] = known, shower
            continue
        here, (floor, earlier) = position(each), floors[id(each)]
        if not follows(each, floor):
            reason = f"a receipt names {here}, though {floor} was named before"
            if join(floor, here) == here:
                reason = f"the receipt of a write names {here}, with nothing of its own beyond {floor}"
            return invalid(CHECKER, reason, [*([] if earlier is None else [earlier.operation]), each.operation])
        joined = join(known, here)
        if is_floor(each) and joined != known:
            known, shower = joined, each
    return None


def _entries(receipts: Sequence[Receipt]) -> Verdict | None:
    """Judge `cp` and `ca`: entries are in the order of real time, each write has one of its own, and who reads the
    newest has what was written to the key. A replica that answers by its lease may lack other keys' entries."""
    logged = [each for each in receipts if each.operation.mode != "ap" and each.facts[b"promise"] != STALE]
    writes = [each for each in logged if _is_write(each)]
    by_key: dict[bytes, list[Receipt]] = {}
    for each in logged:
        by_key.setdefault(each.operation.key, []).append(each)
    found = (_growing(each, _entry, _newer_entry, (0, 0), _has_entry, _is_write) for each in (writes, *by_key.values()))
    return next((verdict for verdict in found if verdict is not None), None)


def _is_write(receipt: Receipt) -> bool:
    return is_write(receipt.operation)


def _entry(receipt: Receipt) -> tuple[int, int]:
    return receipt.facts[b"term"], receipt.facts[b"index"]


def _newer_entry(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return max(one[0], other[0]), max(one[1], other[1])


def _has_entry(receipt: Receipt, floor: tuple[int, int]) -> bool:
    """Whether what a receipt names may come after an entry: a write's is a later one, whatever its term."""
    here = _entry(receipt)
    return _newer_entry(floor, here) == here and not (_is_write(receipt) and here[1] == floor[1])


def _vectors(receipts: Sequence[Receipt]) -> Verdict | None:
    """Judge `ap`: what a node has named as held it names ever after, and each write makes a batch of its own there."""
    executors: dict[Any, list[Receipt]] = {}
    for each in receipts:
        if each.operation.mode == "ap":
            executors.setdefault(each.facts[b"node"], []).append(each)
    found = (_growing(each, _held, _join, {}, _has_batch) for each in executors.values())
    return next((verdict for verdict in found if verdict is not None), None)


def _held(receipt: Receipt) -> dict[bytes, int]:
    words = (word.partition(b":") for word in receipt.facts[b"vector"].split())
    return {node: int(seq) for node, _, seq in words}


def _join(one: dict[bytes, int], other: dict[bytes, int]) -> dict[bytes, int]:
    return {node: max(one.get(node, 0), other.get(node, 0)) for node in sorted({*one, *other})}


def _has_batch(receipt: Receipt, floor: dict[bytes, int]) -> bool:
    """Whether a vector may come after another of its node: a write's has one batch more at least of the node itself."""
    here, own = _held(receipt), receipt.facts[b"node"].removeprefix(b"n")
    return _join(floor, here) == here and not (_is_write(receipt) and here.get(own, 0) <= floor.get(own, 0))
