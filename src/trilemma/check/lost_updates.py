"""Lost updates: a write that was worked out from a read, and put over another write that the read had not seen.

An application reads, computes, and writes back. If another client's write came in between, it is lost, although every
single command did what it should: the store may be linearizable, and money gone all the same. A SET, MSET, SETRANGE or
DEL that follows a read of the same key by the same process counts as based on that read; one that tells what it
replaced (GETSET, SET with GET) or that asks first whether the key is there (SETNX) does not. Of SETRANGE only the bytes
that it writes count: what others write or append beside them is not lost. A history is free of lost updates if
there is an order of its operations, one that a sequential Redis could have produced, in which nobody else's write lies
between such a pair. What proves the contrary at once is looked for first, because it is easy to see: two pairs of which
both reads were over before both writes began, or a write wholly between the two parts of a pair.

Operations: those of `redis_model`. What a command writes: `overwriting`. Source: Berenson et al., "A critique
of ANSI SQL isolation levels", SIGMOD 1995, P4. Twin: all orders written out, in the tests.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import chain, repeat
from typing import Final, NamedTuple

from trilemma.check.history import Operation
from trilemma.check.linearizable import STEPS_MAX, check_linearizable
from trilemma.check.model import Model
from trilemma.check.overwriting import ATOMIC, WHOLE, Spans, is_worked_out, overlap, spans_of, surely_written, written
from trilemma.check.redis_history import READS, as_recorded, commands_of, judged, keys_of, replies_of
from trilemma.check.redis_model import REDIS, State
from trilemma.check.verdict import Verdict, invalid, unknown, valid

CHECKER: Final = "lost updates"

_VALUES: Final = frozenset({b"GET", b"MGET", b"GETRANGE", b"SUBSTR", b"STRLEN", b"EXISTS"})
"""Reads that an application can base a write on."""


class Read(NamedTuple):
    """One read of one key: the number of the operation, and what of the key the write that is based on it puts."""

    number: int
    key: bytes
    spans: Spans = WHOLE


class Pair(NamedTuple):
    """A read, and the write that was based on it, of one key."""

    key: bytes
    read: Operation
    write: Operation


class _Basis(NamedTuple):
    """What an operation gives others to be based on, and what it is based on itself."""

    gives: frozenset[Read]
    needs: frozenset[Read]


_StrictState = tuple[State, frozenset[Read]]


def _based(operations: list[Operation]) -> tuple[list[Operation], list[Pair]]:
    """Return the operations with their basis in `context`, and the pairs of reads and writes based on them."""
    last: dict[tuple[int, bytes], tuple[Read, Operation]] = {}
    linked, pairs = [], []
    for number, operation in enumerate(sorted(operations, key=lambda each: each.invoke_us)):
        needs, touched = set(), []
        for command, reply in zip(commands_of(operation), chain(replies_of(operation), repeat(...)), strict=False):
            for key in keys_of(command):
                base = last.get((operation.process, key))
                if (
                    operation.outcome != "fail"
                    and is_worked_out(command, reply)
                    and base is not None
                    and base[1].end_us <= operation.invoke_us
                ):
                    needs.add(base[0]._replace(spans=spans_of(operation, key)))
                    pairs.append(Pair(key, base[1], operation))
                if command[0] not in READS and operation.outcome != "fail":
                    touched.append((operation.process, key))
        for place in touched:
            last.pop(place, None)
        gives = [each for each in _given(operation, number) if (operation.process, each.key) not in touched]
        last.update(((operation.process, read.key), (read, operation)) for read in gives)
        linked.append(operation._replace(context=_Basis(frozenset(gives), frozenset(needs))))
    return _trimmed(linked), pairs


def _trimmed(linked: list[Operation]) -> list[Operation]:
    """Leave of what operations give only what another needs: to remember more would only make more states to search."""
    needed = {(each.number, each.key): each for one in linked for each in one.context.needs}
    return [
        each._replace(
            context=each.context._replace(
                gives=frozenset(needed[read[:2]] for read in each.context.gives if read[:2] in needed)
            )
        )
        for each in linked
    ]


def _given(operation: Operation, number: int) -> frozenset[Read]:
    if operation.outcome != "ok" or isinstance(operation.result, str):
        return frozenset()
    reads = (each for each in commands_of(operation) if each[0] in _VALUES)
    return frozenset(Read(number, key) for each in reads for key in keys_of(each))


def _strict_step(state: _StrictState, operation: Operation) -> tuple[bool, _StrictState]:
    held, current = state
    legal, after = REDIS.step(held, operation)
    basis: _Basis = operation.context
    before, now = dict(held), dict(after)
    keys = written(operation, before, now)
    if any(each.key in keys for each in basis.needs - current):
        return False, state
    spans = {key: spans_of(operation, key, len(before[key].value) if key in before else 0) for key in keys}
    kept = frozenset(each for each in current if not overlap(spans.get(each.key, ()), each.spans))
    return legal, (after, kept | basis.gives)


def _strict_read(operation: Operation) -> bool:
    return not operation.context.gives and REDIS.is_read(operation)


_NOTHING: Final[_StrictState] = (REDIS.initial, frozenset())

STRICT: Final[Model[_StrictState]] = Model("commands without lost updates", _NOTHING, _strict_step, _strict_read)
"""Redis that takes a write based on a read only while what was read still stands. `context`: see `_Basis`."""


def check_lost_updates(operations: Iterable[Operation], steps_max: int = STEPS_MAX) -> Verdict:
    """Judge whether no update of the history was lost.

    Returns:
        `unknown` where nothing was updated, or where the operations are not even linearizable.
    """
    listed = list(operations)
    done = [each for each in listed if each.outcome == "ok"]
    if not any(each[0] in ATOMIC for operation in done for each in commands_of(operation)) and not _based(done)[1]:
        return unknown(CHECKER, "no acknowledged write was based on a read, so none could be lost")
    return as_recorded(judged(listed, CHECKER, lambda group: _check(group, steps_max)), listed)


def _check(operations: list[Operation], steps_max: int) -> Verdict:
    linked, pairs = _based(operations)
    done = [each for each in pairs if each.write.outcome == "ok"]
    lost = _crossed(done) or _between(operations, done)
    if lost is not None:
        return lost
    strict = check_linearizable(linked, STRICT, steps_max)
    if strict.is_valid:
        return valid(CHECKER, f"{len(done)} writes were based on reads")
    plain = check_linearizable(operations, REDIS, steps_max)
    if not plain.is_valid or not strict.is_invalid:
        return unknown(CHECKER, f"there may be no order at all: {plain.reason or strict.reason}")
    witness = [each._replace(context=None) for each in strict.witness]
    return invalid(
        CHECKER, f"in every order some write is put over one that its read had not seen: {strict.reason}", witness
    )


def _between(operations: list[Operation], pairs: list[Pair]) -> Verdict | None:
    """Look for a write of another process wholly between the two parts of a pair."""
    by_key: dict[bytes, list[Operation]] = {}
    for operation in sorted(operations, key=lambda each: each.invoke_us):
        for key in surely_written(operation):
            by_key.setdefault(key, []).append(operation)
    begins = {key: [each.invoke_us for each in writes] for key, writes in by_key.items()}
    for key, read, write in pairs:
        if key not in surely_written(write):
            continue
        first = bisect_right(begins.get(key, ()), read.end_us)
        last = bisect_left(begins.get(key, ()), write.invoke_us)
        for other in by_key.get(key, [])[first:last]:
            if other.process != read.process and other.precedes(write):
                reason = f"{key!r} was read, then written by another, then overwritten by who had read it before"
                return invalid(CHECKER, reason, [read, other, write])
    return None


def _crossed(pairs: list[Pair]) -> Verdict | None:
    """Look for two pairs of which both reads were over before both writes began: whichever wrote last did not know."""
    by_key: dict[bytes, list[Pair]] = {}
    for pair in sorted(pairs, key=lambda each: each.read.end_us):
        by_key.setdefault(pair.key, []).append(pair)
    for key, group in by_key.items():
        open_pair = group[0]
        for pair in group[1:]:
            apart = pair.read.end_us >= open_pair.write.invoke_us or open_pair.read.end_us >= pair.write.invoke_us
            if (
                not apart
                and pair.write != open_pair.write
                and surely_written(pair.write) & surely_written(open_pair.write) >= {key}
            ):
                reason = (
                    f"{key!r} was read by two before either wrote it, and both writes were acknowledged: one is lost"
                )
                return invalid(CHECKER, reason, [open_pair.read, pair.read, open_pair.write, pair.write])
            if pair.write.invoke_us > open_pair.write.invoke_us:
                open_pair = pair
    return None
