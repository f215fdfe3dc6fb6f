"""What a reply says about its command: it happened, it never will, or nobody can tell.

Source: PROMISES §2, the three replies; FAULTS §4, pitfall 1.
"""

from collections.abc import Sequence
from typing import Any, Final

from trilemma.workload.step import Recorded, Reply, Step

TELLING: Final = (
    *("WRONGTYPE", "ERR value is not an integer", "ERR value is not a valid float", "ERR no such key"),
    *("ERR increment ", "ERR decrement ", "ERR offset is out of range", "ERR source and destination"),
    "ERR An LFU maxmemory policy",
)
"""How the error replies begin that depend on data: results that constrain, and that the models give too."""

REFUSALS: Final = frozenset(
    {"ASK", "BUSY", "CLUSTERDOWN", "CROSSSLOT", "DENIED", "EXECABORT", "LOADING", "MASTERDOWN", "MISCONF", "MOVED"}
    | {"NOAUTH", "NOPERM", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN", "WRONGPASS"}
)
"""First words of the errors that prove that nothing was done."""

NO_ROOM: Final = "ERR max number of clients reached"
"""What a connection is told that is closed at once."""

NOT_BEGUN: Final = "ERR EXEC without MULTI"
"""How EXEC says that it met no transaction."""

QUEUED: Final = b"QUEUED"

BLAMES: Final = (
    *(NO_ROOM, "ERR unknown command", "ERR unknown subcommand", "ERR wrong number of arguments", "ERR syntax error"),
    *("ERR invalid expire time", "ERR NX and XX", "ERR GT and LT", "ERR Unsupported option", "ERR DB index is out of"),
    *(
        "ERR string exceeds maximum",
        "ERR The specified keys must contain",
        "ERR key is longer than",
        "ERR not executed",
    ),
    *(NOT_BEGUN, "ERR MULTI calls can not be nested", "ERR Command not allowed inside a transaction"),
    *("ERR keyspace '", "ERR no keyspace '"),
)
"""How the other errors begin that prove it, because they blame the command, or the connection that it came on."""

APART: Final = "a transaction came apart, because MULTI was not answered OK or its commands were not queued: "
"""How the result begins of a transaction whose commands may have been carried out one by one."""

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
    """Return what one reply says.

    An error is a result only where it tells of the data, and a `fail` only where it is known to prove that nothing was
    done. Any other one, such as a time-out of a proxy, leaves open whether the command was carried out.
    """
    result = plain(reply)
    if not isinstance(result, str) or result.startswith(TELLING):
        return Recorded("ok", result)
    is_refusal = result.split(" ", 1)[0] in REFUSALS or result.startswith(BLAMES)
    return Recorded("fail" if is_refusal else "info", result)


def judge_single(step: Step, replies: Sequence[Reply]) -> Recorded:
    """Return what became of a step of one command."""
    return judge(replies[0]) if len(replies) == len(step.commands) else Recorded("info")


def judge_transaction(step: Step, replies: Sequence[Reply]) -> Recorded:
    """Return what became of a step that ends with EXEC; the result is EXEC's array."""
    return judge_exec(replies, len(step.commands))


def judge_exec(replies: Sequence[Reply], sent: int) -> Recorded:
    """Return what became of a transaction; the result is EXEC's array.

    An aborted one (a null reply) did nothing. One that was not answered to its end may have been executed. Where MULTI
    was refused, its commands may have been executed at once, one by one, whatever EXEC was told.

    Args:
        replies: to MULTI, to each command and to EXEC, as far as they came.
        sent: how many commands that were, MULTI and EXEC included.
    """
    if len(replies) < sent:
        return Recorded("info")
    recorded = judge(replies[-1])
    if all(judge(each).outcome == "fail" for each in replies):
        return recorded
    if not _is_queued(replies[:-1]):
        return Recorded("info", f"{APART}{', '.join(map(_shown, replies))}")
    if recorded.outcome != "ok":
        return recorded
    if recorded.result is None:
        return Recorded("fail")
    if any(isinstance(plain(each), str) for each in replies[:-1]):
        return Recorded("info", f"{APART}{', '.join(map(_shown, replies))}")
    done = recorded.result
    is_done = isinstance(done, tuple) and len(done) == sent - 2 and all(judge(each).outcome == "ok" for each in done)
    return Recorded("ok" if is_done else "info", done)


def came_apart(replies: Sequence[Reply], sent: int) -> bool:
    """Say whether each command of a transaction was answered by itself: EXEC met none, and nothing was queued.

    Args:
        replies: to MULTI, to each command and to EXEC, as far as they came.
        sent: how many commands that were, MULTI and EXEC included.
    """
    said = [plain(each) for each in replies]
    return len(said) == sent and isinstance(said[-1], str) and said[-1].startswith(NOT_BEGUN) and QUEUED not in said


def _shown(reply: Reply) -> str:
    shown = plain(reply)
    return shown if isinstance(shown, str) else repr(shown)


def _is_queued(replies: Sequence[Reply]) -> bool:
    """Say whether MULTI was answered OK, and each command after it was queued, or refused."""
    begun, *queued = map(plain, replies)
    return begun == b"OK" and all(each == QUEUED or isinstance(each, str) for each in queued)
