"""Defects: exceptions of a command's code that no input should be able to bring about, but one might.

A command that breaks must not end its node, and least of all every node that applies its entry, at every start again.
Such an exception becomes an error reply like any other, the same on every replica, because it follows from the command
and the rows alone; and the node says so in its log with all that is known. It tells what may have happened: code that
breaks before a command runs, as it runs, or as its reply is made has a text of its own. What says that the node itself
is broken (InvariantViolated, MemoryError, OSError, RecursionError) is not among them: it still stops the node.
"""

import traceback

from trilemma.base.errors import Outcome, ReplyError, error, register
from trilemma.node.redaction import redacted

register(
    "defect",
    "ERR a defect of this server ended '{command}' ({kind}); it may have been carried out in part",
    "read before you retry, and report it with the node's log",
    Outcome.MAYBE,
)
register(
    "defect_before",
    "ERR a defect of this server ended '{command}' ({kind}) before any of it was executed; nothing was written",
    "report it with the node's log",
)
register(
    "defect_after",
    "ERR a defect of this server lost the reply of '{command}' ({kind}), which was executed",
    "do not send it again before you have read what it wrote, and report it with the node's log",
    Outcome.HAPPENED,
)

DEFECTS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
_WORDS_MAX = 8
_WORD_BYTES_MAX = 64


def refused(argv: list[bytes], problem: Exception, name: str = "defect") -> ReplyError:
    """Return the error reply for a command that broke. Nothing in it differs between replicas.

    Args:
        name: of the error: `defect` where it broke as it ran, `defect_before`, or `defect_after` as its reply was made.
    """
    command = argv[0][:_WORD_BYTES_MAX].decode("ascii", "backslashreplace").lower()
    return error(name, command=command, kind=type(problem).__name__)


def described(argv: list[bytes], problem: Exception) -> str:
    """Return what people need to find the defect: the command, shortened, without passwords, and where it broke."""
    words = " ".join(repr(word[:_WORD_BYTES_MAX])[1:] for word in redacted(argv)[:_WORDS_MAX])
    return f"{words}: " + "".join(traceback.format_exception(problem)).rstrip()
