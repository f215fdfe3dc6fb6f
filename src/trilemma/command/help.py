"""HELP of the commands that have subcommands, made from the table in Redis' form (addReplyHelp of networking.c)."""

from trilemma.command.session import SessionPort
from trilemma.command.spec import CommandSpec
from trilemma.keyspace.settings import HELP as SETTINGS
from trilemma.resp.reply import Reply, Simple


def with_help(container: CommandSpec) -> CommandSpec:
    """Add HELP to a container, and return it."""

    def answer(_port: SessionPort, _argv: list[bytes]) -> Reply:
        lines: list[Reply] = [Simple(line.encode()) for line in help_lines(container)]
        return lines

    container.subcommands[b"help"] = CommandSpec(
        f"{container.name}|help",
        2,
        container.group,
        "Print this help.",
        ("loading", "stale"),
        ("@slow",),
        since=container.since,
        session_handler=answer,
    )
    return container


def help_lines(container: CommandSpec) -> list[str]:
    """Return what HELP prints, a line per element."""
    lines = [f"{container.name.upper()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for word, spec in sorted(container.subcommands.items()):
        lines += [f"{word.decode().upper()}{_arguments(spec.arity)}", f"    {spec.summary.rstrip('.')}."]
    return [*lines, *SETTINGS] if container.name == "keyspace" else lines


def _arguments(arity: int) -> str:
    """Return how many arguments follow, as a usage line shows it."""
    least = abs(arity) - 2
    return " <arg>" * least + (" [<arg> ...]" if arity < 0 else "")
