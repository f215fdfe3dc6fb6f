"""Known bugs, planted on purpose: what the judges must find before a clean campaign counts (FAULTS §2).

A mutant replaces functions of the product while it is planted, and only then: there is no switch for it in the product
itself. Each is named as in FAULTS and says what it breaks.

Some bugs do no harm here, because a second defence stands behind the first. Such a mutant takes the second one away as
well, and names it as its *mask*; without the bug, but with the mask off, the same schedules must be clean.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

Patches = Callable[[], list[tuple[Any, str, Any]]]

MASKS_ONLY = "~"
"""Appended to a name: take away what masks the bug, and plant nothing."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug. `patches`: (object, attribute, replacement made from the original); `masks`: likewise, of its masks."""

    name: str
    story: str
    mode: str
    patches: Patches
    masks: Patches = list


MUTANTS: dict[str, Mutant] = {}


def mutant(name: str, mode: str, story: str, masks: Patches = list) -> Callable[[Patches], None]:
    """Register a mutant; `mode` is the one whose schedules should show it."""

    def add(patches: Patches) -> None:
        MUTANTS[name] = Mutant(name, story, mode, patches, masks)

    return add


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Plant a bug while the block runs; no name plants none.

    Raises:
        KeyError: there is no such mutant.
    """
    if not name:
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
