"""One client's operations under way: process numbers, and what a reply says of its command.

A process is what one thread, or one task of asyncio, sends by one client: what several do that share a client is not
one sequence, for the one does not know what the other has read. After an unknown outcome it goes on under a new number,
and what overlaps has numbers of its own. Source: FAULTS §4, pitfalls 1 and 2.
"""

import asyncio
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from trilemma.check.history import Outcome
from trilemma.check.redis_history import Command
from trilemma.client.attempts import Asked, Attempts, asked, own_reply
from trilemma.workload.reply import came_apart, judge, judge_exec

if TYPE_CHECKING:
    from trilemma.client.recording import Recording

UNRECORDED: Final = frozenset(
    {b"AUTH", b"CAP", b"CLIENT", b"CLUSTER", b"COMMAND", b"CONFIG", b"DBSIZE", b"ECHO", b"HELLO", b"INFO", b"KEYS"}
    | {b"KEYSPACE", b"LAB", b"LATENCY", b"MEMORY", b"OBJECT", b"PING", b"QUIT", b"RANDOMKEY", b"ROLE", b"SCAN", b"TIME"}
    | {b"UNWATCH", b"WAIT", b"WATCH"}
)
"""Commands that change no data and are not judged. All others are recorded, whether a checker knows them or not."""

_EMPTYING: Final = (b"KEYSPACE", b"DROP")
"""Takes all keys of a keyspace away, as no other command of KEYSPACE does."""


def is_recorded(command: Command) -> bool:
    """Say whether a command is part of the history: it reads or changes data."""
    return command[0] not in UNRECORDED or (command[0], *(word.upper() for word in command[1:2])) == _EMPTYING


def recorded(commands: Sequence[Command]) -> tuple[Command, ...]:
    """Return the commands that a transaction is recorded with."""
    return tuple(each for each in commands if is_recorded(each))


class Use:
    """One use of a process number, by one operation or a pipeline of them. It is free again once all of them are closed
    and none of the outcomes is unknown: what may happen yet is still under way."""

    __slots__ = ("_free", "_is_lost", "_open", "process")

    def __init__(self, free: list[int], process: int, operations: int = 1) -> None:
        self._free = free
        self._open = operations
        self._is_lost = False
        self.process = process

    def closed(self, *, is_known: bool) -> None:
        """Take note that one operation is closed."""
        self._open -= 1
        self._is_lost |= not is_known
        if not self._open and not self._is_lost and self.process not in self._free:
            self._free.append(self.process)


class Note:
    """One operation under way, or one attempt at it: closed once, by what became of it."""

    __slots__ = ("_attempts", "_begun_us", "_is_explained", "_number", "_recording", "_use")

    def __init__(self, recording: "Recording", use: Use, number: int, attempts: Attempts | None = None) -> None:
        self._recording = recording
        self._use = use
        self._number = number
        self._attempts = attempts
        self._begun_us = recording.now_us()
        self._is_explained = False
        if attempts is not None:
            attempts.begin()

    def explained(self) -> "Note":
        """Expect a receipt beside the reply (CAP EXPLAIN); return this note."""
        self._is_explained = True
        return self

    def close(self, outcome: Outcome, result: Any = None) -> None:
        """Note the outcome, now."""
        with self._recording.lock:
            if self._attempts is None:
                self._recording.complete(self._number, outcome, result)
            else:
                self._close_attempt(self._attempts, outcome, result)
            self._release(is_known=self._recording.operation(self._number).outcome != "info")

    def _close_attempt(self, attempts: Attempts, outcome: Outcome, result: Any) -> None:
        told = attempts.close(outcome)
        if told is not None and self._recording.operation(self._number).outcome != "ok":
            self._recording.complete(self._number, told, result)
        elif outcome == "ok":
            self._recording.tell_again(self._number, self._begun_us, result)

    def _release(self, *, is_known: bool) -> None:
        with self._recording.lock:
            self._use.closed(is_known=is_known)

    def unsent(self) -> None:
        """Note that no byte has left: it did not happen and never will."""
        self.close("fail")

    def lost(self) -> None:
        """Note that it was sent and not answered: it may have happened, or may yet."""
        self.close("info")

    def answered(self, reply: Any) -> None:
        """Note what the reply says; an error reply is its text. One that only the command is to blame for, as for too
        many arguments, did nothing and says nothing of the data."""
        self.close(*_told(own_reply(reply) if self._is_explained else reply))

    def executed(self, seen: Sequence[Any], replies: Sequence[Any], commands: Sequence[Command]) -> None:
        """Note what became of a transaction; where it came apart, of each of its commands.

        Args:
            seen: replies to guarded reads, which belong to it.
            replies: to MULTI, to each command, to EXEC, as far as they came.
            commands: what was to be queued, unrecorded ones included.
        """
        sent = len(commands) + 2
        kept = [place for place, each in enumerate(commands) if is_recorded(each)]
        if came_apart(replies, sent):
            self._came_apart([commands[place] for place in kept], [replies[place + 1] for place in kept])
            return
        judged = judge_exec(replies, sent)
        done = (*seen, *(judged.result[place] for place in kept)) if judged.outcome == "ok" else None
        self.close(judged.outcome, done)

    def _came_apart(self, commands: Sequence[Command], replies: Sequence[Any]) -> None:
        """Note commands that were carried out one by one. What was read before is noted already, and guards nothing."""
        if not commands:
            self.unsent()
            return
        numbers = self._recording.divide(self._number, commands)
        told = [_told(reply) for reply in replies]
        for number, (outcome, result) in zip(numbers, told, strict=True):
            self._recording.complete(number, outcome, result)
        self._release(is_known=all(outcome != "info" for outcome, _ in told))


