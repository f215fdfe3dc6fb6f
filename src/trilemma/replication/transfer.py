"""Messages that carry a shard's rows to a replica that is too far behind for its log. Tags 70-79 of the wire format.

Both protocols use them; what the label means is theirs. The rules are in node/receiver.py and PROTOCOLS §5.8, §6.6.
"""

from typing import Annotated

import msgspec

from trilemma.replication.port import Message

Count = Annotated[int, msgspec.Meta(ge=0)]


class Ask(Message, frozen=True, array_like=True, tag=70):
    """'Send me your rows': a leaderless replica whose pull was answered 'dropped'."""


class Offer(Message, frozen=True, array_like=True, tag=71):
    """'Here they come.' `number` names the transfer; `label` says what the rows reflect."""

    number: Count
    label: bytes


class Chunk(Message, frozen=True, array_like=True, tag=72):
    """Rows number `place` of a transfer, keys without shard and generation. `rows_total` is set in the last one."""

    number: Count
    place: Count
    rows: list[tuple[bytes, bytes]]
    rows_total: Count | None


class Took(Message, frozen=True, array_like=True, tag=73):
    """Every chunk below `place` has come; `is_installed`: and the rows are in use."""

    number: Count
    place: Count
    is_installed: bool


TransferMessage = Ask | Offer | Chunk | Took
