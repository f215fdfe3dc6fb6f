"""What a node is told at its start. Plain data; `runtime` reads it from TOML, `sim` makes it."""

import msgspec

from trilemma.base.ids import NodeId
from trilemma.base.limits import CLIENTS_MAX, LOG_RETAINED_BYTES_MAX, OUTPUT_BUFFER_BYTES_MAX
from trilemma.replication.raft.bounds import APPEND_BYTES_MAX, APPLY_BYTES_MAX

TIMEOUT_S_MAX = (1 << 31) - 1
"""As in Redis."""


class Member(msgspec.Struct, frozen=True):
    """A node as the others know it. `address` is host:port for clients, `peer_address` for peers."""

    id: NodeId
    name: str
    address: str = ""
    peer_address: str = ""


class Timing(msgspec.Struct, frozen=True):
    """The times of PROTOCOLS §1-§3, in microseconds. Link time-out + lease + margin is the detection time (≤ 1 s)."""

    heartbeat_us: int = 80_000
    link_timeout_us: int = 400_000
    election_timeout_min_us: int = 300_000
    election_timeout_max_us: int = 600_000
    lease_us: int = 400_000
    margin_us: int = 100_000

    @property
    def detection_us(self) -> int:
        """The time within which a cut is known at both ends."""
        return self.link_timeout_us + self.lease_us + self.margin_us


class NodeConfig(msgspec.Struct, frozen=True):
    """One node of one cluster.

    `disk_id` is the random id of the data directory; `starts` counts the starts on it (1 for the first).
    """

    cluster_id: str
    node_id: NodeId
    disk_id: str
    starts: int
    members: tuple[Member, ...]
    default_mode: str = "cp"
    requirepass: str = ""
    protected_mode: bool = True
    lab: bool = False
    debug_commands: bool = False
    segment_bytes: int = 16 << 20
    retained_bytes: int = LOG_RETAINED_BYTES_MAX
    append_bytes: int = APPEND_BYTES_MAX
    apply_bytes: int = APPLY_BYTES_MAX
    clients_max: int = CLIENTS_MAX
    timeout_s: int = 0
    output_bytes_max: int = OUTPUT_BUFFER_BYTES_MAX
    timing: Timing = Timing()

    @property
    def name(self) -> str:
        """This node's name."""
        return self.member_name(self.node_id)

    def member_name(self, node: NodeId) -> str:
        """Return a member's name; a number that is no member gets `node-<number>`."""
        return next((member.name for member in self.members if member.id == node), f"node-{node}")
