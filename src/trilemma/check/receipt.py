"""Receipts: what a store says of itself beside a reply, held against what its clients saw.

Operations, of one keyspace: `explained_write` (argument: a value unique for its key; result: the reply, and the receipt
as pairs), `explained_read`, `explained_stale_read`; those of `inquiry`; `write` and `read` alone. What all of them did
to registers is returned by `plainly`.
Source: docs/promises.md, "What a receipt says".
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from trilemma.check.history import History, Operation
from trilemma.check.verdict import Verdict, invalid, valid

CHECKER: Final = "receipts"

EXPLAINED: Final = "explained_"
ASIDE: Final = (EXPLAINED, "counted_", "named_", "awaited_")
"""How kinds begin whose result is a reply, and what was told beside it."""

NEWEST: Final = b"newest acknowledged"
STALE: Final = b"stale: current at some time"

UNBOUNDED: Final = -1
"""The `stale_ms_max` where no bound is known."""


DONE: Final = b"OK"
"""What a write is answered."""

_POSITIONS: Final = re.compile(rb"\d+:\d+( \d+:\d+)*")
"""A vector in the words of a receipt: batches by a node's number. Node 1 is `n1`, and so on."""

_MAJORITY_OR_ALL: Final = re.compile(rb"durable on (majority|all)")
_SPREADS: Final = re.compile(rb"durable on (\d+|majority|all), spreads to all")
_NEWEST: Final = re.compile(re.escape(NEWEST))
_NEWEST_OR_STALE: Final = re.compile(b"|".join(map(re.escape, (NEWEST, STALE))))
_OWN_SIDE: Final = re.compile(rb"own side's newest|newest of \d+ replicas")


class Terms(NamedTuple):
    """What a keyspace owes: on how many of its replicas, of these on how many what it has acknowledged is, and the
    names of the nodes that hold one."""

    replicas: int
    written: int
    holders: frozenset[str]


def plainly(operations: Iterable[Operation]) -> list[Operation]:
    """Return what was done to registers, without what was told beside it and without questions. Of a `stale_read` whose
    receipt says that it is the newest all is demanded that is of a `read`."""
    done = []
    for each in operations:
        if each.kind.startswith(ASIDE):
            kind = "read" if _is_newest(each) else each.kind.split("_", 1)[1]
            done.append(each._replace(kind=kind, result=each.result[0] if each.outcome == "ok" else each.result))
        elif each.kind in ("read", "write"):
            done.append(each)
    return done


def _is_newest(operation: Operation) -> bool:
    is_explained = operation.kind == EXPLAINED + "stale_read" and operation.outcome == "ok"
    return is_explained and dict(operation.result[1]).get(b"promise") == NEWEST


class _Receipt(NamedTuple):
    operation: Operation
    facts: dict[bytes, Any]


def check_receipts(operations: Sequence[Operation], terms: Terms) -> Verdict:
    """Judge what each receipt says: whose keyspace, what was promised, on how many replicas it is, how stale at most,
    and that what it names, an entry or a vector, only grows."""
    undone = next((each for each in plainly(operations) if _is_undone(each)), None)
    if undone is not None:
        return invalid(CHECKER, f"a write was answered {undone.result!r}", [undone])
    explained = [each for each in operations if each.kind.startswith(EXPLAINED) and each.outcome == "ok"]
    receipts = []
    for each in explained:
        receipt = _Receipt(each, dict(each.result[1]))
        reason = _lacking(receipt, terms) or _wrong(receipt, terms)
        if reason:
            return invalid(CHECKER, reason, [each])
        receipts.append(receipt)
    late = _stale(receipts, plainly(operations))
    return late or _entries(receipts) or _vectors(receipts) or valid(CHECKER, f"{len(receipts)} receipts")


def _is_undone(operation: Operation) -> bool:
    return operation.kind == "write" and operation.outcome == "ok" and operation.result != DONE


