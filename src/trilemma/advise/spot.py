"""Spots of a Python source where something is run: their order as written, and what of the program leads past them.

Two spots are judged along the one way through a program that goes down the lines and no loop twice. Not known: that a
condition holds twice, what `raise`, `break` and `continue` skip, and when another function is run.
"""

from dataclasses import dataclass
from typing import NamedTuple


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


def follows(later: tuple[Arm, ...], earlier: tuple[Arm, ...]) -> bool | None:
    """Say whether what stands in some branches can come after what stands before it in others; None where that needs
    another round of a loop."""
    mine = {arm.fork: arm for arm in later}
    can: bool | None = True
    for arm in earlier:
        other = mine.get(arm.fork)
        if other is None and arm.returns:
            return False
        if other is not None and other.number != arm.number:
            if arm.returns or not arm.is_repeated:
                return False
            can = None
    return can


class Block(NamedTuple):
    """A part of a statement that may be left out, such as a branch, the body of a loop, or of a function."""

    statement: int
    part: str
    is_loop: bool


class Spot(NamedTuple):
    """A spot, with what it stands in."""

    position: tuple[int, int] = (0, 0)
    """Line and column."""
    arms: tuple[Arm, ...] = ()
    blocks: frozenset[Block] = frozenset()

    def lies_between(self, earlier: "Spot", later: "Spot") -> bool | None:
        """Say whether the way from one spot to another goes past this one; None where it may or may not.

        A loop may be left before all of its last round is run.
        """
        if follows(self.arms, earlier.arms) is not True or follows(later.arms, self.arms) is not True:
            return False
        sure = later.blocks | {each for each in earlier.blocks if not each.is_loop}
        return True if self.blocks <= sure else None
