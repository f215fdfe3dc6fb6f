"""The error registry: every error a client can get, once, with its outcome and the remedy.

The reference page docs/errors.md is generated from REGISTRY. Packages raise `ReplyError` through `error(name, ...)`.
The texts of Redis' own errors are Redis 7.0's to the letter.
"""

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """What an error says about the command it answers."""

    NOTHING_HAPPENED = "did not happen and never will"
    MAYBE = "may have happened, or may yet"
    HAPPENED = "had happened already"


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One line of the registry. `template` is a str.format text that begins with the RESP error code."""

    name: str
    template: str
    outcome: Outcome
    remedy: str


class ReplyError(Exception):
    """An error reply. `text` is what the client reads after the `-`; `entry` says what it means."""

    def __init__(self, entry: ErrorEntry, text: str) -> None:
        super().__init__(text)
        self.entry = entry
        self.text = text


REGISTRY: dict[str, ErrorEntry] = {}


def register(name: str, template: str, remedy: str, outcome: Outcome = Outcome.NOTHING_HAPPENED) -> None:
    """Add an entry; called at import time by the package that owns the error.

    Raises:
        ValueError: the name is taken by another entry.
    """
    entry = ErrorEntry(name, template, outcome, remedy)
    if REGISTRY.setdefault(name, entry) != entry:
        raise ValueError(f"error {name!r} is registered twice")


def error(name: str, /, **fields: object) -> ReplyError:
    """Return the error `name` with its text filled in (to be raised, or encoded as a reply)."""
    entry = REGISTRY[name]
    return ReplyError(entry, entry.template.format(**fields))


register(
    "wrong_type", "WRONGTYPE Operation against a key holding the wrong kind of value", "use the type's own commands"
)
register("syntax", "ERR syntax error", "see COMMAND DOCS for the command's options")
register("not_integer", "ERR value is not an integer or out of range", "send a decimal integer that fits 64 bits")
register("not_float", "ERR value is not a valid float", "send a finite decimal number")
register("arity", "ERR wrong number of arguments for '{command}' command", "see COMMAND INFO for the arity")
register(
    "cross_slot", "CROSSSLOT Keys in request don't hash to the same slot", "keep the keys in one keyspace and shard"
)
register(
    "cluster_down",
    "CLUSTERDOWN keyspace '{keyspace}' ({mode}): {reason}; nothing was written",
    "retry later or on another node; it is safe",
)
register(
    "cluster_down_read",
    "CLUSTERDOWN keyspace '{keyspace}' ({mode}): {reason}; nothing was read",
    "retry later or on another node; it is safe",
)
register(
    "catalogue_down",
    "CLUSTERDOWN the list of keyspaces cannot be changed now: {reason}; nothing was written",
    "wait until all members are there, and send it again; it is safe",
)
register(
    "catalogue_uncertain",
    "UNCERTAIN the list of keyspaces: {reason}; the change may still take effect",
    "see KEYSPACE LIST and KEYSPACE INFO before sending it again",
    Outcome.MAYBE,
)
register(
    "uncertain",
    "UNCERTAIN keyspace '{keyspace}' ({mode}): {reason}; it may still take effect",
    "repeat it with the token it was sent with (CAP ONCE), or read before retrying, unless it is idempotent",
    Outcome.MAYBE,
)
