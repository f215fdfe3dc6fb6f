"""The sentences of refusal: each names keyspace, mode, node, what is missing, and the outcome."""

from trilemma.base.errors import error
from trilemma.keyspace.settings import Keyspace


def down(keyspace: Keyspace, reason: str) -> bytes:
    """Return the encoded CLUSTERDOWN: it did not happen and never will."""
    text = error("cluster_down", keyspace=keyspace.name, mode=keyspace.mode.value, reason=reason).text
    return b"-" + text.encode() + b"\r\n"


def uncertain(keyspace: Keyspace, reason: str) -> bytes:
    """Return the encoded UNCERTAIN: it may have happened, or may yet."""
    text = error("uncertain", keyspace=keyspace.name, mode=keyspace.mode.value, reason=reason).text
    return b"-" + text.encode() + b"\r\n"


def reaches(name: str, reached: int, total: int, needed: int) -> str:
    """Return the reason of a node that is on the wrong side of a cut."""
    return f"{name} reaches {reached} of {total} replicas, needs {needed}"
