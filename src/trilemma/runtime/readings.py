"""The figures of a node that /metrics shows."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from trilemma.base.ids import NodeId
from trilemma.node.machine import Node
from trilemma.runtime.config import member_ids
from trilemma.runtime.metrics import Reading

if TYPE_CHECKING:
    from trilemma.runtime.server import Server


def readings(server: "Server") -> Iterator[Reading]:
    """Yield what /metrics shows of a node."""
    clients, peers = server.clients.counters, server.peers.counters
    yield "turns_total", "Turns of the node.", server.turns.turns, {}
    yield "clients", "Client connections.", len(server.clients), {}
    yield "clients_accepted_total", "Client connections taken in.", clients.accepted, {}
    yield "clients_rejected_total", "Client connections over maxclients.", clients.rejected, {}
    yield "clients_closed_for_output_total", "Clients that did not read.", clients.closed_for_output, {}
    yield "client_read_bytes_total", "Bytes from clients.", clients.read_bytes, {}
    yield "client_written_bytes_total", "Bytes to clients.", clients.written_bytes, {}
    yield "peer_read_bytes_total", "Bytes from peers.", peers.read_bytes, {}
    yield "peer_sent_bytes_total", "Bytes to peers.", peers.sent_bytes, {}
    yield "peer_sent_frames_total", "Frames to peers.", peers.sent_frames, {}
    yield "peer_dropped_frames_total", "Frames that had no way to their peer.", peers.dropped_frames, {}
    yield "log_bytes", "Bytes of the log's segments.", sum(server.storage.log.sizes().values()), {}
    yield "disk_free_bytes", "Bytes free on the disk of the data directory.", server.room.free_bytes, {}
    yield "disk_full", "Writes are refused because the disk is full.", not server.room.is_enough, {}
    connected = set(server.peers.connected())
    for member in server.config.members:
        if member.name != server.config.name:
            yield (
                "peer_connected",
                "A connection to the peer stands.",
                member.id in connected,
                {"peer": member.name},
            )
    if isinstance(server.node, Node):
        yield from replica_readings(server.node, member_ids(server.config))


def replica_readings(node: Node, names: Mapping[NodeId, str]) -> Iterator[Reading]:
    """Yield what /metrics shows of a node's replicas; `names`: of all members."""
    for shard, replica in node.replicas.items():
        labels = {"keyspace": replica.keyspace.name, "shard": str(shard)}
        for peer, behind in replica.lag().items():
            if behind is None:
                continue  # Prometheus' way to say that nothing is known: no sample, so no alert on a made-up number.
            name = names.get(peer, str(peer))
            yield (
                "replica_lag",
                "Entries or batches a peer is behind by; no sample until it has said.",
                behind,
                {**labels, "peer": name},
            )
        for field, value in replica.facts().items():
            if isinstance(value, int):
                yield f"replica_{field}", "As in INFO replication.", value, labels
