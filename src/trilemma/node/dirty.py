"""Which keys a replica must not read from its own memory: those that an entry above its applied index touches.

An entry is looked at once, when a read asks; what was replaced by another leader's entries is forgotten (PROTOCOLS
§3.6). As CRAQ's dirty objects: Terrace and Freedman, "Object storage on CRAQ", USENIX ATC 2009.
"""

from collections.abc import Iterable

from trilemma.node import internal
from trilemma.node.refusal import keys_in
from trilemma.node.unit import Unit, decode_units
from trilemma.replication.port import EntryKind
from trilemma.replication.raft.replica import Raft


class DirtyKeys:
    """The keys of one shard that are not to be read here yet."""

    def __init__(self, raft: Raft) -> None:
        self._raft = raft
        self._keys: dict[bytes, int] = {}
        """Per key the highest entry known to touch it; dbs are not told apart."""
        self._all = 0
        """The highest entry known to touch every key: expiry, and commands about a whole db."""
        self._seen = 0
        self._truncations = 0

    def is_clean(self, unit: Unit, applied_index: int) -> bool:
        """Say whether no entry above the applied one touches what a unit reads."""
        if self._raft.last_index <= applied_index:
            return True
        self._look(applied_index)
        if self._all > applied_index:
            return False
        keys = list(keys_in(unit))
        if not keys:
            return False
        return all(self._keys.get(key, 0) <= applied_index for key in keys)

    def _look(self, applied_index: int) -> None:
        """Take in the entries that nobody has looked at."""
        if self._truncations != self._raft.truncations:
            self._truncations = self._raft.truncations
            self._keys.clear()
            self._all = 0
            self._seen = applied_index
        elif self._seen < applied_index:
            self._seen = applied_index
            self._keys.clear()
        while self._seen < self._raft.last_index:
            entries = self._raft.entries(self._seen + 1, self._raft.last_index)
            if not entries:
                # What cannot be looked at counts as touching everything.
                self._all = self._raft.last_index
                return
            for entry in entries:
                if entry.kind is EntryKind.COMMANDS:
                    self._touch(entry.index, decode_units(entry.body))
                elif entry.kind is EntryKind.TICK:
                    self._all = entry.index
            self._seen = entries[-1].index

    def _touch(self, index: int, units: Iterable[Unit]) -> None:
        for unit in units:
            if unit.is_read:
                continue
            keys = list(keys_in(unit))
            for key in keys:
                self._keys[key] = index
            if self._has_keyless_part(unit):
                self._all = index

    @staticmethod
    def _has_keyless_part(unit: Unit) -> bool:
        commands = [unit.argv] if unit.argv else [part.argv for part in unit.parts]
        return any(argv[0][:1] == b"\x00" and argv[0] != internal.ONCE for argv in commands)
