"""Receipts: registers by CAP EXPLAIN, and what nodes tell of their replicas: WAIT, CAP DIGEST; on `ap` also CAP
CONFLICTS, CAP TOKEN and CAP WAIT.

Operations: `explained_write` (argument: the value; result: the reply and its receipt, as pairs), `explained_read` and,
on a connection that is READONLY for that one command, `explained_stale_read`; `write` and `read` without a receipt;
`counted_write` (result: the reply, and what WAIT says); `digests` (result: per replica keyspace, shard, what it
reflects, digest); `conflicts` (result: per key db, key, the shown write and the hidden ones, each as value, node, ms);
`named_write`, the only one of its key (result: the reply, and the token taken then), and `awaited_read` of such a key
(result: the value, and whether CAP WAIT found the token reached; what it said where that is neither `OK` nor a
refusal).
"""

from collections.abc import Sequence
from random import Random
from typing import Any, Final

from trilemma.workload.reply import judge, plain
from trilemma.workload.rotation import Rotation
from trilemma.workload.step import Command, Recorded, Reply, Step

ROTATION: Final = 25
"""Steps before the registers are left for fresh ones: what is stale shows best where nothing was written before."""

AWAITED_MS: Final = b"300"
"""How long CAP WAIT waits."""

DONE: Final = b"OK"

NOT_REACHED: Final = ("TRYAGAIN ", "CLUSTERDOWN ")
"""How CAP WAIT says that a token is not reached."""

EXPLAIN: Final = (b"CAP", b"EXPLAIN")


class Receipts:
    """Steps over `keys` registers of a keyspace of a mode."""

    def __init__(self, rng: Random, prefix: bytes, keyspace: str, mode: str, keys: int = 3) -> None:
        self._rng = rng
        self._rotation = Rotation(prefix + b"y", keys, ROTATION)
        self._keyspace = keyspace.encode()
        self._mode = mode
        self._written = 0
        self._tokens: list[tuple[bytes, bytes]] = []
        """Keys that were written once, each with a token that names it."""
        self._named: list[bytes] = []

    def next(self, process: int) -> Step:
        """Return a GET or a SET, mostly explained, or a question about replicas."""
        key = self._rng.choice(self._rotation.step())
        choice = self._rng.random()
        if choice < 0.06:
            return self._digests(process)
        if choice < 0.2 and self._mode == "ap":
            return self._of_ap(process)
        if choice < 0.5:
            return self._told(self._write(process, key))
        get = (b"GET", key)
        if choice < 0.6:
            return Step(process, (get,), "read", key)
        if choice < 0.75 and self._mode == "cp":
            commands = ((b"READONLY",), EXPLAIN + get, (b"READWRITE",))
            return Step(process, commands, "explained_stale_read", key)
        return Step(process, (EXPLAIN + get,), "explained_read", key)

    def _told(self, write: Step) -> Step:
        choice = self._rng.random()
        if choice < 0.1:
            return write
        if choice < 0.25:
            return self._with(write, (b"WAIT", b"0", b"0"), "counted_write")
        return write._replace(commands=(EXPLAIN + write.commands[0],), kind="explained_write")

    def _of_ap(self, process: int) -> Step:
        choice = self._rng.random()
        if choice < 0.3:
            return Step(process, ((b"CAP", b"CONFLICTS", self._keyspace),), "conflicts", self._keyspace)
        if choice < 0.6 or not self._tokens:
            key = b"%s.once%d" % (self._rotation.keys[0], self._written)
            self._named.append(key)
            return self._with(self._write(process, key), (b"CAP", b"TOKEN"), "named_write")
        key, token = self._rng.choice(self._tokens)
        return Step(process, ((b"CAP", b"WAIT", token, AWAITED_MS), (b"GET", key)), "awaited_read", key)

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of a step: of its register's command. One that was refused has no receipt."""
        if len(replies) < len(step.commands):
            return Recorded("info")
        told = [plain(reply) for reply in replies]
        if step.kind.startswith("explained_"):
            recorded = judge(told[len(told) // 2])
            if len(told) > 1 and (told[0], told[-1]) != (DONE, DONE):
                return Recorded("ok", (tuple(told), ()))  # READONLY and READWRITE: left to the checker
            return self._explained(recorded.result) if recorded.outcome == "ok" else recorded
        if step.kind == "awaited_read":
            recorded = judge(told[1])
            return Recorded("ok", (told[1], _is_reached(told[0]))) if recorded.outcome == "ok" else recorded
        recorded = judge(told[0])
        if len(told) == 1 or recorded.outcome != "ok":
            return recorded
        if step.kind == "named_write" and isinstance(told[1], bytes):
            self._tokens.append((step.key, told[1]))
        return Recorded("ok", (told[0], told[1]))

    def finals(self, process: int) -> list[Step]:
        """Return the digests, then one GET per register."""
        keys = [*self._rotation.all(), *self._named]
        return [self._digests(process), *[Step(process, ((b"GET", key),), "read", key) for key in keys]]

    @staticmethod
    def _explained(told: Any) -> Recorded:
        """Return a reply and its receipt, a flat list of RESP2, in pairs; anything else is left to the checker."""
        if isinstance(told, tuple) and len(told) == 2 and isinstance(told[1], tuple):
            return Recorded("ok", (plain(told[0]), tuple(zip(told[1][::2], told[1][1::2], strict=False))))
        return Recorded("ok", (told, ()))

    def _digests(self, process: int) -> Step:
        return Step(process, ((b"CAP", b"DIGEST", self._keyspace),), "digests", self._keyspace)

    def _write(self, process: int, key: bytes) -> Step:
        self._written += 1
        value = b"%s=%d" % (key, self._written)
        return Step(process, ((b"SET", key, value),), "write", key, value)

    @staticmethod
    def _with(write: Step, asked: Command, kind: str) -> Step:
        return write._replace(commands=(*write.commands, asked), kind=kind)


def _is_reached(told: Any) -> Any:
    """Return whether CAP WAIT found its token reached; what it said where that tells neither."""
    if told == DONE:
        return True
    return False if isinstance(told, str) and told.startswith(NOT_REACHED) else told
