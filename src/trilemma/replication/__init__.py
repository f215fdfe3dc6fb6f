"""How a shard's replicas stay together: `raft` (one order, majority) and `leaderless` (causal batches).

The two never import each other, nor datatype, command or resp: they move opaque bodies.
"""
