"""Known bugs, planted on purpose: what the judges must find before a clean campaign counts (FAULTS §2).

A mutant replaces functions of the product while it is planted, and only then: there is no switch for it in the product
itself. Each has a letter and a number (FAULTS §2) and says what it breaks.

Some bugs do no harm here, because a second defence stands behind the first. Such a mutant takes the second one away as
well, and names it as its *mask*; without the bug, but with the mask off, the same schedules must be clean.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trilemma.sim.options import Options

Vary = Callable[["Options"], "Options"]
"""Makes of a seed's options those that a bug needs to show, such as a workload that the mix does not draw."""

Patches = Callable[[], list[tuple[Any, str, Any]]]

MASKS_ONLY = "~"
"""Appended to a name: take away what masks the bug, and plant nothing."""

OPTIONS_ONLY = "="
"""Appended to a name: use the bug's options, take away no mask and plant nothing."""


def as_drawn(options: "Options") -> "Options":
    """Return the options as they are."""
    return options


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug. `patches`: (object, attribute, replacement made from the original); `masks`: likewise, of its masks.

    `vary` makes the options of its schedules.
    """

    name: str
    story: str
    mode: str
    patches: Patches
    masks: Patches = list
    vary: Vary = as_drawn


MUTANTS: dict[str, Mutant] = {}


def mutant(name: str, mode: str, story: str, masks: Patches = list, vary: Vary = as_drawn) -> Callable[[Patches], None]:
    """Register a mutant; `mode` is the one whose schedules should show it."""

    def add(patches: Patches) -> None:
        MUTANTS[name] = Mutant(name, story, mode, patches, masks, vary)

    return add


def varied(name: str, options: "Options") -> "Options":
    """Return the options with which a bug is looked for; as they are where no bug is named.

    Raises:
        KeyError: there is no such mutant.
    """
    return MUTANTS[name.rstrip(MASKS_ONLY + OPTIONS_ONLY)].vary(options) if name else options


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Plant a bug while the block runs; no name plants none.

    Raises:
        KeyError: there is no such mutant.
    """
    if not name or name.endswith(OPTIONS_ONLY):
        yield
        return
    known = MUTANTS[name.removesuffix(MASKS_ONLY)]
    with patched(known.masks() + ([] if name.endswith(MASKS_ONLY) else known.patches())):
        yield


@contextmanager
def patched(patches: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    """Replace attributes of classes and modules while the block runs."""
    originals = [(owner, attribute, owner.__dict__[attribute]) for owner, attribute, _ in patches]
    for owner, attribute, replacement in patches:
        setattr(owner, attribute, replacement)
    try:
        yield
    finally:
        for owner, attribute, original in originals:
            setattr(owner, attribute, original)
