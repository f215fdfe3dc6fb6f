"""Receipts: what a store says of itself beside a reply, held against what its clients saw.

Operations, of one keyspace: `explained_write` (argument: a value unique for its key; result: the reply, and the receipt
as pairs), `explained_read`, `explained_stale_read`; those of `inquiry`; `write` and `read` alone. What all of them did
to registers is returned by `plainly`.
Source: docs/promises.md, "What a receipt says".
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from trilemma.check.history import History, Operation
from trilemma.check.receipt_position import CHECKER, EXPLAINED, STALE, Receipt, check_positions, is_write
from trilemma.check.verdict import Verdict, invalid, valid

ASIDE: Final = (EXPLAINED, "counted_", "named_", "awaited_")
"""How kinds begin whose result is a reply, and what was told beside it."""

NEWEST: Final = b"newest acknowledged"

UNBOUNDED: Final = -1
"""The `stale_ms_max` where no bound is known."""


DONE: Final = b"OK"
"""What a write is answered."""

_POSITIONS: Final = re.compile(rb"\d+:\d+( \d+:\d+)*")
"""A vector in the words of a receipt."""

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
            is_told = each.outcome == "ok" and isinstance(each.result, tuple) and each.result
            done.append(each._replace(kind=kind, result=each.result[0] if is_told else each.result))
        elif each.kind in ("read", "write"):
            done.append(each)
    return done


def _is_newest(operation: Operation) -> bool:
    return operation.kind == EXPLAINED + "stale_read" and operation.outcome == "ok" and promise(operation) == NEWEST


def promise(operation: Operation) -> Any:
    """Return what the receipt of an explained operation promises; None where it has none."""
    return (_facts(operation) or {}).get(b"promise")


def _facts(operation: Operation) -> dict[bytes, Any] | None:
    """Return what a receipt says; None where it is none: no reply and pairs, each of a name of its own."""
    told = operation.result
    if not (isinstance(told, tuple) and len(told) == 2 and isinstance(told[1], tuple)):
        return None
    pairs = [each for each in told[1] if isinstance(each, tuple) and len(each) == 2 and isinstance(each[0], bytes)]
    facts = dict(pairs)
    return facts if len(facts) == len(told[1]) else None


def check_receipts(operations: Sequence[Operation], terms: Terms) -> Verdict:
    """Judge what each receipt says: whose keyspace, what was promised, on how many replicas it is, how stale at most,
    and that what it names, an entry or a vector, only grows."""
    undone = next((each for each in plainly(operations) if _is_undone(each)), None)
    if undone is not None:
        return invalid(CHECKER, f"a write was answered {undone.result!r}", [undone])
    explained = [each for each in operations if each.kind.startswith(EXPLAINED) and each.outcome == "ok"]
    receipts = []
    for each in explained:
        facts = _facts(each)
        if facts is None:
            return invalid(CHECKER, f"no receipt: {each.result!r}", [each])
        receipt = Receipt(each, facts)
        reason = _lacking(receipt, terms) or _wrong(receipt, terms)
        if reason:
            return invalid(CHECKER, reason, [each])
        receipts.append(receipt)
    late = _stale(receipts, plainly(operations))
    return late or check_positions(receipts) or valid(CHECKER, f"{len(receipts)} receipts")


def _is_undone(operation: Operation) -> bool:
    return operation.kind == "write" and operation.outcome == "ok" and operation.result != DONE


def _lacking(receipt: Receipt, terms: Terms) -> str:
    """Return which fact a receipt lacks, or shows in a form that it cannot have, or nothing."""
    operation, facts = receipt
    least = int(is_write(operation))  # a follower that is asked while it has nothing reflects no entry yet
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


def _wrong(receipt: Receipt, terms: Terms) -> str:
    """Return what a receipt says that cannot be, or nothing."""
    operation, facts = receipt
    mode, keyspace = operation.mode.encode(), operation.keyspace.encode()
    if (facts.get(b"mode"), facts.get(b"keyspace")) != (mode, keyspace):
        return f"the receipt speaks of {facts.get(b'keyspace')!r} ({facts.get(b'mode')!r})"
    promised, stale_ms, held = (facts[name] for name in (b"promise", b"stale_ms_max", b"replicas"))
    if not _least_held(operation, terms) <= held <= terms.replicas:
        return f"the receipt says {held} replicas, of {terms.replicas}"
    if _promises(operation).fullmatch(promised) is None:
        return f"the receipt promises {promised!r}"
    if operation.mode != "ap" and promised != STALE and stale_ms:
        return f"what is the newest is said to be {stale_ms} ms old"
    return ""


def _least_held(operation: Operation, terms: Terms) -> int:
    """Return on how many replicas at least what a receipt names is known to be."""
    if is_write(operation):
        return terms.written
    return 1 if operation.mode == "ap" else terms.replicas // 2 + 1


def _promises(operation: Operation) -> re.Pattern[bytes]:
    """Return what may be promised. A node without a replica asks for the newest, READONLY or not."""
    if is_write(operation):
        return _SPREADS if operation.mode == "ap" else _MAJORITY_OR_ALL
    if operation.mode == "ap":
        return _OWN_SIDE
    return _NEWEST_OR_STALE if operation.kind.endswith("stale_read") else _NEWEST


# How stale at most


def _stale(receipts: Sequence[Receipt], operations: Sequence[Operation]) -> Verdict | None:
    """Return the verdict on a read that lacks a write which was acknowledged longer ago than it says it may lack."""
    writes = History(each for each in operations if each.kind == "write").by_key()
    for operation, facts in receipts:
        if is_write(operation) or facts[b"stale_ms_max"] == UNBOUNDED:
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
