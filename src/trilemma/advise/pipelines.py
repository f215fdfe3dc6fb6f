"""The pipelines of a Python source, as redis-py has them: what they queue, and where what they watch is given up.

Knows names in functions, and branches; not what a pipeline is made of.
"""

from typing import Final, NamedTuple

from trilemma.advise.spot import Arm

QUEUEING: Final = ("pipeline", "batch")
"""Kinds of receivers that queue commands."""


class Named(NamedTuple):
    """A name of a pipeline in the function that uses it."""

    who: str
    name: str


class Pipelines:
    """What a source has told its pipelines so far, in the order written."""

    def __init__(self) -> None:
        self._watching: set[Named] = set()
        """Those that execute at once: after WATCH, until MULTI."""
        self._queueing: set[Named] = set()
        """Those that were told MULTI, and so queue for EXEC whatever they were made for."""
        self._given_up: dict[Named, list[tuple[int, tuple[Arm, ...]]]] = {}
        """Where one was reset: before which call, and in which branches."""

    def in_multi(self, which: Named, command: str, kind: str) -> bool:
        """Say whether a command is queued for EXEC; follow WATCH and MULTI."""
        if command == "watch":
            self._watching.add(which)
            return False
        if command in ("multi", "exec", "unwatch"):
            self._end(which)
            if command == "multi" and kind in QUEUEING:
                self._queueing.add(which)
            return False
        return which in self._queueing or (kind == "pipeline" and which not in self._watching)

    def reset(self, which: Named, number: int, arms: tuple[Arm, ...]) -> None:
        """Take note that a pipeline watches nothing any more, and queues again, before the call of a number."""
        if not any(arm.returns for arm in arms):
            self._end(which)
        self._given_up.setdefault(which, []).append((number, arms))

    def watches_since(self, which: Named, arms: tuple[Arm, ...]) -> int:
        """Return the number of the first call whose watches last until a call in some branches.

        What is reset in a branch beside may have left the function, or the round of a loop, so it does not count.
        """
        given_up = self._given_up.get(which, [])
        return max((number for number, its in given_up if all(each in arms for each in its)), default=0)

    def _end(self, which: Named) -> None:
        self._watching.discard(which)
        self._queueing.discard(which)
