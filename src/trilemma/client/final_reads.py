"""Final reads: whether they came after everything that they are to show. Pure.

A read shows nothing of what came after it, nor for certain of what it overlapped; equal stamps are concurrent.
"""

from collections.abc import Iterable
from typing import Final

from trilemma.check.history import Operation
from trilemma.check.lost import CHECKER
from trilemma.check.redis_history import READS, commands_of, keys_of
from trilemma.check.verdict import Verdict, unknown

AGAIN: Final = "call history.read_finals(cluster) again, when nothing is changed any more"


def unseen(operations: Iterable[Operation], finals: Iterable[Operation]) -> Verdict | None:
    """Return `unknown` where final reads cannot show what became of all operations.

    Of every key that is named by what did not fail there must be one, and none may have begun before a change of the
    key was over. Of what is in doubt no more is asked than that it began before: it may take effect after any read.
    """
    first_us: dict[bytes, int] = {}
    for read in finals:
        first_us[read.key] = min(read.invoke_us, first_us.get(read.key, read.invoke_us))
    for each in operations:
        if each.outcome == "fail":
            continue
        over_us = each.end_us if each.outcome == "ok" else each.invoke_us
        for command in commands_of(each):
            for key in keys_of(command):
                if key not in first_us or (command[0] not in READS and over_us >= first_us[key]):
                    return unknown(CHECKER, f"no final read of {key!r} came after {each.describe()}: {AGAIN}")
    return None
