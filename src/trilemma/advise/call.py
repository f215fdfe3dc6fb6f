"""Calls: commands as a program, or one of its connections, sends them; arguments may be known only in part."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """A key: its text, or the source of the expression that makes it.

    `prefix` is the text before the first `:`; empty where it is known that there is none; None where it is not known.
    """

    text: str
    prefix: str | None
    is_several: bool = False
    """Whether it stands for any number of keys, and which ones is not known."""

    @classmethod
    def literal(cls, text: str) -> "Key":
        """Return a key that is known whole."""
        return cls(text, text.partition(":")[0] if ":" in text else "")


@dataclass(frozen=True, slots=True)
class Arm:
    """A branch of a program, of which at a fork only one is run at a time."""

    fork: int
    """Which fork it belongs to."""
    number: int
    """Which of its branches it is."""
    returns: bool
    """Whether it ends the function: nothing outside of it comes after it."""
    is_repeated: bool
    """Whether a loop goes round the fork: the next time it may be another branch."""


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

    def follows(self, earlier: "Call") -> bool | None:
        """Whether it can come after a call that stands before it; None where that needs another round of a loop."""
        mine = {arm.fork: arm for arm in self.arms}
        can: bool | None = True
        for arm in earlier.arms:
            other = mine.get(arm.fork)
            if other is None and arm.returns:
                return False
            if other is not None and other.number != arm.number:
                if arm.returns or not arm.is_repeated:
                    return False
                can = None
        return can


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
