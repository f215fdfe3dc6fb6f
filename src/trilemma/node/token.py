"""Session tokens: what a session has seen of every `ap` shard, as one opaque word (PROMISES §4).

`t1.` and the URL-safe base64 of msgpack {shard: {node: sequence}}. It names only what is durable, so it stays true
across crashes; whoever waits for it reads its own writes and never goes back in time, at any node.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated

import msgspec

from trilemma.base.errors import error, register
from trilemma.base.ids import NodeId, ShardId

register("bad_token", "ERR that is no token of CAP TOKEN", "send a token as CAP TOKEN returned it")

PREFIX = b"t1."
TOKEN_BYTES_MAX = 1 << 20

Count = Annotated[int, msgspec.Meta(ge=0)]
Seen = dict[ShardId, dict[NodeId, int]]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[Count, dict[Count, Count]]).decode


def encode_token(seen: Seen) -> bytes:
    """Return the word for what was seen."""
    return PREFIX + urlsafe_b64encode(_encode(seen))


def decode_token(word: bytes) -> Seen:
    """Return what a token names.

    Raises:
        ReplyError: bad_token.
    """
    if not word.startswith(PREFIX) or len(word) > TOKEN_BYTES_MAX:
        raise error("bad_token")
    try:
        found = _decode(urlsafe_b64decode(word[len(PREFIX) :]))
    except (ValueError, msgspec.MsgspecError):
        raise error("bad_token") from None
    seen = {ShardId(shard): {NodeId(node): seq for node, seq in vector.items()} for shard, vector in found.items()}
    # The decoder skips what is no base64, and a word with something behind it may name less than its token did.
    if encode_token(seen) != word:
        raise error("bad_token")
    return seen
