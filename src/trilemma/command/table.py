"""The command table: a command by its name, and the errors for those that are not in it (server.c of Redis 7.0)."""

from trilemma.base.errors import ReplyError, error, register
from trilemma.command import introspection
from trilemma.command.help import with_help
from trilemma.command.rows import ROWS
from trilemma.command.spec import CommandSpec, keys_of

register("unknown_command", "ERR unknown command '{name}', with args beginning with: {arguments}", "see COMMAND LIST")
register("unknown_subcommand", "ERR unknown subcommand '{name}'. Try {container} HELP.", "see HELP of the command")

SHOWN_BYTES_MAX = 128
"""How much of a bad command an error repeats."""

TABLE: dict[str, CommandSpec] = {row.name: row for row in ROWS}
TABLE["command"] = introspection.container(TABLE)
for _spec in TABLE.values():
    if _spec.subcommands:
        with_help(_spec)

_BY_WORD = {name.encode(): spec for name, spec in TABLE.items()} | {
    name.upper().encode(): spec for name, spec in TABLE.items()
}


def lookup(word: bytes) -> CommandSpec | None:
    """Return the command of a name in any case, or None. Cost: one dictionary look-up for all lower or all upper."""
    return _BY_WORD.get(word) or _BY_WORD.get(word.lower())


def lookup_argv(argv: list[bytes]) -> CommandSpec:
    """Return the command, or subcommand, that arguments name, once their number is right.

    Raises:
        ReplyError: unknown_command, unknown_subcommand, arity.
    """
    spec = lookup(argv[0])
    if spec is None:
        raise unknown_command(argv)
    if spec.subcommands and len(argv) > 1:
        spec = _subcommand(spec, argv[1])
    count = len(argv)
    if count != spec.arity if spec.arity >= 0 else count < -spec.arity:
        raise error("arity", command=spec.name)
    return spec


def _subcommand(container: CommandSpec, word: bytes) -> CommandSpec:
    found = container.subcommands.get(word.lower())
    if found is None:
        raise error("unknown_subcommand", name=_shown(word, SHOWN_BYTES_MAX), container=container.name.upper())
    return found


def _shown(word: bytes, room: int) -> str:
    """Return a word as C prints it: up to its first NUL, cut."""
    return word.partition(b"\x00")[0][:room].decode("utf-8", "surrogateescape")


def unknown_command(argv: list[bytes]) -> ReplyError:
    """Return the error for a command that is not in the table, with the beginning of its arguments."""
    arguments = b""
    for word in argv[1:]:
        if len(arguments) >= SHOWN_BYTES_MAX:
            break
        arguments += b"'%b' " % word.partition(b"\x00")[0][: SHOWN_BYTES_MAX - len(arguments)]
    shown = arguments.decode("utf-8", "surrogateescape")
    return error("unknown_command", name=_shown(argv[0], SHOWN_BYTES_MAX), arguments=shown)


__all__ = ["TABLE", "CommandSpec", "keys_of", "lookup", "lookup_argv", "unknown_command"]
