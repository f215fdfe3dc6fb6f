"""The view: all that a command can see and do to the keys of one shard.

Commands call it while they execute; a view turns what they do into rows (plain) or into operations of a batch that are
applied to rows (causal). A key is (db, key bytes). Every method judges expiry by `now_ms`: an expired key is absent.
Deadlines are absolute wall or log time in ms; None means: lives for ever.
"""

from collections.abc import Sequence
from typing import Protocol

STRING = "string"
"""Type names are those of TYPE."""


class View(Protocol):
    """One shard's keys at one moment. Methods that read a string raise ReplyError wrong_type on other types."""

    defects: list[str]
    """Where an executor notes what broke while it ran a command, for whoever tells people."""

    @property
    def now_ms(self) -> int:
        """The time by which expiry is judged: log time on `cp` and `ca`, the expiry clock on `ap`."""
        ...

    @property
    def ttl_now_ms(self) -> int:
        """The time from which TTL replies count; at least `now_ms`."""
        ...

    def draw(self, bound: int) -> int:
        """Return a number from 0 to bound - 1 from the entry's seed: the same on every replica."""
        ...

    def next_part(self) -> None:
        """Begin a further command of a transaction; one that writes may find that there is no room left for it.

        On `ap` its first write raises ReplyError transaction_too_large then, before anything of it has happened.
        """
        ...

    def kind(self, db: int, key: bytes) -> str | None:
        """Return the shown type's name, or None where the key is absent."""
        ...

    def string(self, db: int, key: bytes) -> bytes | None:
        """Return the string as GET shows it (a counter's total included), or None."""
        ...

    def glimpse(self, db: int, key: bytes) -> memoryview | None:
        """Return the string as `string` does, but without a copy of it: to be looked at now, and not kept."""
        ...

    def strings(self, db: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return several strings at once; other types count as None, as MGET wants."""
        ...

    def set_string(self, db: int, key: bytes, value: bytes, deadline_ms: int | None) -> None:
        """Replace whatever the key holds, of any type, and its deadline."""
        ...

    def edit_string(self, db: int, key: bytes, value: bytes) -> None:
        """Replace the string and keep the deadline (APPEND, SETRANGE, SET KEEPTTL)."""
        ...

    def add_integer(self, db: int, key: bytes, amount: int) -> int:
        """Add to the number shown (absent: 0), keep the deadline, return the new number.

        Raises:
            ReplyError: wrong_type; not_integer where the string is no int64; increment_overflow beyond int64.
        """
        ...

    def add_float(self, db: int, key: bytes, amount: bytes) -> bytes:
        """Add a decimal number (already validated text), keep the deadline, return the new value's text.

        Raises:
            ReplyError: wrong_type; not_float; increment_nan.
        """
        ...

    def exists(self, db: int, key: bytes) -> bool:
        """Say whether the key is there, of any type."""
        ...

    def delete(self, db: int, key: bytes) -> bool:
        """Delete what is seen; return whether there was anything visible."""
        ...

    def deadline_ms(self, db: int, key: bytes) -> int | None:
        """Return the deadline of a visible key, or None."""
        ...

    def set_deadline(self, db: int, key: bytes, deadline_ms: int | None) -> None:
        """Give a visible key a deadline, or take it away. One that has passed deletes the key."""
        ...

    def copy(self, db: int, key: bytes, to_db: int, to_key: bytes) -> None:
        """Write the shown value and deadline of a visible key to another key, replacing what is there."""
        ...

    def encoding(self, db: int, key: bytes) -> str | None:
        """Return what OBJECT ENCODING says, or None where the key is absent."""
        ...

    def size(self, db: int) -> int:
        """Return the number of keys, expired ones that were not yet removed included, as Redis does."""
        ...

    def scan(self, db: int, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Return the keys whose 48-bit hashes follow `cursor`, and the cursor to go on from (0: done).

        A cursor is a key hash (0 begins); all keys of one hash come together, so a cursor is valid on every node.
        """
        ...

    def random_key(self, db: int) -> bytes | None:
        """Return a key drawn with `draw`, or None where there is none."""
        ...

    def flush(self, db: int | None) -> None:
        """Delete every key of a db, or of all dbs; O(1) in the number of keys on `cp` and `ca`."""
        ...

    def version(self, db: int, key: bytes) -> int:
        """Return a number that differs after any change to the key, deletion and expiry included (WATCH).

        May also differ without a change to this key, rarely; never the other way.
        """
        ...
