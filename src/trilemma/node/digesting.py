"""CAP DIGEST under way: shard by shard, each once the engine holds what was applied in the turn in which it began.

A digest is of the engine's rows, which come after the log is durable: without the wait, whoever was told that a node
holds something (by CAP WAIT, or because its own write was answered) could get the digest of rows without it. What is
delivered to a replica counts as held before that turn's end, at which it is applied. Does not know how a digest is made
(node/digest.py).
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from trilemma.base.ids import ShardId
from trilemma.base.time import US_PER_MS
from trilemma.node.digest import Digest
from trilemma.node.executors import Executors
from trilemma.node.progress import RowsMark
from trilemma.resp.reply import Reply
from trilemma.storage.port import Engine

RETRY_US = 1_000
"""How soon the engine is looked at again; a turn that the log's disk asks for comes in between."""


class _Asked(NamedTuple):
    shard: ShardId
    mark: RowsMark
    until_us: int
    """Then its digest is of what the engine holds: the disk does not keep up, and the reply says what it reflects."""


class Digesting:
    """One CAP DIGEST."""

    def __init__(self, executors: Executors, engine: Engine, shards: Sequence[ShardId], mono_us: int) -> None:
        """To be made at the end of a turn. Args: `shards` have a replica here."""
        self._executors = executors
        self._engine = engine
        self._left = deque(
            _Asked(
                shard, executors.replicas[shard].rows_mark, mono_us + executors.keyspace(shard).timeout_ms * US_PER_MS
            )
            for shard in shards
        )
        self._digest: Digest | None = None
        """Of the first that is left."""
        self.rows: list[Reply] = []
        """Per shard that is done: keyspace, shard, what the rows reflect, their digest."""
        self.next_us = mono_us
        """When it wants its next turn."""

    @property
    def is_done(self) -> bool:
        """Say whether all digests are there."""
        return not self._left

    def advance(self, mono_us: int) -> None:
        """Take in one page of rows, if it has not to wait."""
        self.next_us = mono_us
        digest = self._digest or self._begin(mono_us)
        if digest is None:
            return
        digest.step()
        if digest.is_done:
            shard = self._left.popleft().shard
            # A keyspace that was dropped meanwhile has no name any more, and nobody's rows to compare.
            if shard in self._executors.replicas:
                name = self._executors.keyspace(shard).name
                row: list[Reply] = [name.encode(), shard, digest.reflects.encode(), digest.text.encode()]
                self.rows.append(row)
            self._digest = None

    def _begin(self, mono_us: int) -> Digest | None:
        """Begin the next digest; return None where there is none, or it has to wait."""
        while self._left and self._left[0].shard not in self._executors.replicas:
            self._left.popleft()
        if not self._left:
            return None
        asked = self._left[0]
        replica = self._executors.replicas[asked.shard]
        if mono_us < asked.until_us and not replica.has_in_engine(asked.mark):
            self.next_us = min(mono_us + RETRY_US, asked.until_us)
            return None
        self._digest = replica.paged_digest(self._engine.read_view())
        return self._digest

    def close(self) -> None:
        """Let go of what it reads; nobody waits for it any more."""
        if self._digest is not None:
            self._digest.close()
