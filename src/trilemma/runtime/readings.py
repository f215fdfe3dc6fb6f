"""The figures of a node that /metrics shows."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from trilemma.base.ids import NodeId
from trilemma.node.machine import Node
from trilemma.runtime.config import member_ids
from trilemma.runtime.metrics import Reading

if TYPE_CHECKING:
    from trilemma.runtime.server import Server

COUNTED = {
    "total_commands_processed": ("commands_processed_total", "Commands taken from clients."),
    "total_error_replies": ("error_replies_total", "Errors that clients got as a reply."),
    "clusterdown_replies": ("clusterdown_replies_total", "Refusals: nothing happened and nothing will."),
    "uncertain_replies": ("uncertain_replies_total", "Replies that a request may have happened, or may yet."),
    "defects": ("defects_total", "Commands that a defect of this server ended; the log names them."),
    "bad_peer_frames": ("bad_peer_frames_total", "Frames of peers that could not be read."),
}
"""By the name in INFO's section `stats`: the name here, what it counts. CONFIG RESETSTAT sets them to zero."""

FACTS = {
    "term": "Raft's term.",
    "last_index": "Index of the newest entry of the log.",
    "commit_index": "Index of the newest entry known to be committed.",
    "applied_index": "Index of the newest entry that is applied.",
    "flushed_index": "Index of the newest entry whose rows are durable by themselves.",
    "sequence": "Sequence number of the newest batch that this replica made.",
    "durable_sequence": "Sequence number of the newest batch that this replica made and that is durable here.",
    "held_back": "Batches of other replicas that wait for what comes before them, or for a turn that has room.",
    "retained_bytes": "Bytes of batches kept for replicas that lack them.",
    "clock_trusted": "Whether the wall clock may stamp what is written here.",
}
"""By the name in INFO's section `replication`, what it says; the first five of `cp` and `ca`, the others of `ap`."""

WORDS = {"yes": 1, "no": 0}


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
        counted = server.node.information.counted()
        for field, (name, text) in COUNTED.items():
            yield name, text, counted[field], {}
        yield from replica_readings(server.node, member_ids(server.config))


def replica_readings(node: Node, names: Mapping[NodeId, str]) -> Iterator[Reading]:
    """Yield what /metrics shows of a node's replicas; `names`: of all members."""
    for shard, replica in node.replicas.items():
        keyspace = replica.keyspace
        labels = {"keyspace": keyspace.name, "shard": str(shard)}
        yield (
            "shard_info",
            "Always 1: a replica that is here, and how its keyspace is configured.",
            1,
            {**labels, "mode": keyspace.mode.value, "configuration": keyspace.configuration},
        )
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
        facts = replica.facts()
        for field, text in FACTS.items():
            if field in facts:
                yield f"replica_{field}", text, _number(facts[field]), labels


def _number(value: object) -> int:
    return value if isinstance(value, int) else WORDS[str(value)]
