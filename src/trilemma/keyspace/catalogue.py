"""The catalogue: which keyspaces there are. A deterministic state machine over the entries of `_system`.

Create and drop take two entries, PREPARE then ACTIVATE or ABORT, whichever of the two comes first in the log
(PROTOCOLS §7). Fencing before that is the node's, which sees an entry as soon as it is durable.
"""

from collections.abc import Mapping

import msgspec

from trilemma.base.ids import DEFAULT_KEYSPACE, SYSTEM_KEYSPACE, NodeId
from trilemma.base.limits import limit
from trilemma.keyspace import settings
from trilemma.keyspace.settings import Keyspace, Mode

FIRST_FREE_KEYSPACE = DEFAULT_KEYSPACE + 1

KEYSPACE_IDS_MAX = limit(
    "keyspace_ids_max",
    (1 << 16) - 1,
    "keyspaces ever created, or given up in the making",
    "ids are never used twice, and a SCAN cursor has 16 bits for one",
    "KEYSPACE CREATE is refused: ERR keyspace ... no ids are left for further keyspaces",
)

ALTERABLE = ("write", "read", "durability", "timeout_ms")
"""The settings of a keyspace that ALTER may replace. Each is right or wrong by itself, whatever the others are."""


class Prepare(msgspec.Struct, frozen=True, tag=1, array_like=True):
    """Begin to create (`drops` False) or to drop a keyspace; fences its prefix.

    A keyspace to be created gets its id as the entry is applied: the one it comes with is its coordinator's guess, and
    two of them may have guessed the same.
    """

    keyspace: Keyspace
    drops: bool


class Activate(msgspec.Struct, frozen=True, tag=2, array_like=True):
    """Carry out what was prepared in the entry at `prepared` (its log index)."""

    prepared: int


class Abort(msgspec.Struct, frozen=True, tag=3, array_like=True):
    """Give up what was prepared in the entry at `prepared`."""

    prepared: int


class Alter(msgspec.Struct, frozen=True, tag=4, array_like=True):
    """Replace settings of a keyspace; id, name, mode, replicas and shards stay.

    Only those in `settings` are taken from `keyspace`: the others are as its coordinator knew them, and another ALTER
    may have come first. An entry that names none, as once all did, replaces all.
    """

    keyspace: Keyspace
    settings: tuple[str, ...] = ALTERABLE


Change = Prepare | Activate | Abort | Alter


class Prepared(msgspec.Struct, frozen=True):
    """A change in the making."""

    index: int
    keyspace: Keyspace
    drops: bool
    stamp_ms: int


class CatalogueState(msgspec.Struct):
    """The catalogue as it is kept in a row."""

    keyspaces: dict[str, Keyspace]
    prepared: Prepared | None
    next_id: int
    version: int = 0
    """The log index of the last change that took effect."""


class Catalogue:
    """The keyspaces by name, as the applied log of `_system` says."""

    def __init__(self, state: CatalogueState) -> None:
        self._state = state

    @classmethod
    def first(cls, replicas: tuple[NodeId, ...], default_mode: Mode) -> "Catalogue":
        """Return the catalogue of a fresh cluster: `default` alone."""
        default = settings.make(DEFAULT_KEYSPACE, "default", default_mode, replicas)
        return cls(CatalogueState({"default": default}, None, FIRST_FREE_KEYSPACE))

    @property
    def keyspaces(self) -> Mapping[str, Keyspace]:
        """All active keyspaces by name, in the order of their creation."""
        return self._state.keyspaces

    @property
    def prepared(self) -> Prepared | None:
        """The change in the making, if there is one: one at a time."""
        return self._state.prepared

    @property
    def next_id(self) -> int:
        """The id that the next keyspace gets; never one that was used before, even by one that was given up."""
        return self._state.next_id

    @property
    def is_out_of_ids(self) -> bool:
        """Say whether no further keyspace can be made, because ids are never used twice."""
        return self._state.next_id > KEYSPACE_IDS_MAX

    @property
    def version(self) -> int:
        """The log index of the last change that took effect: nodes of one version route alike."""
        return self._state.version

    def is_gone(self, keyspace: int) -> bool:
        """Say whether the keyspace of an id was dropped, or given up in the making: it is then gone for good.

        False of what is still to come: ids are given in order, so one that this catalogue has not given may be in use
        elsewhere.
        """
        prepared = self._state.prepared
        if not SYSTEM_KEYSPACE < keyspace < self._state.next_id:
            return False
        if prepared is not None and prepared.keyspace.id == keyspace:
            return False
        return all(known.id != keyspace for known in self._state.keyspaces.values())

    def encode(self) -> bytes:
        """Return the state as a row value."""
        return msgspec.msgpack.encode(self._state)

    @classmethod
    def decode(cls, row: bytes) -> "Catalogue":
        """Read back what `encode` wrote."""
        return cls(msgspec.msgpack.decode(row, type=CatalogueState))

    def apply(self, index: int, stamp_ms: int, change: Change) -> bool:
        """Apply the change in the entry at `index`; return whether it took effect."""
        took_effect = self._apply(index, stamp_ms, change)
        if took_effect:
            self._state.version = index
        return took_effect

    def _apply(self, index: int, stamp_ms: int, change: Change) -> bool:
        match change:
            case Prepare():
                return self._prepare(index, stamp_ms, change)
            case Activate():
                return self._finish(change.prepared, activate=True)
            case Abort():
                return self._finish(change.prepared, activate=False)
            case Alter():
                return self._alter(change)

    def _prepare(self, index: int, stamp_ms: int, change: Prepare) -> bool:
        known, keyspace = self._state.keyspaces.get(change.keyspace.name), change.keyspace
        possible = known == keyspace if change.drops else known is None and not self.is_out_of_ids
        if self._state.prepared is not None or not possible:
            return False
        if not change.drops:
            keyspace = msgspec.structs.replace(keyspace, id=self._state.next_id)
            self._state.next_id += 1
        self._state.prepared = Prepared(index, keyspace, change.drops, stamp_ms)
        return True

    def _finish(self, prepared: int, *, activate: bool) -> bool:
        change = self._state.prepared
        if change is None or change.index != prepared:
            return False
        self._state.prepared = None
        if activate and change.drops:
            del self._state.keyspaces[change.keyspace.name]
        elif activate:
            self._state.keyspaces[change.keyspace.name] = change.keyspace
        return True

    def _alter(self, change: Alter) -> bool:
        known = self._state.keyspaces.get(change.keyspace.name)
        if known is None or known.id != change.keyspace.id:
            return False
        settings = {name: getattr(change.keyspace, name) for name in ALTERABLE if name in change.settings}
        self._state.keyspaces[known.name] = msgspec.structs.replace(known, **settings)
        return True


encode_change = msgspec.msgpack.Encoder().encode
decode_change = msgspec.msgpack.Decoder(Change).decode
