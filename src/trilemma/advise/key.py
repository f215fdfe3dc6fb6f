"""Keys: what is known of one without running a program, and whether two are one.

A key has a form for each way in which a program writes it: the name that it is used by, and the expression that the
name stands for. A form stands for a key only together with what its names were bound to when it was run.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from trilemma.advise.spot import Spot


class Trail(NamedTuple):
    """Where a name of a form has been bound before the form is run."""

    scope: int
    """Which scope the name is of."""
    bound: frozenset[Spot]
    source: str = ""
    """What it was bound to last, or what the loop goes through that did; empty where that is not seen."""


class Form(NamedTuple):
    """One way in which a program writes a key."""

    text: str
    spot: Spot
    """Where it is run: of the expression that a name stands for, where the name is bound to it."""
    trails: tuple[Trail, ...]
    """Of each of its names, in their alphabetical order."""

    def is_same(self, other: "Form") -> bool | None:
        """Say whether two forms make the same key; None where that depends on the way that the program takes."""
        if self.text != other.text:
            return False
        earlier, later = sorted((self.spot, other.spot), key=lambda spot: spot.position)
        same: bool | None = True
        for mine, its in zip(self.trails, other.trails, strict=True):
            anew = [each.lies_between(earlier, later) for each in mine.bound ^ its.bound]
            if True in anew and not (mine.source and mine.source == its.source):
                return False
            if any(each is not False for each in anew) or mine.scope != its.scope:
                same = None
        return same


@dataclass(frozen=True, slots=True)
class Key:
    """A key: its text, or the source of the expression that makes it.

    `prefix` is the text before the first `:`; empty where it is known that there is none; None where it is not known.
    """

    text: str
    prefix: str | None
    is_several: bool = False
    """Whether it stands for any number of keys, and which ones is not known."""
    forms: tuple[Form, ...] = ()
    """How the program writes it; none where it is known whole."""

    @classmethod
    def literal(cls, text: str) -> "Key":
        """Return a key that is known whole."""
        return cls(text, text.partition(":")[0] if ":" in text else "")

    def is_same(self, other: "Key") -> bool | None:
        """Say whether two keys are one; None where they may be, or may not."""
        if not self.forms and not other.forms:
            return self.text == other.text
        return surest(mine.is_same(its) for mine in self.forms for its in other.forms)


def surest(answers: Iterable[bool | None]) -> bool | None:
    """Return whether any of some answers is yes; None where none is, and one is not known."""
    known = set(answers)
    return True if True in known else None if None in known else False
