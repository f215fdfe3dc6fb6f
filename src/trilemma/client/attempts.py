"""What CAP says before a command: EXPLAIN, whose reply holds its reply, and ONCE, whose attempts are one operation.

A token belongs to a db and shard, and stands for one command there. Recording clients use one db, and the command names
the keys, so token and command together name what is executed once. Source: docs/promises.md, CAP ONCE.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from trilemma.base.limits import ONCE_KEPT_MS_MIN
from trilemma.check.history import Operation, Outcome
from trilemma.check.once import CHECKER
from trilemma.check.redis_history import Command
from trilemma.check.verdict import Verdict, invalid

EXPLAIN_WORDS_MIN: Final = 3
"""CAP, EXPLAIN, and a command's name."""

ONCE_WORDS_MIN: Final = 4
"""CAP, ONCE, a token, and a command's name."""


REMEMBERED_US: Final = ONCE_KEPT_MS_MIN * 1_000
"""How long a token is remembered at least. Once it is forgotten, its command is executed again."""

_SAME_IN_EACH_PROTOCOL: Final = (int, bytes, str, type(None))


class Asked(NamedTuple):
    """A command without what CAP says before it."""

    command: Command
    token: bytes | None
    """Under which it is executed at most once."""
    is_explained: bool


def asked(sent: Command) -> Asked:
    """Return what a command as it was sent asks for; one that CAP does not go before is itself."""
    is_explained = _begins(sent, b"EXPLAIN", EXPLAIN_WORDS_MIN)
    inner = _named(sent[2:]) if is_explained else sent
    if _begins(inner, b"ONCE", ONCE_WORDS_MIN):
        return Asked(_named(inner[3:]), inner[2], is_explained)
    return Asked(inner, None, is_explained)


def _begins(command: Command, word: bytes, words_min: int) -> bool:
    return len(command) >= words_min and command[0] == b"CAP" and command[1].upper() == word


def _named(command: Command) -> Command:
    return (command[0].upper(), *command[1:])


def own_reply(reply: Any) -> Any:
    """Return a command's own reply of an explained one: the first of two. A refusal is its own explanation."""
    return reply[0] if isinstance(reply, tuple) and reply else reply


def is_another(first: Any, reply: Any) -> bool:
    """Say whether a reply is surely not the first one told again.

    The protocols RESP2 and RESP3 tell numbers with a point, maps and sets in forms of their own: these say nothing.
    """
    if isinstance(first, tuple) and isinstance(reply, tuple):
        return all(type(each) in _SAME_IN_EACH_PROTOCOL for each in (*first, *reply)) and first != reply
    return type(first) in _SAME_IN_EACH_PROTOCOL and type(reply) in _SAME_IN_EACH_PROTOCOL and first != reply


def told_apart(retold: Iterable[tuple[Operation, Operation]]) -> Verdict | None:
    """Return `invalid` where an operation that is executed once was told another reply than its first."""
    for first, other in retold:
        reason = f"{first.argument!r} was answered {first.result!r}, then {other.result!r}, under one token of CAP ONCE"
        return invalid(CHECKER, reason, [first, other])
    return None


class Attempts:
    """The attempts of one command under one token, which are one operation."""

    __slots__ = ("_is_lost", "_open", "number")

    def __init__(self, number: int) -> None:
        self._open = 0
        self._is_lost = False
        self.number = number
        """Of the operation."""

    def begin(self) -> None:
        """Take note that it is sent, once more."""
        self._open += 1

    def close(self, outcome: Outcome) -> Outcome | None:
        """Take note of what became of one attempt.

        Returns:
            What that says of the operation: one answer is enough for `ok`; `fail` is proven only where every attempt
            was refused, for a refusal speaks of its own attempt. None: nothing yet, for others are under way.
        """
        self._open -= 1
        self._is_lost |= outcome == "info"
        if outcome == "ok":
            return outcome
        if self._open:
            return None
        return "info" if self._is_lost else "fail"
