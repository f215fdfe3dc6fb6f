"""The `[timing]` table of the configuration, and the relations between times that the protocols need.

PROTOCOLS §1.1, §2.2, §3; Ongaro's thesis §3.9 (election timeouts), §6.4.1 (leases). A table that breaks one is refused:
most of them cost availability only, a margin that is too short costs linearizability.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from trilemma.base.time import US_PER_MS
from trilemma.cluster.link import BEAT_SPACING_US, BEATS_REMEMBERED
from trilemma.node.config import Timing

BEATS_PER_TIMEOUT_MIN = 3
"""A link is not to be given up for one late heartbeat; nor a leader, nor a lease."""

LINK_TIMEOUT_MS_MAX = BEATS_REMEMBERED * BEAT_SPACING_US // US_PER_MS

LEASE_PER_MARGIN_MAX = 8
"""lease / 0.95 <= (lease + margin) / 1.05, where clocks run 5% slow here and 5% fast there: margin >= lease / 9.5."""

_DEFAULT = Timing()


class TimingOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[timing]` table, in milliseconds. Link time-out + lease + margin is the detection time."""

    heartbeat_ms: Annotated[int, Meta(ge=1, description="Between two heartbeats on a link.")] = (
        _DEFAULT.heartbeat_us // US_PER_MS
    )
    link_timeout_ms: Annotated[int, Meta(ge=1, description="A link without an answer for so long is down.")] = (
        _DEFAULT.link_timeout_us // US_PER_MS
    )
    election_timeout_min_ms: Annotated[
        int,
        Meta(ge=1, description="A follower that hears no leader waits at least so long, and at least lease + margin."),
    ] = _DEFAULT.election_timeout_min_us // US_PER_MS
    election_timeout_max_ms: Annotated[
        int,
        Meta(ge=1, description="By the difference of the two its wait varies, so that seldom two campaign at once."),
    ] = _DEFAULT.election_timeout_max_us // US_PER_MS
    lease_ms: Annotated[int, Meta(ge=1, description="How long a read lease lasts.")] = _DEFAULT.lease_us // US_PER_MS
    margin_ms: Annotated[int, Meta(ge=1, description="What clocks that run apart may cost.")] = (
        _DEFAULT.margin_us // US_PER_MS
    )

    def timing(self) -> Timing:
        """Return the times as the node takes them."""
        return Timing(**{f"{name.removesuffix('_ms')}_us": value * US_PER_MS for name, value in self._items()})

    def _items(self) -> Iterator[tuple[str, int]]:
        for name in self.__struct_fields__:
            yield name, getattr(self, name)


def contradiction(timing: TimingOptions) -> str | None:
    """Return the first relation that the times break, as a sentence for the operator; None where all hold."""
    return next((sentence for holds, sentence in _relations(timing) if not holds), None)


def _relations(timing: TimingOptions) -> Iterator[tuple[bool, str]]:
    beats_ms, beats = BEATS_PER_TIMEOUT_MIN * timing.heartbeat_ms, f"{BEATS_PER_TIMEOUT_MIN} times timing.heartbeat_ms"
    yield (
        timing.link_timeout_ms >= beats_ms,
        f"timing.link_timeout_ms must be at least {beats}: a link is not to be given up for one late heartbeat",
    )
    yield (
        timing.link_timeout_ms <= LINK_TIMEOUT_MS_MAX,
        f"timing.link_timeout_ms must be at most {LINK_TIMEOUT_MS_MAX}: older heartbeats are not remembered",
    )
    yield (
        timing.election_timeout_min_ms < timing.election_timeout_max_ms,
        "timing.election_timeout_min_ms must be below timing.election_timeout_max_ms: after equal waits candidates "
        "split the votes",
    )
    yield (
        timing.election_timeout_min_ms >= beats_ms,
        f"timing.election_timeout_min_ms must be at least {beats}: one late heartbeat is not to end a leadership",
    )
    yield (
        timing.lease_ms >= timing.margin_ms + beats_ms,
        f"timing.lease_ms must be at least timing.margin_ms and {beats} together: heartbeats renew a lease, and its "
        "holder ends it a margin early",
    )
    yield (
        timing.margin_ms * LEASE_PER_MARGIN_MAX >= timing.lease_ms,
        f"timing.margin_ms must be at least timing.lease_ms / {LEASE_PER_MARGIN_MAX}: it is to cover clocks that run "
        "apart by 5% each way",
    )
    refused_ms = timing.lease_ms + timing.margin_ms
    yield (
        refused_ms <= timing.election_timeout_max_ms,
        f"timing.lease_ms and timing.margin_ms are {refused_ms} ms together, which must be at most "
        "timing.election_timeout_max_ms: that long voters elect nobody after a leader's heartbeat",
    )
