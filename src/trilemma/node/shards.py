"""Making the replicas that live on this node: from the catalogue, and from what the log held of them at the start."""

from collections import defaultdict

from trilemma.base.ids import SYSTEM_SHARD, ShardId, keyspace_of
from trilemma.base.prng import SplitMix64
from trilemma.base.time import Now
from trilemma.keyspace.catalogue import Catalogue
from trilemma.keyspace.settings import Keyspace, Mode
from trilemma.node.applied import read_applied
from trilemma.node.causal_rows import read_reflected
from trilemma.node.causal_shard import CausalShard
from trilemma.node.config import NodeConfig
from trilemma.node.raft_shard import RaftShard
from trilemma.node.shard import ShardReplica
from trilemma.node.system_shard import SystemShard, system_keyspace
from trilemma.replication.leaderless.replica import Leaderless
from trilemma.replication.raft.bounds import Bounds
from trilemma.replication.raft.replica import Raft
from trilemma.storage.generation import GENERATION_MAX, decode_generation
from trilemma.storage.overlay import ShardRows
from trilemma.storage.port import Engine, LogReader, LogRecord, RecordKind, Recovered, RowBatch
from trilemma.storage.rowkey import shard_range


class ShardFactory:
    """Makes replicas; remembers what start-up found of shards that the catalogue does not name yet."""

    def __init__(self, config: NodeConfig, recovered: Recovered, log: LogReader, engine: Engine, entropy: int) -> None:
        self._config = config
        self._log = log
        self._engine = engine
        self._entropy = SplitMix64(entropy)
        self._found: dict[ShardId, list[LogRecord]] = defaultdict(list)
        for record in recovered.records:
            if record.kind != RecordKind.NODE:
                self._found[record.shard].append(record)

    def system(self, now: Now) -> SystemShard:
        """Make this node's replica of the catalogue."""
        members = tuple(member.id for member in self._config.members)
        keyspace = system_keyspace(members)
        rows = self._rows(SYSTEM_SHARD)
        raft = self._raft(keyspace, SYSTEM_SHARD, rows, now)
        first = Catalogue.first(members, Mode(self._config.default_mode))
        return SystemShard(self._config, keyspace, SYSTEM_SHARD, raft, rows, first)

    def replica(self, keyspace: Keyspace, shard: ShardId, now: Now) -> ShardReplica:
        """Make this node's replica of a shard."""
        rows = self._rows(shard)
        if keyspace.is_leaderless:
            return self._causal(keyspace, shard, rows, now)
        return RaftShard(self._config, keyspace, shard, self._raft(keyspace, shard, rows, now), rows)

    def _rows(self, shard: ShardId) -> ShardRows:
        """Return the rows of the generation that is in use; what is left of others goes."""
        generation, named_by = 0, None
        for record in self._found.get(shard, ()):
            if record.kind == RecordKind.GENERATION:
                generation, named_by = decode_generation(record.body).generation, record
        others = [(shard_range(shard, 0)[0], shard_range(shard, generation)[0])] if generation else []
        others.append((shard_range(shard, generation + 1)[0], shard_range(shard, GENERATION_MAX)[1]))
        self._engine.write(RowBatch((), (), others))
        return ShardRows(self._engine, shard, generation, named_by)

    def _causal(self, keyspace: Keyspace, shard: ShardId, rows: ShardRows, now: Now) -> CausalShard:
        entropy = self._entropy.next()
        replica = Leaderless(
            shard,
            self._config.node_id,
            keyspace.replicas,
            self._found.pop(shard, []),
            self._log,
            now,
            applied=read_reflected(rows),
            entropy=entropy,
            nodes=len(self._config.members),
            retained_bytes=self._config.retained_bytes,
        )
        return CausalShard(self._config, keyspace, shard, replica, rows, entropy)

    def _raft(self, keyspace: Keyspace, shard: ShardId, rows: ShardRows, now: Now) -> Raft:
        applied = read_applied(rows)
        return Raft(
            shard,
            self._config.node_id,
            keyspace.replicas,
            self._config.timing,
            self._entropy.next(),
            self._found.pop(shard, []),
            self._log,
            now,
            leases=keyspace.mode is Mode.CA or keyspace.read == "local",
            applied_index=applied.index,
            bounds=Bounds(self._config.append_bytes, self._config.apply_bytes, self._config.retained_bytes),
        )

    def forget(self, catalogue: Catalogue) -> None:
        """Let go what was found of shards whose keyspaces are gone for good: no replica will ever be made for them."""
        for shard in [shard for shard in self._found if catalogue.is_gone(keyspace_of(shard))]:
            del self._found[shard]

    @property
    def unclaimed(self) -> dict[ShardId, list[LogRecord]]:
        """Records of shards that no replica was made for yet; they must stay in the log."""
        return {shard: records for shard, records in self._found.items() if keyspace_of(shard)}
