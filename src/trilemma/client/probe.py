"""Whether a node serves a keyspace, reads and writes: asked by what touches no data, for a user's may be there.

Owns the two commands. The write is SETRANGE with no bytes, which takes the way of every write and changes nothing,
whatever its key holds; and the key is drawn anew for each probe, so that no name that a user chose stands in its way.
"""

import secrets
from typing import Final

import redis

KEY_BYTES: Final = 16
"""As many random bytes as no two keys share by chance."""


def why_not_served(client: redis.Redis, keyspace: str = "default") -> redis.RedisError | None:
    """Return what a node answers to a read or a write of a keyspace where it does not serve it; None where it does."""
    key = f"{keyspace}:{secrets.token_hex(KEY_BYTES)}"
    try:
        client.exists(key)
        client.setrange(key, 0, "")
    except redis.RedisError as problem:
        return problem
    return None
