"""What nobody is shown of a command: passwords, wherever they stand, also in a command that is named to another one.

Owns which words those are; MONITOR (node/monitor.py) and the log of defects (node/defect.py) show the rest. Goes by
names alone, so that a command that is refused for its arguments tells no more than one that is carried out.
"""

from collections.abc import Sequence

from trilemma.command.spec import CommandSpec
from trilemma.command.table import lookup
from trilemma.command.wrapping import WRAPPED_AT

REDACTED = b"(redacted)"


def redacted(argv: Sequence[bytes]) -> list[bytes]:
    """Return the words of a command as others may see them."""
    shown = list(argv)
    begin = 0
    while (spec := _named(argv, begin)) is not None and spec.name in WRAPPED_AT:
        begin += WRAPPED_AT[spec.name]
    if spec is not None:
        for place in _secrets(spec.name, argv, begin):
            shown[place] = REDACTED
    return shown


def _named(argv: Sequence[bytes], begin: int) -> CommandSpec | None:
    """Return the command, or subcommand, whose name stands at a place."""
    spec = lookup(argv[begin]) if begin < len(argv) else None
    if spec is not None and spec.subcommands and begin + 1 < len(argv):
        return spec.subcommands.get(argv[begin + 1].lower())
    return spec


def _secrets(name: str, argv: Sequence[bytes], begin: int) -> list[int]:
    """Return the places of secrets: all of AUTH's words, two after HELLO's AUTH, the values of CONFIG SET."""
    places = range(begin + 1, len(argv))
    if name == "auth":
        return list(places)
    if name == "config|set":
        return list(range(begin + 3, len(argv), 2))
    if name != "hello":
        return []
    return [place for place in places if b"AUTH" in [word.upper() for word in argv[max(begin + 1, place - 2) : place]]]
