"""Conventions: how to take what histories of other tools leave open. Each is a setting, because tools differ."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

NilRead: TypeAlias = Literal["absent", "unknown"]
FailedCas: TypeAlias = Literal["mismatch", "never"]
Keys: TypeAlias = Literal["auto", "split", "whole"]
Order: TypeAlias = Literal["time", "position"]

NIL_READS: Final[tuple[NilRead, ...]] = ("absent", "unknown")
FAILED_CAS: Final[tuple[FailedCas, ...]] = ("mismatch", "never")
KEYS: Final[tuple[Keys, ...]] = ("auto", "split", "whole")
ORDERS: Final[tuple[Order, ...]] = ("time", "position")


@dataclass(frozen=True, slots=True)
class Conventions:
    """How a history is taken. The defaults are those that docs/histories.md gives the reasons for."""

    nil_read: NilRead = "absent"
    """What a read of nil saw: that nothing is there (Porcupine), or nobody knows what (Knossos)."""
    failed_cas: FailedCas = "mismatch"
    """What a failed compare-and-set says: that it found another value (Porcupine), or nothing at all (Knossos)."""
    keys: Keys = "auto"
    """Whether values are pairs of a key and a value, as of `jepsen.independent`; `auto` looks at all of them."""
    order: Order = "time"
    """What tells before from after: `:time` where every line has one, or only the place in the file."""


DEFAULT: Final = Conventions()
