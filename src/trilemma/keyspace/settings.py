"""The settings of one keyspace (PROMISES §3): defaults by mode, and which settings contradict a mode."""

from enum import Enum

import msgspec

from trilemma.base.errors import ReplyError, error, register
from trilemma.base.ids import NodeId, ShardId, shard_id

TIMEOUT_MS_DEFAULT = 2_000
TIMEOUT_MS_MIN = 10
TIMEOUT_MS_MAX = 600_000
TIMEOUT_RANGE = f"is in ms, {TIMEOUT_MS_MIN} to {TIMEOUT_MS_MAX}"

SHOWN_MAX = 40
"""Characters of a wrong value that its refusal shows."""

SIBLINGS_NOT_BUILT = (
    "SIBLINGS is not built yet: of concurrent SETs one is shown, and CAP CONFLICTS lists the hidden ones"
)
HELP = (
    "Settings of CREATE, each at most once; MODE must be given:",
    "    MODE cp|ap|ca. What is given up: cp availability, ap freshness, ca partition tolerance.",
    "    REPLICAS <count>. From 1 to the number of nodes, which is the default.",
    "    SHARDS 1. More is not built yet.",
    "    WRITE <count>. How many replicas hold a write durably before its reply.",
    "        cp: majority (default) or all. ca: all. ap: from 1 (default) to REPLICAS, majority or all.",
    "    READ <what>. What a read may be answered from.",
    "        cp: linearizable (default), lease or local. ca: local.",
    "        ap: from 1 (default) to REPLICAS, majority or all: so many replicas are asked.",
    "    DURABILITY sync|everysec. sync is the default; everysec is for ap only.",
    f"    TIMEOUT <ms>. How long a request waits: {TIMEOUT_MS_MIN} to {TIMEOUT_MS_MAX}; default {TIMEOUT_MS_DEFAULT}.",
    "    SIBLINGS yes|no. Not built yet.",
    "Settings of ALTER: WRITE, READ, DURABILITY and TIMEOUT; the others stay.",
)
"""What KEYSPACE HELP says of the settings, beside its subcommands."""

register("setting", "ERR keyspace '{keyspace}': {reason}", "change the setting named; KEYSPACE HELP lists them")


class Mode(Enum):
    """What a keyspace gives up: cp availability, ap freshness, ca partition tolerance."""

    CP = "cp"
    AP = "ap"
    CA = "ca"


class Keyspace(msgspec.Struct, frozen=True):
    """One keyspace as the catalogue holds it.

    `write`: "majority", "all" or a number of replicas; `read`: "linearizable", "lease", "local" or a number.
    """

    id: int
    name: str
    mode: Mode
    replicas: tuple[NodeId, ...]
    shards: int
    write: str
    read: str
    durability: str
    timeout_ms: int

    def shard_ids(self) -> list[ShardId]:
        """Return the ids of its shards, in order."""
        return [shard_id(self.id, ordinal) for ordinal in range(self.shards)]

    @property
    def configuration(self) -> str:
        """What was chosen beside the mode, as INFO and /metrics tell it."""
        return (
            f"replicas={len(self.replicas)},write={self.write},read={self.read},durability={self.durability},"
            f"timeout_ms={self.timeout_ms}"
        )

    @property
    def is_leaderless(self) -> bool:
        """Say whether its shards are replicated without a leader."""
        return self.mode is Mode.AP

    @property
    def write_count(self) -> int:
        """The number of replicas that must hold a write durably before its reply."""
        return self._count(self.write)

    @property
    def read_count(self) -> int:
        """The number of replicas an `ap` read consults, itself included."""
        return self._count(self.read)

    def _count(self, setting: str) -> int:
        if setting == "all":
            return len(self.replicas)
        if setting == "majority":
            return len(self.replicas) // 2 + 1
        return int(setting) if setting.isdigit() else 1


def shortened(value: str) -> str:
    """Return a value that was sent, for a sentence about it: not all of it where it is long."""
    return value if len(value) <= SHOWN_MAX else f"{value[:SHOWN_MAX]}…"


def refuse(keyspace: str, reason: str) -> ReplyError:
    """Return the error for a setting that cannot be."""
    return error("setting", keyspace=keyspace, reason=reason)


def make(
    number: int,
    name: str,
    mode: Mode,
    replicas: tuple[NodeId, ...],
    *,
    write: str | None = None,
    read: str | None = None,
    durability: str | None = None,
    timeout_ms: int | None = None,
) -> Keyspace:
    """Return a keyspace with the defaults of its mode filled in, or refuse a contradiction.

    Raises:
        ReplyError: `setting`, with the reason.
    """
    defaults = {Mode.CP: ("majority", "linearizable"), Mode.CA: ("all", "local"), Mode.AP: ("1", "1")}[mode]
    keyspace = Keyspace(
        id=number,
        name=name,
        mode=mode,
        replicas=replicas,
        shards=1,
        write=(write or defaults[0]).lower(),
        read=(read or defaults[1]).lower(),
        durability=(durability or "sync").lower(),
        timeout_ms=TIMEOUT_MS_DEFAULT if timeout_ms is None else timeout_ms,
    )
    check(keyspace)
    return keyspace


def check(keyspace: Keyspace) -> None:
    """Refuse what contradicts the mode.

    Raises:
        ReplyError: `setting`, with the reason.
    """
    _check_timeout(keyspace)
    _check_durability(keyspace)
    if keyspace.mode is Mode.AP:
        _check_leaderless(keyspace)
    elif keyspace.mode is Mode.CA:
        _check_all_or_stop(keyspace)
    else:
        _check_consistent(keyspace)


def _check_timeout(keyspace: Keyspace) -> None:
    if not TIMEOUT_MS_MIN <= keyspace.timeout_ms <= TIMEOUT_MS_MAX:
        raise refuse(keyspace.name, f"TIMEOUT {TIMEOUT_RANGE}, not '{keyspace.timeout_ms}'")


def _check_durability(keyspace: Keyspace) -> None:
    if keyspace.durability not in ("sync", "everysec"):
        raise refuse(keyspace.name, f"DURABILITY is sync or everysec, not '{shortened(keyspace.durability)}'")
    if keyspace.durability == "everysec" and keyspace.mode is not Mode.AP:
        raise refuse(
            keyspace.name,
            f"DURABILITY everysec is for ap only: {keyspace.mode.value} never shows what a crash could take back",
        )


def _check_leaderless(keyspace: Keyspace) -> None:
    count = len(keyspace.replicas)
    for word, value in (("WRITE", keyspace.write), ("READ", keyspace.read)):
        if value not in ("all", "majority", *map(str, range(1, count + 1))):
            raise refuse(keyspace.name, f"{word} on ap is 1 to {count}, majority or all, not '{shortened(value)}'")


def _check_all_or_stop(keyspace: Keyspace) -> None:
    if keyspace.write != "all":
        why = "its replicas answer reads from their own memory"
        raise refuse(keyspace.name, f"WRITE on ca is all, not '{shortened(keyspace.write)}': {why}")
    if keyspace.read != "local":
        raise refuse(keyspace.name, f"READ on ca is local, not '{shortened(keyspace.read)}'; use cp for other reads")


def _check_consistent(keyspace: Keyspace) -> None:
    if keyspace.write not in ("majority", "all"):
        why = "fewer could be lost with one node"
        raise refuse(keyspace.name, f"WRITE on cp is majority or all, not '{shortened(keyspace.write)}': {why}")
    if keyspace.read not in ("linearizable", "lease", "local"):
        raise refuse(keyspace.name, f"READ on cp is linearizable, lease or local, not '{shortened(keyspace.read)}'")
