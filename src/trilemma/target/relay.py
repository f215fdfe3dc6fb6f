"""A relay for packets: what the hub routes through it comes out later, or not at all.

Owns a TUN device of one network namespace and a thread that reads it; stands in for `tc netem`, which many kernels
lack. Whole IP packets are held or lost, so TCP sees what it would see on a bad link. Source: Linux
Documentation/networking/tuntap.rst.
"""

import fcntl
import heapq
import os
import select
import struct
import threading
import time
from collections.abc import Mapping
from random import Random
from typing import Final

from trilemma.target.port import LinkFault

DEVICE: Final = "relay"

HELD_MAX: Final = 20_000
"""Packets under way at once, 30 MB at most; beyond it they are lost, as in any full queue."""

_TUNSETIFF: Final = 0x400454CA
_IFF_TUN_NO_PI: Final = 0x0001 | 0x1000
_PACKET_BYTES: Final = 65_536
_HEADER_BYTES: Final = 20
_IDLE_S: Final = 0.2

Route = tuple[bytes, bytes]
"""Source and destination address of a packet."""


def route_of(packet: bytes) -> Route:
    """Return an IPv4 packet's source and destination."""
    return packet[12:16], packet[16:20]


class Relay:
    """Delays and loses packets by route; make it, and its thread, where its namespace is the current one."""

    def __init__(self, seed: int) -> None:
        """Open the device.

        Raises:
            OSError: the kernel has no TUN devices, or does not allow them.
        """
        self._rng = Random(seed)
        self._faults: Mapping[Route, LinkFault] = {}
        self._stopped = threading.Event()
        self._file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        try:
            fcntl.ioctl(self._file, _TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), _IFF_TUN_NO_PI))
        except OSError:
            os.close(self._file)
            raise
        self._thread = threading.Thread(target=self._run, name="packet relay", daemon=True)
        self._thread.start()

    def apply(self, faults: Mapping[Route, LinkFault]) -> None:
        """Use these faults from now on; packets already held keep their time."""
        self._faults = dict(faults)

    def stop(self) -> None:
        """End the thread and remove the device."""
        self._stopped.set()
        self._thread.join()
        os.close(self._file)

    def _run(self) -> None:
        held: list[tuple[float, int, bytes]] = []
        number = 0
        while not self._stopped.is_set():
            wait_s = min(_IDLE_S, max(0.0, held[0][0] - time.monotonic())) if held else _IDLE_S
            readable, _, _ = select.select([self._file], [], [], wait_s)
            if readable:
                packet = os.read(self._file, _PACKET_BYTES)
                due = self._due(packet)
                if due is not None and len(held) < HELD_MAX:
                    number += 1
                    heapq.heappush(held, (due, number, packet))
            while held and held[0][0] <= time.monotonic():
                self._write(heapq.heappop(held)[2])

    def _due(self, packet: bytes) -> float | None:
        """Return when a packet goes on, None for never."""
        if len(packet) < _HEADER_BYTES:
            return None
        fault = self._faults.get(route_of(packet), LinkFault())
        if fault.is_cut or 100 * self._rng.random() < fault.loss_percent:
            return None
        return time.monotonic() + fault.delay_ms / 1_000

    def _write(self, packet: bytes) -> None:
        try:
            os.write(self._file, packet)
        except OSError:
            # The kernel takes no packet now: it is lost, which is what this relay is for.
            return
