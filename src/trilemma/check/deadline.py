"""A limit in seconds for what may take long. Reads no clock: whoever sets the limit brings one."""

from collections.abc import Callable
from typing import NamedTuple


class Deadline(NamedTuple):
    """When to give up, on a clock that the caller brings (seconds, never going back)."""

    clock: Callable[[], float]
    end_s: float

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float]) -> "Deadline":
        """Return the deadline that lies `seconds` ahead of what the clock shows now."""
        return cls(clock, clock() + seconds)

    @property
    def is_over(self) -> bool:
        """Whether the time is used up."""
        return self.clock() >= self.end_s


def why_given_up(steps_max: int, deadline: Deadline | None) -> str:
    """Return in words which bound of a search was reached."""
    return "the time was up" if deadline is not None and deadline.is_over else f"gave up after {steps_max} steps"
