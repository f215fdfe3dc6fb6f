"""The bytes of one entry, encoded once by its leader: the same go to its log, to the peers and to their logs.

Layout, little endian: kind (1 byte), log time in ms (8), seed (8), commit index known to the leader when it made the
entry (8), body. Index and term stand outside, in the log record or in the message. The commit index is what lets a
replica that starts apply entries without a leader (PROTOCOLS §2.4). Paper §5.3 (what an entry is: a command and its
term); the header is not in the paper: PROTOCOLS §2.4, §4.1.
"""

import struct
from typing import NamedTuple

from trilemma.replication.port import Entry, EntryKind

_HEADER = struct.Struct("<BQQQ")

_KINDS = tuple(EntryKind)


class Header(NamedTuple):
    """What stands before the body."""

    kind: EntryKind
    stamp_ms: int
    seed: int
    commit_index: int


def encode_payload(header: Header, body: bytes) -> bytes:
    """Return an entry's bytes."""
    kind, stamp_ms, seed, commit_index = header
    return _HEADER.pack(kind.value, stamp_ms, seed, commit_index) + body


def is_payload(payload: bytes) -> bool:
    """Say whether the bytes are an entry's."""
    return len(payload) >= _HEADER.size and payload[0] < len(_KINDS)


def header_of(payload: bytes) -> Header:
    """Return what stands before the body."""
    kind, stamp_ms, seed, commit_index = _HEADER.unpack_from(payload)
    return Header(_KINDS[kind], stamp_ms, seed, commit_index)


def kind_of(payload: bytes) -> EntryKind:
    """Return the entry's kind without unpacking the rest."""
    return _KINDS[payload[0]]


def body_of(payload: bytes) -> bytes:
    """Return the entry's body."""
    return payload[_HEADER.size :]


def decode_entry(index: int, term: int, payload: bytes) -> Entry:
    """Return the entry as the node sees it."""
    kind, stamp_ms, seed, _ = _HEADER.unpack_from(payload)
    return Entry(index, term, _KINDS[kind], stamp_ms, seed, payload[_HEADER.size :])
