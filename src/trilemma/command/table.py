"""The command table: a command by its name (lookupCommand of server.c, Redis 7.0)."""

from trilemma.base.errors import error
from trilemma.command import introspection
from trilemma.command.help import with_help
from trilemma.command.rows import ROWS
from trilemma.command.spec import CommandSpec, keys_of
from trilemma.command.unknown import unknown_command, unknown_subcommand

TABLE: dict[str, CommandSpec] = {row.name: row for row in ROWS}
TABLE["command"] = introspection.command_command(TABLE)
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
        raise unknown_subcommand(container.name, word)
    return found


__all__ = ["TABLE", "CommandSpec", "keys_of", "lookup", "lookup_argv", "unknown_command"]
