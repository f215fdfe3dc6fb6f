"""Which shards this node serves, and by which keys: the applied catalogue, followed.

Owns the router, and the moment when it, the local replicas and the routes change together; and what must not be touched
meanwhile: fenced prefixes, and keys that this node's catalogue has elsewhere (PROTOCOLS §7.2). Does not know how the
catalogue is agreed on, nor what becomes of a unit that is refused.
"""

from trilemma.base.ids import ShardId
from trilemma.base.time import Now
from trilemma.keyspace.routing import Router
from trilemma.keyspace.settings import Keyspace
from trilemma.node.config import NodeConfig
from trilemma.node.executors import Executors
from trilemma.node.peers import Peers
from trilemma.node.refusal import fenced_by, named_by
from trilemma.node.shard import ShardReplica
from trilemma.node.shards import ShardFactory
from trilemma.node.system_shard import SystemShard
from trilemma.node.unit import Unit


class Placement:
    """The catalogue as this node acts by it."""

    def __init__(self, config: NodeConfig, system: SystemShard, factory: ShardFactory, peers: Peers) -> None:
        self.router = Router(system.catalogue)
        self._config = config
        self._system = system
        self._factory = factory
        self._peers = peers
        self._routed_changes = 0

    def version(self) -> int:
        """Return the version of the applied catalogue."""
        return self._system.catalogue.version

    def follow(self, executors: Executors, now: Now) -> None:
        """Serve what the applied catalogue names, and nothing else."""
        if self._routed_changes == self._system.changes_applied and len(executors.routes) > 1:
            return
        self._routed_changes = self._system.changes_applied
        wanted: dict[ShardId, Keyspace] = {
            shard: keyspace for keyspace in self._system.catalogue.keyspaces.values() for shard in keyspace.shard_ids()
        }
        for shard in [shard for shard in executors.user_shards() if shard not in wanted]:
            executors.remove(shard)
        for shard, keyspace in wanted.items():
            if shard in executors.routes:
                executors.alter(keyspace, shard)
            else:
                executors.add(keyspace, shard, self._make_replica(keyspace, shard, now))
        self._factory.forget(self._system.catalogue)
        self.router.load(self._system.catalogue)
        executors.reroute()

    def _make_replica(self, keyspace: Keyspace, shard: ShardId, now: Now) -> ShardReplica | None:
        if self._config.node_id not in keyspace.replicas:
            return None
        replica = self._factory.replica(keyspace, shard, now)
        replica.advance(now, self._peers.up)
        return replica

    def refresh_fences(self, executors: Executors) -> None:
        """Fence what is being prepared by now; refuse what waits behind a new fence."""
        before = self._system.fences
        self._system.refresh_fences()
        if self._system.fences != before:
            executors.refuse_fenced()

    def fence(self, shard: ShardId, unit: Unit) -> str | None:
        """Return why a unit must not touch its keys while the catalogue changes, or None."""
        if not self._system.fences:
            return None
        return fenced_by(self._system.fences, unit)

    def is_misrouted(self, shard: ShardId, unit: Unit) -> bool:
        """Say whether this node's catalogue has some key of a unit elsewhere than the shard it was sent to."""
        return any(self.router.shard_of(key) != shard for key in named_by(unit))
