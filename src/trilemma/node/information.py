"""INFO and CLUSTER INFO: Redis' sections and fields where clients look for them, and sections of our own.

What only the process knows (memory, process id, ports) comes as `facts` from the shell, and so does what it knows of
the connection to each peer: why one is refused is decided there.
"""

from collections.abc import Callable, Sequence

from trilemma.base.sentence_field import escaped
from trilemma.base.time import US_PER_MS, US_PER_S
from trilemma.node.server import Server
from trilemma.node.service import DOWN, Service
from trilemma.version import REDIS_VERSION, __version__

DBS = 16
UNKNOWN = "unknown"
"""What the section `lag` says of a replica that has not told yet what it holds: a number could be taken for one."""

Section = Callable[[], list[tuple[str, object]]]


class Information:
    """Makes INFO's text."""

    def __init__(self, server: Server, clients: Callable[[], int]) -> None:
        self.facts: dict[str, str] = {}
        """What only the process knows; the shell keeps it fresh."""
        self.peer_states: dict[str, str] = {}
        """What the process knows of the connection to each peer; the shell keeps it fresh."""
        self._server = server
        self._clients = clients
        self._service = Service(server.executors, server.peers)
        self._started_us = server.now.mono_us
        self._sections: dict[str, Section] = {
            "server": self._server_section,
            "clients": self._clients_section,
            "memory": self._memory,
            "persistence": self._persistence,
            "stats": self._stats,
            "replication": self._replication,
            "cpu": self._cpu,
            "cluster": lambda: [("cluster_enabled", 0)],
            "keyspace": self._dbs,
            "keyspaces": self._keyspaces,
            "lag": self._lag,
            "links": self._links,
            "peers": lambda: list(self.peer_states.items()),
        }

    def text(self, names: Sequence[str]) -> bytes:
        """Return the sections named, all of them for none or for default, all, everything."""
        wanted = set(names)
        if not wanted or wanted & {"default", "all", "everything"}:
            wanted = set(self._sections)
        parts = []
        for name, section in self._sections.items():
            if name in wanted:
                lines = "".join(f"{field}:{value}\r\n" for field, value in section())
                title = name.upper() if name == "cpu" else name.capitalize()
                parts.append(f"# {title}\r\n{lines}")
        return "\r\n".join(parts).encode("utf-8", "replace")

    def _facts(self, *names: str) -> list[tuple[str, object]]:
        return [(name, self.facts[name]) for name in names if name in self.facts]

    def _server_section(self) -> list[tuple[str, object]]:
        config, up_s = self._server.config, (self._server.now.mono_us - self._started_us) // US_PER_S
        return [
            ("redis_version", REDIS_VERSION),
            ("trilemma_version", __version__),
            ("redis_mode", "standalone"),
            *self._facts("os", "arch_bits", "multiplexing_api", "process_id"),
            ("run_id", config.disk_id),
            *self._facts("tcp_port", "metrics_port", "config_file"),
            ("server_time_usec", self._server.now.wall_us),
            ("uptime_in_seconds", up_s),
            ("uptime_in_days", up_s // 86_400),
            ("node", config.name),
            ("node_id", config.node_id),
            ("cluster_id", config.cluster_id),
            ("starts", config.starts),
            ("detection_time_ms", config.timing.detection_us // US_PER_MS),
        ]

    def _clients_section(self) -> list[tuple[str, object]]:
        return [("connected_clients", self._clients()), *self._facts("maxclients"), ("blocked_clients", 0)]

    def _memory(self) -> list[tuple[str, object]]:
        return [*self._facts("used_memory", "used_memory_rss", "used_memory_human"), ("maxmemory", 0)]

    def _persistence(self) -> list[tuple[str, object]]:
        facts = self._facts("log_bytes", "rows_bytes", "disk_free_bytes", "disk_full")
        return [("loading", 0), ("aof_enabled", 1), *facts]

    def counted(self) -> dict[str, int]:
        """Return the counters of the section `stats`, which /metrics exports too."""
        counted = self._server.statistics
        return {
            "total_connections_received": counted.connections,
            "total_commands_processed": counted.commands,
            "total_error_replies": counted.errors,
            "clusterdown_replies": counted.refused,
            "uncertain_replies": counted.uncertain,
            "defects": counted.defects,
            "bad_peer_frames": self._server.peers.bad_frames,
        }

    def _stats(self) -> list[tuple[str, object]]:
        facts = self._facts("rejected_connections", "total_net_input_bytes", "total_net_output_bytes")
        return [*self.counted().items(), *facts]

    def _replication(self) -> list[tuple[str, object]]:
        lines: list[tuple[str, object]] = [("role", "master"), ("connected_slaves", 0)]
        for shard, replica in self._server.executors.replicas.items():
            facts = ",".join(f"{field}={value}" for field, value in replica.facts().items())
            lines.append((f"shard{shard}", f"keyspace={replica.keyspace.name},{facts}"))
        return lines

    def _cpu(self) -> list[tuple[str, object]]:
        return self._facts("used_cpu_sys", "used_cpu_user")

    def _dbs(self) -> list[tuple[str, object]]:
        """Return the dbs that hold keys. How many of those have a deadline is not counted (docs/differences.md), but
        tools read the fields by their places."""
        sizes = [0] * DBS
        for shard in self._server.executors.user_shards():
            replica = self._server.executors.replicas.get(shard)
            for db, size in enumerate(replica.sizes() if replica is not None else ()):
                sizes[db] += size
        return [(f"db{db}", f"keys={size},expires=0,avg_ttl=0") for db, size in enumerate(sizes) if size]

    def _keyspaces(self) -> list[tuple[str, object]]:
        lines: list[tuple[str, object]] = []
        for keyspace in self._server.router.keyspaces:
            state = self._service.state(keyspace)
            why = "" if state.why is None else f",why={escaped(state.why)}"
            lines.append(
                (
                    keyspace.name,
                    f"id={keyspace.id},mode={keyspace.mode.value},{keyspace.configuration},state={state.word}{why}",
                )
            )
        return lines

    def _lag(self) -> list[tuple[str, object]]:
        lines: list[tuple[str, object]] = []
        for shard, replica in self._server.executors.replicas.items():
            for node, behind in replica.lag().items():
                known = UNKNOWN if behind is None else behind
                lines.append((f"shard{shard}_{self._server.config.member_name(node)}", known))
        return lines

    def _links(self) -> list[tuple[str, object]]:
        peers = self._server.peers
        others = [member for member in self._server.config.members if member.id != peers.node]
        return [(member.name, "up" if member.id in peers.up else "down") for member in others]

    @property
    def _serves_all(self) -> bool:
        """Whether a client here is served every `cp` and `ca` keyspace, be it for reads alone."""
        consistent = [keyspace for keyspace in self._server.router.keyspaces if not keyspace.is_leaderless]
        return self._server.has_met and all(self._service.state(keyspace).word != DOWN for keyspace in consistent)

    def cluster_text(self) -> bytes:
        """Return CLUSTER INFO's text: what clients ask of a server that is no Redis Cluster."""
        size = len(self._server.config.members)
        lines = {
            "cluster_enabled": 0,
            "cluster_state": "ok" if self._serves_all else "fail",
            "cluster_slots_assigned": 16_384,
            "cluster_slots_ok": 16_384,
            "cluster_known_nodes": size,
            "cluster_size": size,
        }
        return "".join(f"{field}:{value}\r\n" for field, value in lines.items()).encode()
