"""What a trial found: figures by name, and the sentences that say what did not hold."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import redis

POLL_S = 0.01
REFUSED_S = 10.0


@dataclass(slots=True)
class Report:
    """The outcome of one trial."""

    name: str
    figures: dict[str, float | int | str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def require(self, holds: bool, sentence: str) -> None:
        """Take note of a sentence where something does not hold."""
        if not holds:
            self.broken.append(sentence)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median and worst of some measurements, in the unit they come in."""
    ordered = sorted(values)
    return {"median": round(ordered[len(ordered) // 2], 3), "worst": round(ordered[-1], 3)}


def patiently(action: Callable[[], None]) -> None:
    """Do something until it is not refused: under the heaviest load a link may be taken as down for a moment.

    Only for what does no harm twice.
    """
    end = time.monotonic() + REFUSED_S
    while True:
        try:
            action()
            return
        except redis.ResponseError:
            if time.monotonic() > end:
                raise
            time.sleep(POLL_S)


def send_pairs(client: redis.Redis, pairs: Mapping[str, str]) -> None:
    """SET all of them in one pipeline."""
    batch = client.pipeline(transaction=False)
    for key, value in pairs.items():
        batch.set(key, value)
    batch.execute()


def seconds_until(condition: Callable[[], bool], within_s: float) -> float | None:
    """Wait until something holds; return after how long, None where it does not in time."""
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        if condition():
            return time.monotonic() - began
        time.sleep(POLL_S)
    return None
