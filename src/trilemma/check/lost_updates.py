"""Lost updates: a write that was worked out from a read, and put over another write that the read had not seen.

An application reads, computes, and writes back. If another client's write came in between, it is lost, although every
single command did what it should: the store may be linearizable, and money gone all the same. A SET, MSET, SETRANGE or
DEL that follows a read of the same key by the same process counts as based on that read; one that tells what it
replaced (GETSET, SET with GET) or that asks first whether the key is there (SETNX) does not. Of SETRANGE only the bytes
that it writes count: what others write or append beside them is not lost. A history is free of lost updates if
there is an order of its operations, one that a sequential Redis could have produced, in which nobody else's write lies
between such a pair. What proves the contrary at once is looked for first, because it is easy to see: two pairs of which
both reads were over before both writes began, or a write wholly between the two parts of a pair.

Operations: those of `redis_model`. Source: Berenson et al., "A critique of ANSI SQL isolation levels", SIGMOD 1995,
P4. Twin: all orders written out, in the tests.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from itertools import chain, repeat
from math import inf
from typing import Any, Final, NamedTuple

from trilemma.check.history import Operation
from trilemma.check.linearizable import STEPS_MAX, check_linearizable
from trilemma.check.model import Model
from trilemma.check.redis_entry import Entry, Refusal, integer
from trilemma.check.redis_history import READS, Command, as_recorded, commands_of, judged, keys_of, replies_of
from trilemma.check.redis_model import REDIS, State
from trilemma.check.verdict import Verdict, invalid, unknown, valid

CHECKER: Final = "lost updates"

REPLACING: Final = frozenset({b"SET", b"MSET", b"SETRANGE", b"DEL", b"UNLINK"})
"""Commands that an application gives what it worked out; SET only without NX and GET."""

ATOMIC: Final = frozenset(
    {b"INCR", b"INCRBY", b"INCRBYFLOAT", b"DECR", b"DECRBY", b"APPEND", b"SETNX", b"GETSET", b"GETDEL"}
)
"""Commands that read and write at once: nothing can come in between, unless the store breaks its promise."""

_VALUES: Final = frozenset({b"GET", b"MGET", b"GETRANGE", b"SUBSTR", b"STRLEN", b"EXISTS"})
"""Reads that an application can base a write on."""

_REMOVING: Final = frozenset({b"DEL", b"UNLINK", b"GETDEL", b"RENAME", b"RENAMENX"})
"""Commands after which a key that they name may be absent."""

_BLIND: Final = frozenset({b"SET", b"MSET", b"SETRANGE"})
"""Commands that write also where they change nothing."""

Spans = tuple[tuple[float, float], ...]
"""Parts of a value: the first byte of each, and the one behind its last."""

_WHOLE: Final[Spans] = ((0, inf),)


class Read(NamedTuple):
    """One read of one key: the number of the operation, and what of the key the write that is based on it puts."""

    number: int
    key: bytes
    spans: Spans = _WHOLE


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


def _words(command: Command) -> set[bytes]:
    """Return the options of SET."""
    return {word.upper() for word in command[3:]} if command[0] == b"SET" else set()


def _replaces(command: Command) -> bool:
    return command[0] in REPLACING and b"NX" not in _words(command)


def _is_worked_out(command: Command, reply: Any) -> bool:
    """Say whether a command may have put what was worked out from an earlier read. SET with GET tells what it replaced.

    Args:
        command: the command.
        reply: its reply; Ellipsis where nobody knows it.
    """
    return _replaces(command) and b"GET" not in _words(command) and not _is_void(command, reply)


def _is_void(command: Command, reply: Any) -> bool:
    """Say whether a reply tells that a command wrote nothing: an error, or nil of SET with XX."""
    return isinstance(reply, str) or (reply is None and b"XX" in _words(command))


def _spans(operation: Operation, key: bytes, length: float = inf) -> Spans:
    """Return what of a value of some length an operation writes, if it writes it; without a length, but for APPEND."""
    spans: list[tuple[float, float]] = []
    for command in commands_of(operation):
        if command[0] in READS or key not in keys_of(command):
            continue
        if command[0] == b"APPEND":
            spans.append((length, inf))
        elif command[0] == b"SETRANGE":
            spans += _ranges(command)
        else:
            return _WHOLE
    return tuple(spans)


def _ranges(command: Command) -> Spans:
    """Return what SETRANGE writes: nothing where it has nothing to write, or nowhere."""
    try:
        begin = integer(command[2])
    except Refusal:
        return ()
    return ((begin, begin + len(command[3])),) if command[3] and begin >= 0 else ()


def _overlap(one: Spans, other: Spans) -> bool:
    return any(begin < last and first < end for begin, end in one for first, last in other)


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
                    and _is_worked_out(command, reply)
                    and base is not None
                    and base[1].end_us <= operation.invoke_us
                ):
                    needs.add(base[0]._replace(spans=_spans(operation, key)))
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
    written = {key for each in commands_of(operation) if _puts(each, before) for key in keys_of(each)}
    written |= {key for key in before.keys() | now.keys() if before.get(key) != now.get(key)}
    if any(each.key in written for each in basis.needs - current):
        return False, state
    spans = {key: _spans(operation, key, len(before[key].value) if key in before else 0) for key in written}
    kept = frozenset(each for each in current if not _overlap(spans.get(each.key, ()), each.spans))
    return legal, (after, kept | basis.gives)


def _puts(command: Command, before: Mapping[bytes, Entry]) -> bool:
    """Say whether a command writes its keys although it may leave them as they are."""
    if command[0] not in _BLIND or not _replaces(command) or (command[0] == b"SETRANGE" and not _ranges(command)):
        return False
    return b"XX" not in _words(command) or command[1] in before


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
        for key in _written(operation):
            by_key.setdefault(key, []).append(operation)
    begins = {key: [each.invoke_us for each in writes] for key, writes in by_key.items()}
    for key, read, write in pairs:
        if key not in _written(write):
            continue
        first = bisect_right(begins.get(key, ()), read.end_us)
        last = bisect_left(begins.get(key, ()), write.invoke_us)
        for other in by_key.get(key, [])[first:last]:
            if other.process != read.process and other.precedes(write):
                reason = f"{key!r} was read, then written by another, then overwritten by who had read it before"
                return invalid(CHECKER, reason, [read, other, write])
    return None


def _written(operation: Operation) -> set[bytes]:
    """Return the keys that an operation surely wrote, and whole: conditional commands may not have, and what a
    transaction wrote and removed again may have been absent before."""
    keys: set[bytes] = set()
    earlier: set[bytes] = set()
    for command, reply in zip(commands_of(operation), replies_of(operation), strict=False):
        named = keys_of(command)
        if _is_void(command, reply) or command[0] == b"SETRANGE" or command[0] in READS:
            continue
        if command[0] in _REMOVING:
            keys.difference_update(named)
            is_sure = command[0] in (b"DEL", b"UNLINK") and reply == len(named)
            keys.update(set(named) - earlier if is_sure else ())
        elif command[0] == b"SETNX":
            keys.update(named if reply == 1 else ())
        elif _replaces(command) or command[0] in ATOMIC:
            keys.update(named)
        earlier.update(named)
    return keys


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
                and _written(pair.write) & _written(open_pair.write) >= {key}
            ):
                reason = (
                    f"{key!r} was read by two before either wrote it, and both writes were acknowledged: one is lost"
                )
                return invalid(CHECKER, reason, [open_pair.read, pair.read, open_pair.write, pair.write])
            if pair.write.invoke_us > open_pair.write.invoke_us:
                open_pair = pair
    return None
