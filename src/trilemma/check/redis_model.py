"""A few Redis keys as one sequential model: any string or key command, alone or in a transaction.

Operations: `command` (argument: the command, its name in capitals first; result: the reply) and `transaction`
(argument: a tuple of commands; result: a tuple of replies). An aborted transaction had no effect: record it as `fail`.
The state is a tuple of (key, entry) in order of keys; no key exists at first.
"""

from functools import partial
from typing import Any, Final

from trilemma.check import redis_keys, redis_object, redis_strings
from trilemma.check.history import Operation
from trilemma.check.model import Model
from trilemma.check.redis_entry import Data, Entry, Refusal

_COMMANDS: Final = redis_strings.COMMANDS | redis_keys.COMMANDS | redis_object.COMMANDS
_READS: Final = redis_strings.READS | redis_keys.READS | redis_object.READS

State = tuple[tuple[bytes, Entry], ...]


def reply(data: Data, command: tuple[bytes, ...], told: Any = None, *, is_exact: bool = False) -> Any:
    """Carry out one command on `data`, and return Redis' reply (for an error: its text, and nothing has changed).

    Args:
        told: what the store replied, where that is known: a sum of INCRBYFLOAT may be rounded as this one was.
        is_exact: whether sums of INCRBYFLOAT are kept exactly, and rounded as they are shown.
    """
    try:
        if command[0] == b"INCRBYFLOAT":
            return redis_strings.incrbyfloat_as_told(data, command[1:], told, is_exact=is_exact)
        return _COMMANDS[command[0]](data, command[1:])
    except Refusal as refusal:
        return str(refusal)


def _commands(operation: Operation) -> tuple[tuple[bytes, ...], ...]:
    if operation.kind == "command":
        return (operation.argument,)
    if operation.kind == "transaction":
        return tuple(operation.argument)
    raise ValueError(f"the Redis model has no operation {operation.kind!r}")


def _step(state: State, operation: Operation, *, is_exact: bool = False) -> tuple[bool, State]:
    data = dict(state)
    commands = _commands(operation)
    told = (operation.result,) if operation.kind == "command" else operation.result
    hints = told if isinstance(told, tuple) and len(told) == len(commands) else (None,) * len(commands)
    replies = tuple(
        reply(data, command, hint, is_exact=is_exact) for command, hint in zip(commands, hints, strict=True)
    )
    return operation.outcome == "info" or replies == told, tuple(sorted(data.items()))


def _is_read(operation: Operation) -> bool:
    return all(command[0] in _READS for command in _commands(operation))


_NO_KEYS: Final[State] = ()

REDIS: Final = Model("redis", _NO_KEYS, _step, _is_read)
"""Redis' strings and keys."""

REDIS_WITH_EXACT_SUMS: Final = Model("redis with exact sums", _NO_KEYS, partial(_step, is_exact=True), _is_read)
"""The same as `ap` counts: a sum of INCRBYFLOAT is rounded only as it is shown."""
