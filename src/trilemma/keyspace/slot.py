"""The slot of a key: Redis Cluster's CRC16 of the hash tag, 16,384 slots.

Source: Redis Cluster specification, "Keys distribution model" and appendix A (CRC16-CCITT, XMODEM).
"""

from binascii import crc_hqx

SLOTS = 16_384


def hash_tag(key: bytes) -> bytes:
    """Return the part between the first `{` and the next `}` where it is not empty, else the key."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            return key[start + 1 : end]
    return key


def slot_of(key: bytes) -> int:
    """Return the slot, 0 to SLOTS - 1."""
    return crc_hqx(hash_tag(key), 0) % SLOTS


def shard_ordinal(slot: int, shards: int) -> int:
    """Return which of `shards` equal slot ranges a slot falls into."""
    return slot * shards // SLOTS
