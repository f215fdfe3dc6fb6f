"""Overwriting: which keys a command of Redis writes, what part of a value, and what was put over another's write.

For checkers of lost updates. Knows commands and replies; no order of operations, and no reads that writes build on.
"""

from collections import Counter
from collections.abc import Mapping
from math import inf
from typing import Any, Final

from trilemma.check.history import Operation
from trilemma.check.redis_entry import Entry, Refusal, integer
from trilemma.check.redis_history import READS, Command, commands_of, keys_of, replies_of

REPLACING: Final = frozenset({b"SET", b"MSET", b"SETRANGE", b"DEL", b"UNLINK"})
"""Commands that an application gives what it worked out; SET only without NX and GET."""

ATOMIC: Final = frozenset(
    {b"INCR", b"INCRBY", b"INCRBYFLOAT", b"DECR", b"DECRBY", b"APPEND", b"SETNX", b"GETSET", b"GETDEL"}
)
"""Commands that read and write at once: nothing can come in between, unless the store breaks its promise."""

_REMOVING: Final = frozenset({b"DEL", b"UNLINK", b"GETDEL", b"RENAME", b"RENAMENX"})
"""Commands after which a key that they name may be absent."""

_BLIND: Final = frozenset({b"SET", b"MSET", b"SETRANGE", b"GETSET"})
"""Commands that write also where they change nothing, for they do not look first: SET only without NX."""

_ADDING: Final = {b"INCR": None, b"DECR": None, b"INCRBY": b"0", b"DECRBY": b"0", b"APPEND": b""}
"""Commands that change a value, unless they are given what adds nothing. What INCRBYFLOAT adds may be rounded off."""

Spans = tuple[tuple[float, float], ...]
"""Parts of a value: the first byte of each, and the one behind its last."""

WHOLE: Final[Spans] = ((0, inf),)


def _words(command: Command) -> set[bytes]:
    """Return the options of SET."""
    return {word.upper() for word in command[3:]} if command[0] == b"SET" else set()


def _replaces(command: Command) -> bool:
    return command[0] in REPLACING and b"NX" not in _words(command)


def is_worked_out(command: Command, reply: Any) -> bool:
    """Say whether a command may have put what was worked out from an earlier read. SET with GET tells what it replaced.

    Args:
        command: the command.
        reply: its reply; Ellipsis where nobody knows it.
    """
    return _replaces(command) and b"GET" not in _words(command) and not _is_void(command, reply)


def _is_void(command: Command, reply: Any) -> bool:
    """Say whether a reply tells that a command wrote nothing: an error, or nil of SET with XX."""
    return isinstance(reply, str) or (reply is None and b"XX" in _words(command))


def spans_of(operation: Operation, key: bytes, length: float = inf) -> Spans:
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
            return WHOLE
    return tuple(spans)


def _ranges(command: Command) -> Spans:
    """Return what SETRANGE writes: nothing where it has nothing to write, or nowhere."""
    try:
        begin = integer(command[2])
    except Refusal:
        return ()
    return ((begin, begin + len(command[3])),) if command[3] and begin >= 0 else ()


def overlap(one: Spans, other: Spans) -> bool:
    """Say whether two parts of a value have something in common."""
    return any(begin < last and first < end for begin, end in one for first, last in other)


def written(operation: Operation, before: Mapping[bytes, Entry], after: Mapping[bytes, Entry]) -> set[bytes]:
    """Return the keys that an operation wrote which found the data so and left it so."""
    keys = {key for each in commands_of(operation) if _puts(each, before) for key in keys_of(each)}
    return keys | {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def _is_blind(command: Command) -> bool:
    return command[0] in _BLIND and b"NX" not in _words(command)


def _puts(command: Command, before: Mapping[bytes, Entry]) -> bool:
    """Say whether a command writes its keys although it may leave them as they are."""
    if not _is_blind(command) or (command[0] == b"SETRANGE" and not _ranges(command)):
        return False
    return b"XX" not in _words(command) or command[1] in before


def surely_written(operation: Operation) -> set[bytes]:
    """Return the keys that an operation surely wrote, and whole, whatever they held.

    Conditional commands may not have; what a transaction wrote and removed again may have been absent before, and what
    it changed twice may be as it was.
    """
    done = [
        (command, reply)
        for command, reply in zip(commands_of(operation), replies_of(operation), strict=False)
        if command[0] not in READS and not _is_void(command, reply)
    ]
    times = Counter(key for command, _ in done for key in keys_of(command))
    keys: set[bytes] = set()
    for command, reply in done:
        named = set(keys_of(command))
        if command[0] in _REMOVING:
            keys -= named
        if _is_blind(command) and command[0] != b"SETRANGE":
            keys |= named
        elif _changes(command, reply):
            keys.update(key for key in named if times[key] == 1)
    return keys


def _changes(command: Command, reply: Any) -> bool:
    """Say whether a command that looks first has changed all of its keys, as its reply tells."""
    if command[0] in (b"DEL", b"UNLINK"):
        return bool(reply == len(keys_of(command)))
    if command[0] == b"SETNX":
        return bool(reply == 1)
    return command[0] in _ADDING and command[2:] != (_ADDING[command[0]],)
