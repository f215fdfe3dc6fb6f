"""The sentences of refusal: each names keyspace, mode, node, what is missing, and the outcome."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from trilemma.base.errors import error, register
from trilemma.base.ids import SYSTEM_KEYSPACE
from trilemma.command.table import keys_of, lookup, lookup_argv
from trilemma.keyspace.settings import Keyspace
from trilemma.node import internal
from trilemma.node.unit import Unit
from trilemma.resp.reply import encode_error

register("not_executed", "ERR not executed", "send it again")


def down(keyspace: Keyspace, reason: str, unit: Unit | None = None) -> bytes:
    """Return the encoded CLUSTERDOWN: it did not happen and never will.

    Args:
        unit: what is refused; of what only reads it is said that nothing was read, also where CAP ONCE stands before.
    """
    if is_catalogue(keyspace):
        # Nobody made it, and nobody can look at it: what clients ask for is a change of the keyspaces.
        return _encoded("catalogue_down", reason=reason)
    name = "cluster_down_read" if unit is not None and _only_reads(unit) else "cluster_down"
    return _encoded(name, keyspace=keyspace.name, mode=keyspace.mode.value, reason=reason)


def _only_reads(unit: Unit) -> bool:
    """Say whether a unit shows its client what there is and changes nothing of it (a token of CAP ONCE is no key)."""
    word = unit.argv[0] if unit.argv else b""
    if word == internal.ONCE:
        return not lookup_argv(internal.own_words(unit.argv)).is_write
    return unit.is_read and word not in internal.FOR_CHANGES


def uncertain(keyspace: Keyspace, reason: str) -> bytes:
    """Return the encoded UNCERTAIN: it may have happened, or may yet."""
    if is_catalogue(keyspace):
        return _encoded("catalogue_uncertain", reason=reason)
    return _encoded("uncertain", keyspace=keyspace.name, mode=keyspace.mode.value, reason=reason)


@lru_cache(maxsize=64)
def _encoded(name: str, **values: str) -> bytes:
    """Return an encoded sentence; whoever refuses much at once says the same of all of it."""
    return encode_error(error(name, **values).text)


def not_executed() -> bytes:
    """Return the encoded error for what no executor has taken in."""
    return encode_error(error("not_executed").text)


def out_of_place(keyspace: Keyspace, read: Unit) -> bytes:
    """Return the encoded refusal of a read that can take its place in its session no more."""
    reason = "its executor was lost, and what this connection sent behind the read may have been carried out"
    return down(keyspace, reason, read)


def disk_full(names: Sequence[str]) -> str:
    """Return the reason of writes that need the disks of these nodes."""
    return f"disk full on {', '.join(names)}"


def about_to_stop(names: Sequence[str]) -> str:
    """Return the reason of what needs these nodes, which SIGTERM or SHUTDOWN has told to stop."""
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} about to stop"


def disk_behind(name: str) -> str:
    """Return the reason of what a node has not executed, or its disk not taken, in time."""
    return f"{name} or its disk did not keep up"


def is_catalogue(keyspace: Keyspace) -> bool:
    """Say whether it is the keyspace of the catalogue, of which clients know changes only: those need all members."""
    return keyspace.id == SYSTEM_KEYSPACE


def no_majority(keyspace: Keyspace, name: str, reached: int) -> str | None:
    """Return the reason of a node that reaches no majority of the replicas, itself included; None where it does."""
    total = len(keyspace.replicas)
    needed = total // 2 + 1
    if reached >= needed:
        return None
    if is_catalogue(keyspace):
        return reaches(name, reached, total, total)
    return reaches(name, reached, total, needed, writes_all=keyspace.write == "all")


def reaches(name: str, reached: int, total: int, needed: int, *, writes_all: bool = False) -> str:
    """Return the reason of a node that is on the wrong side of a cut.

    Args:
        needed: for what is refused; where `writes_all`, for reads only.
        writes_all: whether writes need all replicas.
    """
    if writes_all and needed < total:
        return f"{name} reaches {reached} of {total} replicas, needs {needed} to read and {total} to write"
    return f"{name} reaches {reached} of {total} replicas, needs {needed}"


def fenced_by(fences: dict[bytes, str], unit: Unit) -> str | None:
    """Return the reason of the fence that a unit's keys run into, or None.

    Commands of other nodes' making (names begin with NUL) pass: a barrier has to, and whole-db commands name no key.
    """
    for key in named_by(unit):
        reason = fences.get(key.partition(b":")[0]) if b":" in key else None
        if reason is not None:
            return reason
    return None


def named_by(unit: Unit) -> Iterator[bytes]:
    """Yield the keys that must live where a unit is executed: those of its commands, and those that it watches."""
    yield from keys_in(unit)
    for watch in unit.watches:
        yield watch.key


def keys_in(unit: Unit) -> Iterator[bytes]:
    """Yield the keys that a unit's commands name."""
    return (key for _, key in places_in(unit))


def places_in(unit: Unit) -> Iterator[tuple[int, bytes]]:
    """Yield (db, key) of the keys that a unit's commands name."""
    for db, argv in [(unit.db, internal.own_words(unit.argv)), *((part.db, part.argv) for part in unit.parts)]:
        spec = lookup(argv[0]) if argv else None
        if spec is not None:
            if spec.subcommands:
                spec = spec.subcommands[argv[1].lower()]
            for key in keys_of(spec, argv):
                yield db, key
