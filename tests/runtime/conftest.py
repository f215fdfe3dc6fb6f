"""Fakes and helpers of the shell's tests: a node that records, sockets on loopback, waiting for a condition."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
import uvloop

from trilemma.base.time import Now
from trilemma.node.effects import Effects
from trilemma.runtime.clock import read_clock

T = TypeVar("T")
TIMEOUT_S = 10.0
NEVER_US = 1 << 60


class RecordingNode:
    """A node that writes down its inputs and does what `plan` says at the end of each turn."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.next = Effects(next_deadline_us=NEVER_US)
        self.plan: Callable[[RecordingNode], None] = lambda _: None

    def client_connected(self, conn: int, address: str, local_address: str) -> None:
        self.seen.append(("connected", conn))

    def receive_client(self, conn: int, data: bytes) -> None:
        self.seen.append(("client", conn, data))

    def client_gone(self, conn: int) -> None:
        self.seen.append(("gone", conn))

    def receive_peer(self, peer: int, frame: bytes) -> None:
        self.seen.append(("peer", peer, frame))

    def persisted(self, token: int) -> None:
        self.seen.append(("persisted", token))

    def rows_flushed(self, token: int) -> None:
        self.seen.append(("flushed", token))

    def admin_done(self, request: int, reply: bytes) -> None:
        self.seen.append(("admin", request, reply))

    def begin_shutdown(self) -> None:
        self.seen.append(("shutdown",))

    def advance(self, now: Now) -> None:
        self.seen.append(("advance", now.mono_us))

    def ready(self) -> Effects:
        self.plan(self)
        effects, self.next = self.next, Effects(next_deadline_us=NEVER_US)
        return effects

    def inputs(self) -> list[tuple[Any, ...]]:
        """Return what was seen but the passing of time."""
        return [entry for entry in self.seen if entry[0] != "advance"]


@pytest.fixture
def node() -> RecordingNode:
    return RecordingNode()


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, T]], T]:
    """Run a coroutine on the loop that the product uses."""

    def run(main: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(2 * TIMEOUT_S):
                return await main

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(bounded())

    return run


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Coroutine[Any, Any, None]]:
    """Wait for a condition; fail where it does not come true in time."""

    async def until(condition: Callable[[], object]) -> None:
        end_us = read_clock().mono_us + int(TIMEOUT_S * 1_000_000)
        while not condition():
            assert read_clock().mono_us < end_us, "the condition did not come true in time"
            await asyncio.sleep(0.001)

    return until
