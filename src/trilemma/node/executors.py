"""Every shard of the cluster as seen from this node: which replica is here, who executes, what is refused at once."""

from collections.abc import Callable, Iterator
from functools import partial

from trilemma.base.ids import SYSTEM_KEYSPACE, NodeId, ShardId, keyspace_of
from trilemma.cluster.messages import Forward, ForwardReply, Leadership
from trilemma.keyspace.settings import Keyspace
from trilemma.node import admission, refusal
from trilemma.node.batch import Batch, ForwardedBatch
from trilemma.node.config import NodeConfig
from trilemma.node.forwarding import Incoming
from trilemma.node.peers import Peers
from trilemma.node.request import Target
from trilemma.node.route import Route
from trilemma.node.shard import ShardReplica
from trilemma.node.surroundings import Surroundings
from trilemma.node.unit import Unit


class Executors(Surroundings):
    """The routes and local replicas of all shards."""

    def __init__(
        self,
        config: NodeConfig,
        peers: Peers,
        fence: Callable[[ShardId, Unit], str | None],
        version: Callable[[], int],
        misroutes: Callable[[ShardId, Unit], bool],
    ) -> None:
        self.replicas: dict[ShardId, ShardReplica] = {}
        self.routes: dict[ShardId, Route] = {}
        self.holds_writes = False
        """Whether this node's disk has to catch up before anything more is written."""
        self.is_closing = False
        """Whether this node, which is about to stop, takes nothing more: what comes is refused."""
        self._full_disks: frozenset[NodeId] = frozenset()
        self._leaving: frozenset[NodeId] = frozenset()
        self._up: frozenset[NodeId] = frozenset()
        """The links that were up when the starts of peers were last looked at."""
        self._keyspaces: dict[ShardId, Keyspace] = {}
        self._config = config
        self._peers = peers
        self._fence = fence
        self._version = version
        self._misroutes = misroutes
        peers.is_served = lambda shard: shard in self.routes
        self._incoming = Incoming(
            config.node_id, self.local_target, self._has_executed, self.submit_forwarded, self._reply, self._bad
        )

    def is_disk_behind(self) -> bool:
        """See Surroundings."""
        return self.holds_writes

    def catalogue_version(self) -> int:
        """See Surroundings."""
        return self._version()

    def reroute(self) -> None:
        """Refuse what waits in the wrong place since the catalogue has changed."""
        for route in self.routes.values():
            route.refuse_misrouted()

    def is_misrouted(self, shard: ShardId, unit: Unit) -> bool:
        """See Surroundings."""
        return self._misroutes(shard, unit)

    def dispatch(self, mono_us: int) -> None:
        """Send on what waits at the routes, and what is to be sent again; time out what is due. What other nodes do not
        want any more goes first."""
        self._drop_what_nobody_wants()
        for route in self.routes.values():
            if not route.is_at_rest:
                route.advance(mono_us)
                route.dispatch(mono_us)

    def _drop_what_nobody_wants(self) -> None:
        if self._peers.up is not self._up:
            self._up = self._peers.up
            for peer in self._up:
                self._incoming.note_start(peer, self._peers.start_of(peer))
        for shard in self._incoming.take_withdrawn():
            if shard in self.replicas:
                self.replicas[shard].drop_answered()

    def soonest_us(self, soonest_us: int) -> int:
        """Return when a replica or a route next has something to do, if that is before `soonest_us`."""
        for replica in self.replicas.values():
            if (due_us := replica.next_deadline_us) < soonest_us:
                soonest_us = due_us
        for route in self.routes.values():
            if not route.is_at_rest and (due := route.next_deadline_us) is not None and due < soonest_us:
                soonest_us = due
        return soonest_us

    def refuse_fenced(self) -> None:
        """Have replicas refuse what came before a fence and would take effect behind it (PROTOCOLS §7.2)."""
        for shard, replica in self.replicas.items():
            replica.refuse_fenced(partial(self._fence, shard))

    def why_fenced(self, shard: ShardId, unit: Unit) -> str | None:
        """Return why a unit must not be sent now: its prefix is being created or dropped."""
        return self._fence(shard, unit)

    def add(self, keyspace: Keyspace, shard: ShardId, replica: ShardReplica | None) -> None:
        """Begin to serve a shard, with the replica of it on this node if there is one."""
        self._keyspaces[shard] = keyspace
        if replica is not None:
            self.replicas[shard] = replica
            replica.note_full_disks(self._full_disks)
            replica.note_leaving(self._leaving)
        self.routes[shard] = Route(self._config.node_id, self._config.starts, keyspace, shard, self)

    def note_full_disks(self, full: frozenset[NodeId]) -> None:
        """Take note of the nodes whose disks take no further entries."""
        if full != self._full_disks:
            self._full_disks = full
            for replica in self.replicas.values():
                replica.note_full_disks(full)

    def note_leaving(self, leaving: frozenset[NodeId]) -> None:
        """Take note of the peers that are about to stop."""
        if leaving != self._leaving:
            self._leaving = leaving
            for replica in self.replicas.values():
                replica.note_leaving(leaving)

    @property
    def full_disks(self) -> frozenset[NodeId]:
        """The nodes whose disks take no further entries, as far as is known here."""
        return self._full_disks

    def alter(self, keyspace: Keyspace, shard: ShardId) -> None:
        """Take new settings of a shard's keyspace into use."""
        self._keyspaces[shard] = keyspace
        self.routes[shard].keyspace = keyspace
        if shard in self.replicas:
            self.replicas[shard].keyspace = keyspace

    def remove(self, shard: ShardId) -> None:
        """Stop serving a shard whose keyspace was dropped."""
        self.routes.pop(shard).end("the keyspace was dropped")
        self.replicas.pop(shard, None)
        del self._keyspaces[shard]
        self._incoming.forget(shard)
        self._peers.forget(shard)

    def keyspace(self, shard: ShardId) -> Keyspace:
        """Return the keyspace of a served shard."""
        return self._keyspaces[shard]

    def local_target(self, shard: ShardId) -> Target | None:
        """See Surroundings."""
        replica = self.replicas.get(shard)
        return None if replica is None else replica.target()

    def remote_target(self, shard: ShardId) -> Target | None:
        """See Surroundings."""
        if self._keyspaces[shard].is_leaderless:
            return self._nearest_replica(shard)
        if shard in self.replicas:
            self.note_own_view(shard, self.replicas[shard])
        known = self._peers.leaders.get(shard)
        if known is None or known.leader == self._config.node_id:
            return None
        return (known.leader, known.term)

    def _nearest_replica(self, shard: ShardId) -> Target | None:
        reached = self.reached_replicas(shard)
        return self.target_at(reached[0]) if reached else None

    def reached_replicas(self, shard: ShardId) -> list[NodeId]:
        """Return the nodes with a replica that are reached directly, the one that executes first; or over a relay.

        Those that are about to stop are named only where there are no others.
        """
        replicas = self._keyspaces[shard].replicas
        up = [node for node in replicas if node in self._peers.up]
        reached = up or [node for node in replicas if self._peers.has_path(node)]
        return [node for node in reached if node not in self._leaving] or reached

    def target_at(self, node: NodeId) -> Target | None:
        """See Surroundings."""
        return (node, self._peers.start_of(node)) if self._peers.has_path(node) else None

    def note_own_view(self, shard: ShardId, replica: ShardReplica) -> None:
        """Make what a replica here knows of its leader part of what this node tells others."""
        leader = replica.leader()
        if leader is None:
            return
        known = self._peers.leaders.get(shard)
        if known is None or leader[1] > known.term:
            self._peers.note_leader(Leadership(shard, leader[1], leader[0]))

    def has_path(self, node: NodeId) -> bool:
        """See Surroundings."""
        return self._peers.has_path(node)

    def name(self, node: NodeId) -> str:
        """See Surroundings."""
        return self._config.member_name(node)

    def why_down(self, shard: ShardId) -> str | None:
        """See Surroundings."""
        return refusal.about_to_stop([self._config.name]) if self.is_closing else self.why_cut_off(shard)

    def why_cut_off(self, shard: ShardId) -> str | None:
        """Return why too few replicas of a shard are reached from here, or None."""
        keyspace = self._keyspaces[shard]
        if keyspace.is_leaderless:
            return self._why_leaderless_down(shard, keyspace)
        reached = sum(self._peers.has_path(node) for node in keyspace.replicas)
        return refusal.no_majority(keyspace, self._config.name, reached)

    def _why_leaderless_down(self, shard: ShardId, keyspace: Keyspace) -> str | None:
        if shard in self.replicas or self._nearest_replica(shard) is not None:
            return None
        return f"{self._config.name} has no replica and reaches none of {len(keyspace.replicas)}"

    def why_not_written(self, shard: ShardId) -> str | None:
        """See Surroundings: known here only of `ap` with WRITE n; a leader judges admission itself."""
        keyspace = self._keyspaces[shard]
        if not keyspace.is_leaderless or keyspace.write_count == 1 or shard not in self.replicas:
            return None
        reached = sum(node == self._config.node_id or node in self._peers.up for node in keyspace.replicas)
        if reached >= keyspace.write_count:
            count, up = keyspace.write_count, self._peers.up
            return admission.why_too_few_stay(self._config, keyspace, up, self._leaving, count)
        return refusal.reaches(self._config.name, reached, len(keyspace.replicas), keyspace.write_count)

    def submit(self, shard: ShardId, batch: Batch) -> None:
        """Execute a batch here, less what a change of the catalogue fences."""
        for position, unit in enumerate(batch.units):
            reason = None if position in batch.skipped else self._fence(shard, unit)
            if reason is not None:
                batch.skipped.add(position)
                batch.complete(position, refusal.down(self._keyspaces[shard], reason, unit), 0)
        self.replicas[shard].submit(batch)

    def submit_forwarded(self, shard: ShardId, batch: ForwardedBatch) -> None:
        """Execute a batch of another node, less what it routed by another catalogue to the wrong shard, and less writes
        for which too few replicas are reached from here: the origin cannot know (PROMISES §3)."""
        if batch.forward.catalogue != self._version():
            keyspace, why = self._keyspaces[shard], "the catalogue has changed"
            for position, unit in enumerate(batch.units):
                if self._misroutes(shard, unit):
                    batch.skipped.add(position)
                    batch.complete(position, refusal.down(keyspace, why, unit), 0)
        reason = self.why_down(shard) if self.is_closing else self.why_not_written(shard)
        if reason is not None:
            for position, unit in enumerate(batch.units):
                if (self.is_closing or not unit.is_read) and position not in batch.skipped:
                    batch.skipped.add(position)
                    batch.complete(position, refusal.down(self._keyspaces[shard], reason, unit), 0)
        self.submit(shard, batch)

    def forward(self, message: Forward) -> None:
        """See Surroundings."""
        self._peers.send_any_way(message.executor, message.shard, message)

    def receive(self, sender: NodeId, message: Forward | ForwardReply) -> None:
        """Take in a forwarded batch or the answer to one. `sender` is who made it, not who passed it on."""
        if isinstance(message, Forward):
            if message.shard in self._keyspaces and message.executor == self._config.node_id:
                self._incoming.receive(message)
        elif message.shard in self.routes and message.origin_start == self._config.starts:
            self.routes[message.shard].answered(sender, message)

    def persisted(self, token: int) -> None:
        """Take note that the log is durable up to a token: replies to other nodes wait for it."""
        self._incoming.persisted(token)

    @property
    def owes(self) -> bool:
        """Say whether this node has taken something that it has not answered, and may yet."""
        if any(route.owes and self.why_cut_off(shard) is None for shard, route in self.routes.items()):
            return True
        return self._incoming.owes(lambda origin, shard: self.has_path(origin) and self.why_cut_off(shard) is None)

    def end(self) -> None:
        """Answer, as this node stops, its own clients' requests that nobody has answered."""
        for route in self.routes.values():
            route.end(f"{self._config.name} stopped")

    def _reply(self, reply: ForwardReply) -> None:
        self._peers.send_any_way(reply.origin, reply.shard, reply)

    def _has_executed(self, shard: ShardId, epoch: int) -> bool:
        replica = self.replicas.get(shard)
        return replica is not None and replica.has_executed(epoch)

    def _bad(self) -> None:
        self._peers.bad_frames += 1

    def user_shards(self) -> Iterator[ShardId]:
        """Yield all shards but the catalogue's, in order."""
        return (shard for shard in self._keyspaces if keyspace_of(shard) != SYSTEM_KEYSPACE)
