"""Generations of a shard's rows: the number in every row key, and the record that says which one is in use.

The record's body is a msgpack map; other keys in it are the protocol's (for Raft the base of its log).
"""

import msgspec

GENERATION_MAX = (1 << 32) - 1


class Generation(msgspec.Struct, frozen=True):
    """What every GENERATION record says."""

    generation: int


decode_generation = msgspec.msgpack.Decoder(Generation).decode