def _lacking(receipt: _Receipt, terms: Terms) -> str:
    """Return which fact a receipt lacks, or shows in a form that it cannot have, or nothing."""
    operation, facts = receipt
    least = int(_is_write(receipt))  # a follower that is asked while it has nothing reflects no entry yet
    fits = {
        b"node": facts.get(b"node") in [name.encode() for name in terms.holders],
        b"promise": isinstance(facts.get(b"promise"), bytes),
        b"stale_ms_max": is_count(facts.get(b"stale_ms_max"), UNBOUNDED),
        b"replicas": is_count(facts.get(b"replicas"), 0),
        b"warnings": _are_words(facts.get(b"warnings")),
    }
    if operation.mode == "ap":
        fits[b"vector"] = is_vector(facts.get(b"vector")) and not (least and facts[b"vector"] == b"")
    else:
        fits |= {name: is_count(facts.get(name), least) for name in (b"index", b"term")}
    for name, does_fit in fits.items():
        if not does_fit:
            return f"the receipt says {facts.get(name)!r} as its {name.decode()}"
    return ""


def is_count(told: Any, least: int) -> bool:
    """Say whether a reply is a whole number, no less than the least."""
    return type(told) is int and told >= least


def is_vector(told: Any) -> bool:
    """Say whether a reply names batches of nodes as `1:2 3:1` does; it is empty where nobody has made any."""
    return isinstance(told, bytes) and (not told or _POSITIONS.fullmatch(told) is not None)


def _are_words(told: Any) -> bool:
    return isinstance(told, tuple) and all(isinstance(each, bytes) for each in told)


def _wrong(receipt: _Receipt, terms: Terms) -> str:
    """Return what a receipt says that cannot be, or nothing."""
    operation, facts = receipt
    mode, keyspace = operation.mode.encode(), operation.keyspace.encode()
    if (facts.get(b"mode"), facts.get(b"keyspace")) != (mode, keyspace):
        return f"the receipt speaks of {facts.get(b'keyspace')!r} ({facts.get(b'mode')!r})"
    promise, stale_ms, held = (facts[name] for name in (b"promise", b"stale_ms_max", b"replicas"))
    if not _least_held(operation, terms) <= held <= terms.replicas:
        return f"the receipt says {held} replicas, of {terms.replicas}"
    if _promises(operation).fullmatch(promise) is None:
        return f"the receipt promises {promise!r}"
    if operation.mode != "ap" and promise != STALE and stale_ms:
        return f"what is the newest is said to be {stale_ms} ms old"
    return ""


def _least_held(operation: Operation, terms: Terms) -> int:
    """Return on how many replicas at least what a receipt names is known to be."""
    if operation.kind == EXPLAINED + "write":
        return terms.written
    return 1 if operation.mode == "ap" else terms.replicas // 2 + 1


def _promises(operation: Operation) -> re.Pattern[bytes]:
    """Return what may be promised. A node without a replica asks for the newest, READONLY or not."""
    if operation.kind == EXPLAINED + "write":
        return _SPREADS if operation.mode == "ap" else _MAJORITY_OR_ALL
    if operation.mode == "ap":
        return _OWN_SIDE
    return _NEWEST_OR_STALE if operation.kind.endswith("stale_read") else _NEWEST


# How stale at most


def _stale(receipts: Sequence[_Receipt], operations: Sequence[Operation]) -> Verdict | None:
    """Return the verdict on a read that lacks a write which was acknowledged longer ago than it says it may lack."""
    writes = History(each for each in operations if each.kind == "write").by_key()
    for operation, facts in receipts:
        if operation.kind == EXPLAINED + "write" or facts[b"stale_ms_max"] == UNBOUNDED:
            continue
        known = writes.get(operation.key, [])
        missed = _missed(operation, known, operation.invoke_us - facts[b"stale_ms_max"] * 1_000)
        if missed:
            reason = f"what is at most {facts[b'stale_ms_max']} ms old lacks a write that is older"
            return invalid(CHECKER, reason, [*missed, operation])
    return None


def _missed(read: Operation, writes: Sequence[Operation], before_us: int) -> list[Operation]:
    """Return a write that was over by a time and that the read's value cannot have replaced, with the one it shows.

    On `ap` clocks order what one node did not know of another: there only absence tells.
    """
    shown = [each for each in writes if each.argument == read.result[0]]
    if shown and read.mode == "ap":
        return []
    for write in writes:
        if write.end_us < before_us and all(each.precedes(write) for each in shown):
            return [write, *shown]
    return []


