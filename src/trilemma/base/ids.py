"""Identifiers. Members are small integers in the core; their names ("n1") are for people and stand in the catalogue."""

from typing import NamedTuple

NodeId = int
"""A member's number, from 1, never used twice in a cluster."""

ConnId = int
"""A client connection of one node process, from 1, never used twice in a start."""

ShardId = int
"""keyspace id * SHARDS_MAX + ordinal of the shard in its keyspace."""

SHARDS_MAX = 1 << 10
"""Shards a keyspace can have; a power of two, so that both parts of a ShardId can be read off."""

SYSTEM_KEYSPACE = 0
"""The keyspace id of the catalogue, `_system`."""

DEFAULT_KEYSPACE = 1
"""The keyspace id of `default`, which takes every key that names no other keyspace."""

SYSTEM_SHARD: ShardId = SYSTEM_KEYSPACE * SHARDS_MAX


class Dot(NamedTuple):
    """One element's birth: the `position`-th operation of batch `seq` of `node`. Orders by its fields."""

    node: NodeId
    seq: int
    position: int


def shard_id(keyspace: int, ordinal: int) -> ShardId:
    """Return the id of the `ordinal`-th shard of a keyspace."""
    return keyspace * SHARDS_MAX + ordinal


def keyspace_of(shard: ShardId) -> int:
    """Return the id of the keyspace that a shard belongs to."""
    return shard // SHARDS_MAX
