"""CAP ONCE token command: executed at most once per token, db and shard; the first reply is given again.

The token, a hash of the command and the first reply are rows of the shard, written in the batch of the command's own
effect, so fail-over, restarts and snapshots carry them along. An error of the command, such as WRONGTYPE, is a reply
like any other; a refusal (CLUSTERDOWN, UNCERTAIN) is none: nothing of the kind is ever made where entries are applied.
Knows how a unit is made and executed, not how it travels; the rows are datatype/once.py's.
Source: Ongaro's thesis, §6.3, "Implementing linearizable semantics", with tokens for sessions and serial numbers.
"""

from trilemma.base.errors import Outcome, error, register
from trilemma.base.limits import ONCE_KEPT_MS_MIN, ONCE_REPLY_BYTES_MAX, ONCE_TOKEN_BYTES_MAX
from trilemma.command.table import CommandSpec, lookup, lookup_argv
from trilemma.datatype.once import Kept, OnceTable, command_hash
from trilemma.datatype.view import View
from trilemma.keyspace.settings import Keyspace
from trilemma.node import internal
from trilemma.node.execute import reply_of
from trilemma.node.unit import Result, Unit
from trilemma.resp.reply import RESP2, RESP3, ErrorReply, encode

register(
    "once_token",
    "ERR CAP ONCE: a token has 1 to {limit} bytes",
    "draw a fresh random token per request, such as a UUID",
)
register(
    "once_data_only",
    "ERR CAP ONCE takes a command that reads or writes keys that it names: not KEYS, SCAN, FLUSHALL and the like, nor "
    "WATCH or EXEC",
    "name such a command; CAP EXPLAIN goes before CAP ONCE",
)
register(
    "once_on_ap",
    "ERR CAP ONCE: keyspace '{name}' is ap, where each side of a cut would execute the command without asking the "
    "other; it was not executed",
    "keep what must happen once in a cp or ca keyspace; on ap use commands that may happen twice, such as SET",
)
register(
    "once_in_multi",
    "ERR CAP ONCE is not allowed inside MULTI: a transaction has no single reply to repeat",
    "send DISCARD; let the transaction set a key that tells whether it was executed, and WATCH that key",
)
register(
    "once_other_command",
    "ERR CAP ONCE: the token was given with another command before; this one was not executed",
    "draw a fresh token per request, and repeat a token only with the very same command",
)
register(
    "once_reply_not_kept",
    "ERR CAP ONCE: the command was executed before; its reply of more than {limit} bytes was not kept",
    "do not send it again; read what it wrote",
    Outcome.HAPPENED,
)
register(
    "once_full",
    "TRYAGAIN keyspace '{name}' ({mode}): all room is taken by tokens of CAP ONCE younger than {minutes} minutes; "
    "this command was not executed",
    "send it again later, with the same token",
)

MINUTE_MS = 60_000


def checked(argv: list[bytes]) -> tuple[CommandSpec, list[bytes]]:
    """Return the command that CAP ONCE token command names: its row in the table, its arguments.

    Raises:
        ReplyError: once_token; once_data_only; what the table says of a wrong command.
    """
    if not 1 <= len(argv[2]) <= ONCE_TOKEN_BYTES_MAX:
        raise error("once_token", limit=ONCE_TOKEN_BYTES_MAX)
    inner = argv[3:]
    spec = lookup_argv(inner)
    if spec.handler is None:
        raise error("once_data_only")
    return spec, inner


def logged(argv: list[bytes]) -> list[bytes]:
    """Return the arguments of a unit for CAP ONCE token command."""
    return [internal.ONCE, *argv[2:]]


def is_once(unit: Unit) -> bool:
    """Say whether a unit is CAP ONCE."""
    return bool(unit.argv) and unit.argv[0] == internal.ONCE


def is_known(table: OnceTable, unit: Unit) -> bool:
    """Say whether the token of such a unit was given before."""
    return table.find(unit.db, unit.argv[1]) is not None


def run_once(view: View, table: OnceTable, unit: Unit, keyspace: Keyspace) -> Result:
    """Execute the unit's command unless its token is known; deterministic, on every replica alike."""
    token, argv = unit.argv[1], unit.argv[2:]
    spec = lookup(argv[0])
    told = command_hash(argv, 2 if spec is not None and spec.subcommands else 1)
    kept = table.find(unit.db, token)
    if kept is None:
        if not table.make_room(view.now_ms):
            minutes = ONCE_KEPT_MS_MIN // MINUTE_MS
            return _refused("once_full", name=keyspace.name, mode=keyspace.mode.value, minutes=minutes)
        reply = reply_of(view, unit.db, argv)
        resp2, resp3 = encode(reply, RESP2), encode(reply, RESP3)
        table.remember(unit.db, token, Kept(view.now_ms, told, resp2, b"" if resp3 == resp2 else resp3))
        return [resp3 if unit.protocol == RESP3 else resp2]
    if kept.command_hash != told:
        return _refused("once_other_command")
    if not kept.resp2:
        return _refused("once_reply_not_kept", limit=ONCE_REPLY_BYTES_MAX)
    return [kept.resp3 or kept.resp2 if unit.protocol == RESP3 else kept.resp2]


def _refused(name: str, /, **fields: object) -> Result:
    return [encode(ErrorReply(error(name, **fields).text), RESP2)]
