"""Connections: what a client says about its connection itself, around writes and reads of registers.

Transactions that are given up (DISCARD, RESET), watches that are dropped (UNWATCH, DISCARD, RESET) or hold (EXEC is
aborted by one's own write), other databases, READONLY and READWRITE, greetings (HELLO, AUTH, CLIENT), PING and ECHO,
QUIT. A step is what is sent at once. Operations: `session` (argument: the commands; result: per command that was
answered, outcome and reply). What they mean for registers, and which replies are right, only the connection's whole
history tells: `check.connection`.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from trilemma.workload.reply import judge
from trilemma.workload.rotation import Rotation
from trilemma.workload.step import Command, Recorded, Reply, Step

ROTATION: Final = 60
"""Steps before the registers are left for fresh ones."""

DATABASES: Final = (b"3", b"15")

Commands = tuple[Command, ...]


class Connections:
    """Steps over `keys` registers.

    Args:
        has_databases: whether databases other than 0 may be used: others may flush or list them.
        goes_on: whether a write is sent behind QUIT, which nobody answers: where each request must be, none is.
    """

    def __init__(
        self, rng: Random, prefix: bytes, keys: int = 3, *, has_databases: bool = True, goes_on: bool = True
    ) -> None:
        self._rng = rng
        self._rotation = Rotation(prefix + b"q", keys, ROTATION)
        self._goes_on = goes_on
        self._drawn = 0
        self._elsewhere: dict[tuple[bytes, bytes], None] = {}
        """Databases and keys that were written there."""
        steps = [self._plain] * 4 + [self._given_up] * 3 + [self._unwatched] * 3
        steps += [self._watched, self._mixed, self._stale, self._greeted, self._told, self._renewed]
        self._steps: list[Callable[[bytes], Commands]] = [*steps, *[self._in_database] * has_databases]

    def next(self, process: int) -> Step:
        """Return what is sent at once: some commands on one register, or about the connection."""
        self._drawn += 1
        key = self._rng.choice(self._rotation.step())
        if self._rng.random() < 0.03:
            return self._step(process, key, ((b"QUIT",), self._set(key))[: 1 + self._goes_on])
        return self._step(process, key, self._rng.choice(self._steps)(key))

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of a step: `ok` where each command was answered, and none refused."""
        told = tuple(tuple(judge(reply)) for reply in replies)
        is_done = len(told) == len(step.commands) and all(outcome == "ok" for outcome, _ in told)
        return Recorded("ok" if is_done else "info", told)

    def finals(self, process: int) -> list[Step]:
        """Return one GET per register, those in other databases too."""
        here = [self._step(process, key, ((b"GET", key),)) for key in self._rotation.all()]
        there = [
            self._step(process, key, ((b"SELECT", db), (b"GET", key), (b"SELECT", b"0"))) for db, key in self._elsewhere
        ]
        return here + there

    @staticmethod
    def _step(process: int, key: bytes, commands: Commands) -> Step:
        return Step(process, commands, "session", key, commands)

    def _set(self, key: bytes) -> Command:
        return b"SET", key, b"%s=%s" % (key, self._word())

    def _word(self) -> bytes:
        """Return a word that was never sent before."""
        self._drawn += 1
        return b"%d" % self._drawn

    def _either(self, key: bytes) -> Command:
        return self._set(key) if self._rng.random() < 0.5 else (b"GET", key)

    def _forgotten(self, key: bytes) -> Commands:
        """Return what drops watches, and what is queued."""
        given_up = ((b"MULTI",), self._set(key))
        ways: tuple[Commands, ...] = (((b"RESET",),), (*given_up, (b"DISCARD",)), (*given_up, (b"RESET",)))
        return self._rng.choice(ways)

    # Steps

    def _plain(self, key: bytes) -> Commands:
        return (self._either(key),)

    def _given_up(self, key: bytes) -> Commands:
        end = self._rng.choice((b"DISCARD", b"RESET"))
        watch = ((b"WATCH", key),) if self._rng.random() < 0.3 else ()
        return (*watch, (b"MULTI",), self._set(key), self._set(key), (end,), self._either(key))

    def _unwatched(self, key: bytes) -> Commands:
        dropped = ((b"UNWATCH",),) if self._rng.random() < 0.5 else self._forgotten(key)
        return (b"WATCH", key), self._set(key), *dropped, (b"MULTI",), self._set(key), (b"EXEC",)

    def _watched(self, key: bytes) -> Commands:
        return (b"WATCH", key), (b"GET", key), self._set(key), (b"MULTI",), self._set(key), (b"EXEC",)

    def _mixed(self, key: bytes) -> Commands:
        return (b"MULTI",), (b"ECHO", self._word()), self._set(key), (b"PING", self._word()), (b"GET", key), (b"EXEC",)

    def _stale(self, key: bytes) -> Commands:
        end = self._rng.choice((b"READWRITE", b"RESET"))
        return (b"READONLY",), (b"GET", key), (end,), self._either(key)

    def _in_database(self, key: bytes) -> Commands:
        db = self._rng.choice(DATABASES)
        self._elsewhere[db, key] = None
        back = (b"SELECT", b"0") if self._rng.random() < 0.5 else (b"RESET",)
        return (b"SELECT", db), self._either(key), (b"GET", key), back, (b"GET", key)

    def _greeted(self, key: bytes) -> Commands:
        hello: Command = (b"HELLO", self._rng.choice((b"2", b"3")))
        if self._rng.random() < 0.5:
            hello += (b"AUTH", b"default", self._word(), b"SETNAME", b"name" + self._word())
        return hello, (b"CLIENT", b"GETNAME"), self._either(key)

    def _told(self, key: bytes) -> Commands:
        auth = (b"AUTH", b"default", self._word())
        return (b"PING",), (b"ECHO", self._word()), auth, (b"GET", key), (b"PING", self._word())

    def _renewed(self, key: bytes) -> Commands:
        name = (b"CLIENT", b"SETNAME", b"name" + self._word())
        return name, (b"RESET",), (b"HELLO",), (b"CLIENT", b"GETNAME"), (b"CLIENT", b"ID"), self._either(key)
