"""On what terms a history is judged, and what comes of it. Knows no checker and no model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from trilemma.check.deadline import Deadline
from trilemma.check.linearizable import STEPS_MAX
from trilemma.check.verdict import Verdict

_NO_MODELS: Final[Mapping[str, Verdict]] = {}


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a history is judged."""

    initial: Any = None
    """What each key holds at first; None for what the model itself begins with."""
    steps_max: int = STEPS_MAX
    """Bound on each search."""
    deadline: Deadline | None = None
    """When searches give up, over all keys."""
    clock_error_us: int = 0
    """By how much the clock that judges deadlines may be wrong, in either direction."""
    promise: str = ""
    """Where many models of consistency are judged: the one that counts; empty for what the judge takes for promised."""


DEFAULT_TERMS: Final = Terms()


class Judgement(NamedTuple):
    """What came of it."""

    verdicts: list[Verdict]
    """Those that count."""
    models: Mapping[str, Verdict] = _NO_MODELS
    """A verdict per model of consistency, as `hierarchy.stand` takes them; empty where only one was judged."""
