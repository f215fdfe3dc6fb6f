"""Histories of Redis commands, as recording clients keep them: split by keys, in the words of narrower checkers.

Operations are those of `redis_model` (`command`, `transaction`). Owns which keys a command touches, and what cannot be
judged here: commands that the model does not know, deadlines, because time does not pass in the model, and sums that
nobody knows the rounding of.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from trilemma.check import redis_keys, redis_strings
from trilemma.check.deadline import Deadline
from trilemma.check.history import Operation
from trilemma.check.linearizable import STEPS_MAX, check_linearizable
from trilemma.check.redis_float import is_unsure
from trilemma.check.redis_model import REDIS
from trilemma.check.register import check_register
from trilemma.check.verdict import Verdict, combine, unknown

CHECKER: Final = "linearizable commands"

Command = tuple[bytes, ...]

READS: Final = redis_strings.READS | redis_keys.READS
"""Commands that never change anything."""

_KNOWN: Final = redis_strings.COMMANDS.keys() | redis_keys.COMMANDS.keys()
_ALL_KEYS: Final = frozenset({b"MGET", b"DEL", b"UNLINK", b"EXISTS", b"TOUCH"})
_PAIRS: Final = frozenset({b"MSET", b"MSETNX"})
_TWO_KEYS: Final = frozenset({b"RENAME", b"RENAMENX", b"COPY", b"LCS"})
_PIECING: Final = frozenset({b"APPEND", b"SETRANGE"})
"""Commands that put numbers together of words that are none."""
_DEADLINES: Final = frozenset(
    {
        b"SETEX",
        b"PSETEX",
        b"EXPIRE",
        b"PEXPIRE",
        b"EXPIREAT",
        b"PEXPIREAT",
        b"TTL",
        b"PTTL",
        b"EXPIRETIME",
        b"PEXPIRETIME",
    }
)
_DEADLINE_WORDS: Final = frozenset({b"EX", b"PX", b"EXAT", b"PXAT"})
_OPTIONS_AT: Final = {b"SET": 3, b"GETEX": 2}
"""Where the words begin that may set a deadline. What stands before them is data, whatever it reads."""


def commands_of(operation: Operation) -> tuple[Command, ...]:
    """Return the commands of an operation, in their order; none for a kind that is not a Redis client's."""
    if operation.kind == "command":
        return (operation.argument,)
    return tuple(operation.argument) if operation.kind == "transaction" else ()


def replies_of(operation: Operation) -> tuple[Any, ...]:
    """Return the replies to `commands_of`, in their order; none where they are not known."""
    if operation.outcome != "ok":
        return ()
    return (operation.result,) if operation.kind == "command" else tuple(operation.result)


def keys_of(command: Command) -> tuple[bytes, ...]:
    """Return the keys that a command names; of one that is not known, its first argument."""
    name, *words = command
    if name in _ALL_KEYS:
        return tuple(words)
    if name in _PAIRS:
        return tuple(words[::2])
    return tuple(words[:2] if name in _TWO_KEYS else words[:1])


def refusal(operation: Operation) -> str:
    """Return why an operation cannot be judged, or nothing."""
    commands = commands_of(operation)
    if not commands:
        return f"an operation is no Redis command: {operation.describe()}"
    for command in commands:
        name = command[0]
        if name not in _KNOWN:
            return f"the model does not know {name.decode('utf-8', 'replace')}"
        if not keys_of(command):
            return f"{name.decode()} names no key"
        if name in _DEADLINES or any(word.upper() in _DEADLINE_WORDS for word in _options(command)):
            return f"{name.decode()} sets or shows a deadline, and time does not pass in the model"
        if name == b"LCS" and [word.upper() for word in command[3:]] not in ([], [b"LEN"]):
            return "the model knows LCS with no other option than LEN"
        if name == b"COPY" and b"DB" in [word.upper() for word in command[3:]]:
            return "COPY with DB goes to another db: not judged"
    return ""


def _options(command: Command) -> Command:
    """Return the words of a command among which a deadline may be."""
    return command[_OPTIONS_AT[command[0]] :] if command[0] in _OPTIONS_AT else ()


def components(operations: Iterable[Operation]) -> list[list[Operation]]:
    """Return the operations in groups that share no key with one another; each group under one key. What failed touched
    no key, so it brings none together: it goes where its first key does."""
    roots: dict[bytes, bytes] = {}

    def root(key: bytes) -> bytes:
        while roots.setdefault(key, key) != key:
            key = roots[key]
        return key

    judged = list(operations)
    for operation in judged:
        first, *others = (key for command in commands_of(operation) for key in keys_of(command))
        for key in others if operation.outcome != "fail" else ():
            roots[root(key)] = root(first)
    groups: dict[bytes, list[Operation]] = {}
    for operation in judged:
        key = root(keys_of(commands_of(operation)[0])[0])
        groups.setdefault(key, []).append(operation._replace(key=key))
    return list(groups.values())


