"""Why a compare-and-set failed: whether it found another value, or never happened.

Of an error that is a vector the first element says it, of a map its `:type`, of several words a keyword if they begin
with one, else what stands before the first colon, comma or bracket. Words that say no more than that it failed leave it
to what follows them: "CAS failed: did not match". Source: the clients of Jepsen's tests.
"""

import re
from typing import Any, Final

from trilemma.check.formats.edn_value import Map, write

FAILED: Final = ":failed"
"""The error of a compare-and-set that did nothing and names no reason, or the first part of one that names it: without
one it would be taken to have found another value."""

_OTHER_VALUE: Final = frozenset(
    ("did-not-match", "mismatch", "cas-mismatch", "value-mismatch", "not-equal", "unexpected-value")
)

_NOT_DONE: Final = frozenset(("did-not-succeed", "cas-failed", "compare-failed", "precondition-failed"))
"""What says so as well where nothing follows it."""

_PARTS: Final = re.compile(r"[:;,(\[{]")


def found_another(error: Any) -> bool:
    """Say whether a compare-and-set that failed with an error, or without one, found another value."""
    if error is None:
        return True
    if isinstance(error, tuple) and error:
        error = error[0]
    elif isinstance(error, Map):
        error = error.get(":type", b"")
    text = as_text(error).lower()
    if text.startswith(":"):
        text = " ".join(text[1:].split()[:1])
    parts = ["-".join(each.strip(" .!").split()) for each in _PARTS.split(text)]
    told = [each for each in parts if each and each not in _NOT_DONE]
    return told[0] in _OTHER_VALUE if told else any(parts)


def as_text(error: Any) -> str:
    """Return an error as a text."""
    if isinstance(error, bytes):
        return error.decode(errors="replace")
    return error if isinstance(error, str) else write(error)


def error_of(asked: Any, told: Any, error: Any) -> Any:
    """Return the error of a compare-and-set that failed, which may stand in place of its value, or begin there.

    Args:
        asked: the value that it began with.
        told: the value that it ended with; nil where there is none.
        error: what is told beside that; None where nothing is.
    """
    is_pair = isinstance(told, tuple) and len(told) == 2 and not isinstance(told[0], str)
    if told is None or told == asked or is_pair:
        return error
    if error is None:
        return told
    if not isinstance(told, str) or (told.startswith(":") and found_another(error)):
        return error
    return f"{as_text(told)} {as_text(error)}".encode()
