"""Carrying out a unit against a view: the one place where commands of a shard run, on whatever kind of replica."""

from collections.abc import Callable

from trilemma.base.errors import ReplyError
from trilemma.base.invariant import invariant
from trilemma.command.context import DataContext
from trilemma.command.safety import warnings
from trilemma.command.table import lookup
from trilemma.datatype.view import View
from trilemma.keyspace.settings import Keyspace
from trilemma.node import internal
from trilemma.node.defect import DEFECTS, described, refused
from trilemma.node.unit import Part, Result, Unit
from trilemma.resp.reply import ErrorReply, Reply, encode

Handler = Callable[[DataContext, list[bytes]], Reply]


def handler_of(argv: list[bytes]) -> Handler:
    """Return what executes a command; internal ones begin with NUL, which no client can send past the table."""
    if argv[0][:1] == b"\x00":
        return internal.HANDLERS[argv[0]]
    spec = lookup(argv[0])
    if spec is not None and spec.subcommands:
        spec = spec.subcommands.get(argv[1].lower())
    invariant(spec is not None and spec.handler is not None, "only data commands reach a shard")
    return spec.handler  # type: ignore[union-attr,return-value]


def run(view: View, db: int, argv: list[bytes], protocol: int) -> bytes:
    """Execute one command and return its encoded reply. An error of the command is a reply like any other."""
    try:
        return encode(_reply_of(view, db, argv), protocol)
    except ReplyError as problem:
        return encode(ErrorReply(problem.text), protocol)
    except DEFECTS as problem:
        return encode(_defective(view, argv, problem), protocol)


def reply_of(view: View, db: int, argv: list[bytes]) -> Reply:
    """Execute one command and return its reply, an error of the command among them."""
    try:
        return _reply_of(view, db, argv)
    except ReplyError as problem:
        return ErrorReply(problem.text)
    except DEFECTS as problem:
        return _defective(view, argv, problem)


def _reply_of(view: View, db: int, argv: list[bytes]) -> Reply:
    return handler_of(argv)(DataContext(view, db), argv)


def _defective(view: View, argv: list[bytes], problem: Exception, name: str = "defect") -> ErrorReply:
    view.defects.append(described(argv, problem))
    return ErrorReply(refused(argv, problem, name).text)


def warnings_of(unit: Unit, keyspace: Keyspace) -> Reply:
    """Return the warnings of a receipt: what the unit's one command does not give on its keyspace's mode."""
    own = internal.own_words(unit.argv)
    return [text.encode() for text in warnings(own, keyspace.mode.value, is_once=own is not unit.argv)]


def _run_part(view: View, part: Part, protocol: int) -> bytes:
    view.next_part()
    return run(view, part.db, part.argv, protocol)


def run_unit(view: View, unit: Unit) -> Result:
    """Execute a unit whole: a transaction's watches first, then all its commands with nothing in between."""
    if unit.parts or unit.watches:
        try:
            if any(view.version(watch.db, watch.key) != watch.version for watch in unit.watches):
                return None
        except DEFECTS as problem:
            return encode(_defective(view, [b"exec"], problem, "defect_before"), unit.protocol)
        return [_run_part(view, part, unit.protocol) for part in unit.parts]
    return [run(view, unit.db, unit.argv, unit.protocol)]


__all__ = ["Handler", "Part", "handler_of", "reply_of", "run", "run_unit", "warnings_of"]
