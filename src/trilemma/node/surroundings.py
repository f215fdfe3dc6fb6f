"""What a route of requests asks the node around it, about one shard.

Owns the contract alone: node/route.py asks, node/executors.py answers, and the tests of routes answer as they like.
"""

from trilemma.base.ids import NodeId, ShardId
from trilemma.cluster.messages import Forward
from trilemma.node.batch import Batch
from trilemma.node.request import Target
from trilemma.node.unit import Unit


class Surroundings:
    """What a route asks the node about one shard; implemented by node/executors.py."""

    def local_target(self, shard: ShardId) -> Target | None:
        """Return this node as the target where it executes the shard now."""
        raise NotImplementedError

    def remote_target(self, shard: ShardId) -> Target | None:
        """Return the executor elsewhere, as far as this node knows."""
        raise NotImplementedError

    def target_at(self, node: NodeId) -> Target | None:
        """Return a node as the target of what only it may execute, on `ap`; None where no message reaches it."""
        raise NotImplementedError

    def has_path(self, node: NodeId) -> bool:
        """Say whether a message reaches the node, directly or over one relay."""
        raise NotImplementedError

    def name(self, node: NodeId) -> str:
        """Return a member's name."""
        raise NotImplementedError

    def why_down(self, shard: ShardId) -> str | None:
        """Return why the shard cannot be served from here at all, or None."""
        raise NotImplementedError

    def why_not_written(self, shard: ShardId) -> str | None:
        """Return why a write to the shard is refused here though it can be served, or None."""
        raise NotImplementedError

    def is_disk_behind(self) -> bool:
        """Say whether this node's disk has to catch up before anything more is written."""
        raise NotImplementedError

    def catalogue_version(self) -> int:
        """Return the version of the catalogue by which requests are routed."""
        raise NotImplementedError

    def is_misrouted(self, shard: ShardId, unit: Unit) -> bool:
        """Say whether some key of a unit belongs to another shard than the one it waits for."""
        raise NotImplementedError

    def submit(self, shard: ShardId, batch: Batch) -> None:
        """Hand a batch to the local executor."""
        raise NotImplementedError

    def forward(self, message: Forward) -> None:
        """Send a batch on its way to a remote executor."""
        raise NotImplementedError