# What is named


def _in_real_time(receipts: Iterable[_Receipt]) -> Iterator[tuple[str, _Receipt]]:
    """Yield beginnings and ends in order of time; of equal stamps beginnings first, for these are concurrent."""
    events = []
    for number, each in enumerate(receipts):
        events.append((each.operation.invoke_us, 0, number, each))
        events.append((each.operation.end_us, 1, number, each))
    for _, is_end, _, each in sorted(events, key=lambda event: event[:3]):
        yield "end" if is_end else "begin", each


def _growing(
    receipts: Sequence[_Receipt],
    position: Callable[[_Receipt], Any],
    join: Callable[[Any, Any], Any],
    least: Any,
    follows: Callable[[_Receipt, Any], bool],
    is_floor: Callable[[_Receipt], bool] = lambda _: True,
) -> Verdict | None:
    """Return the verdict on a receipt that does not follow what was named by those that were answered before it was
    asked for.

    Args:
        join: of two positions, the least that covers both.
        follows: whether a receipt may come after a position was named.
        is_floor: whether later ones must follow what a receipt names.
    """
    known, shower = least, None
    floors: dict[int, tuple[Any, _Receipt | None]] = {}
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


def _entries(receipts: Sequence[_Receipt]) -> Verdict | None:
    """Judge `cp` and `ca`: entries are in the order of real time, each write has one of its own, and who reads the
    newest has what was written to the key. A replica that answers by its lease may lack other keys' entries."""
    logged = [each for each in receipts if each.operation.mode != "ap" and each.facts[b"promise"] != STALE]
    writes = [each for each in logged if _is_write(each)]
    by_key: dict[bytes, list[_Receipt]] = {}
    for each in logged:
        by_key.setdefault(each.operation.key, []).append(each)
    found = (_growing(each, _entry, _newer_entry, (0, 0), _has_entry, _is_write) for each in (writes, *by_key.values()))
    return next((verdict for verdict in found if verdict is not None), None)


def _is_write(receipt: _Receipt) -> bool:
    return receipt.operation.kind == EXPLAINED + "write"


def _entry(receipt: _Receipt) -> tuple[int, int]:
    return receipt.facts[b"term"], receipt.facts[b"index"]


def _newer_entry(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return max(one[0], other[0]), max(one[1], other[1])


def _has_entry(receipt: _Receipt, floor: tuple[int, int]) -> bool:
    """Whether what a receipt names may come after an entry: a write's is a later one, whatever its term."""
    here = _entry(receipt)
    return _newer_entry(floor, here) == here and not (_is_write(receipt) and here[1] == floor[1])


def _vectors(receipts: Sequence[_Receipt]) -> Verdict | None:
    """Judge `ap`: what a node has named as held it names ever after, and each write makes a batch of its own there."""
    executors: dict[Any, list[_Receipt]] = {}
    for each in receipts:
        if each.operation.mode == "ap":
            executors.setdefault(each.facts[b"node"], []).append(each)
    found = (_growing(each, _held, _join, {}, _has_batch) for each in executors.values())
    return next((verdict for verdict in found if verdict is not None), None)


def _held(receipt: _Receipt) -> dict[bytes, int]:
    words = (word.partition(b":") for word in receipt.facts[b"vector"].split())
    return {node: int(seq) for node, _, seq in words}


def _join(one: dict[bytes, int], other: dict[bytes, int]) -> dict[bytes, int]:
    return {node: max(one.get(node, 0), other.get(node, 0)) for node in sorted({*one, *other})}


def _has_batch(receipt: _Receipt, floor: dict[bytes, int]) -> bool:
    """Whether a vector may come after another of its node: a write's has one batch more at least of the node itself."""
    here, own = _held(receipt), receipt.facts[b"node"].removeprefix(b"n")
    return _join(floor, here) == here and not (_is_write(receipt) and here.get(own, 0) <= floor.get(own, 0))
