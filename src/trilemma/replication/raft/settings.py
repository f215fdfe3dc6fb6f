"""What a SETTINGS entry means to Raft: whether the leader may grant read leases from it on.

The body is a msgpack map; other keys in it are the node's and are not looked at. Not in the paper: PROTOCOLS §3.4. That
an entry counts from when it is in the log, committed or not, is as of configurations: paper §6.
"""

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """The part of a SETTINGS body that is Raft's. `leases` None leaves it as it was."""

    leases: bool | None = None


encode_settings = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Settings).decode


def leases_set_by(body: bytes) -> bool | None:
    """Return what a SETTINGS body sets `leases` to, None where it says nothing of it."""
    return _decode(body).leases
