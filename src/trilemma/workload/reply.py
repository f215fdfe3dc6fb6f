"""What a reply says about its command: it happened, it never will, or nobody can tell.

Source: PROMISES §2, the three replies; FAULTS §4, pitfall 1.
"""

from collections.abc import Sequence
from typing import Any, Final

from trilemma.workload.step import Recorded, Reply, Step

REFUSALS: Final = (
    "ASK", "CLUSTERDOWN", "EXECABORT", "LOADING", "MASTERDOWN", "MISCONF", "MOVED", "NOREPLICAS", "OOM", "READONLY",
    "TRYAGAIN",
)  # fmt: skip
"""First words of the errors that prove that nothing was done."""

UNCERTAIN: Final = "UNCERTAIN"
"""First word of the error that says that the command may take effect."""

DEFECT: Final = "ERR a defect of this server "
"""How the errors begin of a command whose code, or whose reply's, broke: it may have been carried out."""

LOST: Final[tuple[Reply, ...]] = ()
"""The replies to a step whose connection broke, or whose client gave up waiting."""


def plain(reply: Reply) -> Any:
    """Return a reply in the words of a history: arrays as tuples, errors as text."""
    if isinstance(reply, Exception):
        return str(reply)
    if isinstance(reply, list | tuple):
        return tuple(plain(each) for each in reply)
    return reply


def judge(reply: Reply) -> Recorded:
    """Return what one reply says; an ordinary error, as of a wrong type, is a result that constrains."""
    result = plain(reply)
    word = result.split(" ", 1)[0] if isinstance(result, str) else ""
    if word in REFUSALS:
        return Recorded("fail", result)
    if word == UNCERTAIN or (isinstance(result, str) and result.startswith(DEFECT)):
        return Recorded("info", result)
    return Recorded("ok", result)


def judge_single(step: Step, replies: Sequence[Reply]) -> Recorded:
    """Return what became of a step of one command."""
    return judge(replies[0]) if len(replies) == len(step.commands) else Recorded("info")


def judge_transaction(step: Step, replies: Sequence[Reply]) -> Recorded:
    """Return what became of a step that ends with EXEC; the result is EXEC's array.

    An aborted transaction (a null reply) did nothing. One that was sent and not answered may have been executed.
    """
    if len(replies) < len(step.commands):
        return Recorded("info")
    recorded = judge(replies[-1])
    if recorded.outcome != "ok":
        return recorded
    if recorded.result is None or isinstance(recorded.result, str):
        return Recorded("fail", recorded.result)
    if any(judge(each).outcome != "ok" for each in recorded.result):
        return Recorded("info", recorded.result)
    return recorded
