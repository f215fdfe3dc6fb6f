"""Known bugs, planted on purpose: what the judges must find before a clean campaign counts (FAULTS §2).

A mutant replaces functions of the product while it is planted, and only then: there is no switch for it in the product
itself. Each is named as in FAULTS and says what it breaks.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug. `patches`: (object, attribute, replacement made from the original)."""

    name: str
    story: str
    mode: str
    patches: Callable[[], list[tuple[Any, str, Any]]]


MUTANTS: dict[str, Mutant] = {}


def mutant(name: str, mode: str, story: str) -> Callable[[Callable[[], list[tuple[Any, str, Any]]]], None]:
    """Register a mutant; `mode` is the one whose schedules should show it."""

    def add(patches: Callable[[], list[tuple[Any, str, Any]]]) -> None:
        MUTANTS[name] = Mutant(name, story, mode, patches)

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
    patches = MUTANTS[name].patches()
    originals = [(owner, attribute, owner.__dict__[attribute]) for owner, attribute, _ in patches]
    for owner, attribute, replacement in patches:
        setattr(owner, attribute, replacement)
    try:
        yield
    finally:
        for owner, attribute, original in originals:
            setattr(owner, attribute, original)
