"""The errors for commands and subcommands that there are none of (server.c and networking.c of Redis 7.0)."""

from trilemma.base.errors import ReplyError, error, register

register("unknown_command", "ERR unknown command '{name}', with args beginning with: {arguments}", "see COMMAND LIST")
register("unknown_subcommand", "ERR unknown subcommand '{name}'. Try {container} HELP.", "see HELP of the command")
register(
    "subcommand_syntax",
    "ERR unknown subcommand or wrong number of arguments for '{name}'. Try {container} HELP.",
    "see HELP of the command",
)

SHOWN_BYTES_MAX = 128
"""How much of a bad command an error repeats."""


def _shown(word: bytes) -> str:
    """Return a word as C prints it: up to its first NUL, cut."""
    return word.partition(b"\x00")[0][:SHOWN_BYTES_MAX].decode("utf-8", "surrogateescape")


def unknown_command(argv: list[bytes]) -> ReplyError:
    """Return the error for a command that is not in the table, with the beginning of its arguments."""
    arguments = b""
    for word in argv[1:]:
        if len(arguments) >= SHOWN_BYTES_MAX:
            break
        arguments += b"'%b' " % word.partition(b"\x00")[0][: SHOWN_BYTES_MAX - len(arguments)]
    shown = arguments.decode("utf-8", "surrogateescape")
    return error("unknown_command", name=_shown(argv[0]), arguments=shown)


def unknown_subcommand(container: str, word: bytes) -> ReplyError:
    """Return the error for a subcommand that is not in the table."""
    return error("unknown_subcommand", name=_shown(word), container=container.upper())


def subcommand_syntax(container: str, word: bytes) -> ReplyError:
    """Return the error for what a command that looks at its subcommands itself makes nothing of."""
    return error("subcommand_syntax", name=_shown(word), container=container.upper())
