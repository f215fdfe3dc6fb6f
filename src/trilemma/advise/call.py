"""Calls: commands as a program, or one of its connections, sends them; arguments may be known only in part."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from trilemma.advise.key import Key
from trilemma.advise.spot import Arm, follows


class Receiver(NamedTuple):
    """What a command is called on, such as a pipeline."""

    name: str = ""
    made: int = 0
    """The line in which it is made; 0 where that is not seen."""
    since: int = 0
    """The number of the first call whose watches it may still have."""

    def is_one_with(self, other: "Receiver") -> bool | None:
        """Say whether two are one connection's; None where two names may be of one."""
        if self.name == other.name:
            return self.made == other.made
        return False if self.made and other.made and self.made != other.made else None


ONE_CONNECTION: Final = Receiver()
"""What all commands of a connection are called on."""


@dataclass(frozen=True, slots=True)
class Call:
    """One command at one place. `name` in lower case; `words`: the known arguments that may be options, in capitals."""

    place: str
    who: str
    """Whose order it keeps: a connection, or a function of a program."""
    name: str
    keys: tuple[Key, ...] = ()
    words: tuple[str, ...] = ()
    shown: str = ""
    in_multi: bool = False
    is_reply_used: bool | None = None
    """None where it cannot be seen."""
    is_retried: bool | None = None
    """Whether it is sent again after an error, and not with CAP ONCE; None where it cannot be seen."""
    arms: tuple[Arm, ...] = ()
    """The branches that it stands in, the outermost first."""
    client: str = ""
    """What it is sent by, as the program names it; empty where that is not known."""
    receiver: Receiver = ONE_CONNECTION
    number: int = 0
    """Its place among the calls of the program; 0 for those of connections, whose watches end with a command."""

    def follows(self, earlier: "Call") -> bool | None:
        """Whether it can come after a call that stands before it; None where that needs another round of a loop."""
        return follows(self.arms, earlier.arms)


@dataclass(frozen=True, slots=True)
class Client:
    """A client that a program makes. `is_told`: whether the program says so itself, or the library's default does."""

    place: str
    shown: str
    retries: bool
    is_told: bool


@dataclass(frozen=True, slots=True)
class Program:
    """What was read: commands in order, clients, and places that were not understood."""

    calls: tuple[Call, ...]
    clients: tuple[Client, ...] = ()
    not_understood: tuple[str, ...] = ()