def _told(reply: Any) -> tuple[Outcome, Any]:
    recorded = judge(reply)
    return recorded.outcome, recorded.result if recorded.outcome == "ok" else None


class Processes:
    """The process numbers of one client."""

    def __init__(self, recording: "Recording", node: str) -> None:
        self._recording = recording
        self._free: WeakKeyDictionary[object, list[int]] = WeakKeyDictionary()
        """The numbers that are not in use, by the thread or task that they belong to."""
        self.node = node

    def begin(self, kind: str, argument: Any, first: Command) -> Note:
        """Note that an operation begins, now, before its first byte leaves."""
        with self._recording.lock:
            return self._note(self._use(), kind, argument, first)

    def begin_sent(self, sent: Command) -> Note | None:
        """Note that a command begins; None for one that is not recorded."""
        return self.begin_all([sent])[0]

    def begin_all(self, sent: Sequence[Command]) -> list[Note | None]:
        """Note that commands of one pipeline begin together; they share a process, because their order is sure.

        Returns:
            A note for each command; None for one that is not recorded.
        """
        with self._recording.lock:
            use = self._use(len(sent))
            return [self._begin_asked(asked(each), use) for each in sent]

    def _begin_asked(self, one: Asked, use: Use) -> Note | None:
        note = self._noted(one, use)
        if note is None:
            use.closed(is_known=True)
        return note.explained() if note is not None and one.is_explained else note

    def _noted(self, one: Asked, use: Use) -> Note | None:
        if not is_recorded(one.command):
            return None
        if one.token is not None:
            return self._attempt(one.token, one.command, use)
        return self._note(use, "command", one.command, one.command)

    def _attempt(self, token: bytes, command: Command, use: Use) -> Note:
        """Begin, or go on with, a command that is executed once: all attempts are one operation, from the first on
        that was not refused.

        The number of a process that has gone on since is never free again by a further attempt.
        """
        attempts = self._recording.attempts.get((token, command))
        known = None if attempts is None else self._recording.operation(attempts.number)
        if attempts is not None and known is not None and known.outcome != "fail":
            use.closed(is_known=True)
            return Note(self._recording, Use([], known.process), attempts.number, attempts)
        number = self._recording.invoke(use.process, self.node, "command", command, command)
        attempts = self._recording.attempts[token, command] = Attempts(number)
        return Note(self._recording, use, number, attempts)

    def _use(self, operations: int = 1) -> Use:
        free = self._free_of_caller()
        return Use(free, free.pop() if free else self._recording.new_process(), operations)

    def _note(self, use: Use, kind: str, argument: Any, first: Command) -> Note:
        return Note(self._recording, use, self._recording.invoke(use.process, self.node, kind, argument, first))

    def _free_of_caller(self) -> list[int]:
        return self._free.setdefault(_caller(), [])


def _caller() -> object:
    """Return the task of asyncio that runs in this thread, else the thread."""
    try:
        return asyncio.current_task() or threading.current_thread()
    except RuntimeError:  # no event loop runs in this thread
        return threading.current_thread()