def as_registers(operations: Sequence[Operation]) -> list[Operation] | None:
    """Return the operations of one key as reads and writes; None where they are not plain GETs and SETs only."""
    translated = []
    for operation in operations:
        command: Command = operation.argument if operation.kind == "command" else ()
        if len(command) == 2 and command[0] == b"GET" and not isinstance(operation.result, str):
            translated.append(operation._replace(kind="read", argument=None))
        elif len(command) == 3 and command[0] == b"SET" and (operation.outcome != "ok" or operation.result == b"OK"):
            translated.append(operation._replace(kind="write", argument=command[2]))
        elif operation.outcome != "fail":
            return None
    return translated


def as_shared(operations: Sequence[Operation]) -> list[Operation] | None:
    """Return operations on several keys as reads and writes that are seen whole or not at all (see `causal`).

    Returns:
        None where there are other commands than GET, MGET, plain SET and MSET, or a transaction that mixes both.
    """
    translated = []
    for operation in operations:
        commands = commands_of(operation)
        if all(each[0] in (b"GET", b"MGET") for each in commands):
            translated.append(_as_read(operation, commands))
        elif all((each[0] == b"SET" and len(each) == 3) or _is_mset(each) for each in commands):
            pairs = {key: value for each in commands for key, value in zip(each[1::2], each[2::2], strict=True)}
            translated.append(operation._replace(kind="multi_write", argument=tuple(pairs.items())))
        elif operation.outcome != "fail":
            return None
    return translated


def _is_mset(command: Command) -> bool:
    return command[0] == b"MSET" and len(command) % 2 == 1


def _as_read(operation: Operation, commands: tuple[Command, ...]) -> Operation:
    keys = tuple(key for each in commands for key in each[1:])
    values: list[Any] = []
    for command, reply in zip(commands, replies_of(operation), strict=False):
        values += [reply] if command[0] == b"GET" else reply
    return operation._replace(kind="multi_read", argument=keys, result=tuple(values))


def judged(operations: Iterable[Operation], checker: str, check: Callable[[list[Operation]], Verdict]) -> Verdict:
    """Return the gravest verdict on groups without common keys; `unknown` where an operation cannot be judged.

    One that failed did nothing, so it hinders no judgement, whatever it was.
    """
    listed = [each for each in operations if each.outcome != "fail" or not refusal(each)]
    for operation in listed:
        reason = refusal(operation)
        if reason:
            return unknown(checker, reason)
    return combine((sure(check(group), group) for group in components(listed)), checker)


def sure(verdict: Verdict, group: list[Operation]) -> Verdict:
    """Return a verdict on one group; `unknown` where it may be `invalid` only because a sum was rounded unseen."""
    if not verdict.is_invalid:
        return verdict
    unseen = (command for each in group if each.outcome == "info" for command in commands_of(each))
    if not any(command[0] == b"INCRBYFLOAT" for command in unseen):
        return verdict
    commands = [command for each in group for command in commands_of(each)]
    is_pieced = any(command[0] in _PIECING for command in commands)
    said = [*commands, *(replies_of(each) for each in group)]
    if not is_pieced and not is_unsure(word for words in said for word in words):
        return verdict
    return unknown(verdict.checker, "nobody knows how INCRBYFLOAT rounded a sum that was not told")


def check_commands(
    operations: Iterable[Operation], steps_max: int = STEPS_MAX, deadline: Deadline | None = None
) -> Verdict:
    """Judge whether Redis commands and transactions are linearizable: by zones where that can be, else by search.

    Which operations belong together is told by the keys that their commands name, not by their own `key`.

    Args:
        steps_max: bound on the search per group of keys.
        deadline: when to give up, over all groups.

    Returns:
        For `invalid`: a witness as it was recorded. `unknown` where an operation cannot be judged.
    """

    def check(group: list[Operation]) -> Verdict:
        registers = as_registers(group)
        if registers is not None:
            verdict = check_register(registers)
            if verdict.is_valid or verdict.is_invalid:
                return verdict
        return check_linearizable(group, REDIS, steps_max, deadline)

    recorded = list(operations)
    return as_recorded(judged(recorded, CHECKER, check), recorded)


def as_recorded(verdict: Verdict, recorded: list[Operation]) -> Verdict:
    """Return a verdict on groups of keys with its witness as it was recorded."""
    return verdict._replace(witness=tuple(_one_as_recorded(each, recorded) for each in verdict.witness))


def _one_as_recorded(shown: Operation, recorded: list[Operation]) -> Operation:
    """Return the operation that was put under its group's key, and perhaps into a register's words, for a checker."""
    for each in recorded:
        if (each.process, each.invoke_us) == (shown.process, shown.invoke_us):
            grouped = each._replace(key=shown.key)
            if shown == grouped or as_registers([grouped]) == [shown]:
                return each
    return shown
