"""The node's clocks. CLOCK_BOOTTIME runs on while the machine is suspended: a lease ends there too (PROTOCOLS §1)."""

import time

from trilemma.base.time import Now

_NS_PER_US = 1_000


def read_clock() -> Now:
    """Return what both clocks show now."""
    return Now(
        time.clock_gettime_ns(time.CLOCK_BOOTTIME) // _NS_PER_US,
        time.clock_gettime_ns(time.CLOCK_REALTIME) // _NS_PER_US,
    )
