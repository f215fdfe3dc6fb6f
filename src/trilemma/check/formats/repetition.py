"""Members that stand twice in a line of our own format, of which decoding takes the last without a word.

Nearly all lines are passed by counting colons; only the others are taken apart once more.
"""

import json
import re
from typing import TYPE_CHECKING, Final

from trilemma.check.formats.error import FormatError, column_of

if TYPE_CHECKING:
    from trilemma.check.formats.jsonlines import OperationLine

_REQUIRED: Final = 4
"""Members that each operation has."""
_USUAL: Final = 6
"""Members that most operations have: those, an end, and an argument or a result."""


def check_members(line: bytes, number: int, operation: "OperationLine") -> None:
    """Refuse the line of an operation that has a member twice, of which decoding takes the last.

    Quick: each member has a colon, so one with no more colons than members that say something has none twice.

    Raises:
        FormatError: it has.
    """
    colons = line.count(b":")
    has_plain_strings = colons != _USUAL and b"\\" not in line  # so that their colons can be told from the members'
    if has_plain_strings and operation.key.__class__ is str:
        colons -= operation.key.count(":")
    is_usual = operation.complete_us is not None and (operation.argument is not None or operation.result is not None)
    if colons == _USUAL and is_usual:
        return
    if colons != _members(operation) + (_colons(operation) if has_plain_strings else 0):
        refuse_repeated(line, number)


def _members(operation: "OperationLine") -> int:
    """Return how many members say something."""
    return (
        _REQUIRED
        + (operation.complete_us is not None)
        + (operation.argument is not None)
        + (operation.result is not None)
        + (operation.outcome != "ok")
        + (operation.node != "")
        + (operation.keyspace != "")
        + (operation.mode != "")
        + (operation.receipt is not None)
        + (operation.context is not None)
    )


def _colons(operation: "OperationLine") -> int:
    """Return how many colons plain strings have beside the key. What is nested is not counted: it is looked at."""
    words = (operation.argument, operation.result, operation.node, operation.keyspace)
    return sum([each.count(":") for each in words if each.__class__ is str])


def refuse_repeated(line: bytes, number: int) -> None:
    """Refuse a line that has a member twice, or a value that has: see `check_members`. Takes longer.

    Raises:
        FormatError: it has.
    """

    def look(members: list[tuple[str, object]]) -> None:
        seen: set[str] = set()
        for name, _ in members:
            if name in seen:
                again = [*re.finditer(rb'"%s"\s*:' % re.escape(name.encode()), line)][1:]
                at = column_of(line, again[0].start()) if again else 1  # none where it was spelled with escapes
                raise FormatError(number, at, f"the member {name!r} is there twice")
            seen.add(name)

    json.loads(line.decode(), object_pairs_hook=look, parse_int=str, parse_float=str)
