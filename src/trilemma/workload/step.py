"""Steps: what a generator asks a client to send, in the wire's terms and in the checkers' terms."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

Command: TypeAlias = tuple[bytes, ...]
"""A command's name, in capitals, and its arguments."""

Reply: TypeAlias = Any
"""A reply as a plain value: bytes (also for a status), int, None, a list or tuple; an error as its text (str) or as an
exception whose str() is the text."""


class Step(NamedTuple):
    """One operation of one process: `commands` go out in one write on that process' connection.

    A process is one connection: when it breaks, or an outcome is `info`, the client goes on under a new number.
    `kind`, `key` and `argument` are the operation's, as the model named by the generator reads them; `note` is the
    generator's own.
    """

    process: int
    commands: tuple[Command, ...]
    kind: str
    key: bytes
    argument: Any = None
    note: Any = None


class Recorded(NamedTuple):
    """What became of a step: an operation's outcome and result."""

    outcome: Literal["ok", "fail", "info"]
    result: Any = None


class Generator(Protocol):
    """A source of load. Several processes may draw from one generator, and steps may be under way at once."""

    def next(self, process: int) -> Step:
        """Return what this process sends next."""
        ...

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        """Return what became of a step.

        Args:
            replies: one per command of the step; fewer, or none, where the connection or the patience was lost.
        """
        ...

    def finals(self, process: int) -> list[Step]:
        """Return steps that read all that was ever written, to be sent when the run has come to rest."""
        ...
