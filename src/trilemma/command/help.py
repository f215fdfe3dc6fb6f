"""HELP of the commands that have subcommands, made from the table in Redis' form (addReplyHelp of networking.c)."""

from trilemma.command.row import node
from trilemma.command.session import SessionPort
from trilemma.command.spec import CommandSpec
from trilemma.command.usage import written
from trilemma.keyspace.settings import HELP as SETTINGS
from trilemma.resp.reply import Reply, Simple

SINCE = {"function": "7.0.0", "object": "6.2.0", "cap": "0.1.0", "keyspace": "0.1.0"}
SINCE_OF_OTHERS = "5.0.0"

AREAS = frozenset({"@connection", "@keyspace", "@scripting", "@trilemma"})
"""The ACL categories that HELP shares with the subcommands beside it."""


def with_help(container: CommandSpec) -> CommandSpec:
    """Add HELP to a container, and return it."""

    def answer(_port: SessionPort, _argv: list[bytes]) -> Reply:
        return status_lines(*help_lines(container))

    areas = {category for one in container.subcommands.values() for category in one.categories} & AREAS
    words = " ".join(("loading stale", *areas))
    since = SINCE.get(container.name, SINCE_OF_OTHERS)
    name = f"{container.name}|help"
    container.subcommands[b"help"] = node(name, 2, container.group, words, since, "Print this help.", answer)
    return container


def status_lines(*lines: str) -> Reply:
    """Return lines as HELP answers with them."""
    return tuple(Simple(line.encode()) for line in lines)


def help_lines(container: CommandSpec) -> list[str]:
    """Return what HELP prints, a line per element."""
    lines = [f"{container.name.upper()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for word, spec in sorted(container.subcommands.items()):
        lines += [f"{word.decode().upper()} {written(spec.name)}".rstrip(), f"    {spec.summary.rstrip('.')}."]
    return [*lines, *SETTINGS] if container.name == "keyspace" else lines
