"""What a reader gives: the operations of a file, the faults beside them, and the name of the format they came in."""

from typing import NamedTuple

from trilemma.check.fault import Fault
from trilemma.check.history import Operation


class Recording(NamedTuple):
    """The content of one file."""

    operations: list[Operation]
    faults: list[Fault]
    format: str
