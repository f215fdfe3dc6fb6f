"""Turns: what shares one, in which order its parts come, and what waits for the disk."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from trilemma.node.effects import AdminRequest, ClientBytes, Effects, PeerFrame, Trace
from trilemma.runtime import loop
from trilemma.runtime.clock import read_clock
from trilemma.runtime.loop import NodeLoop
from trilemma.runtime.room import NoRoomError
from trilemma.storage.port import LogWrite

NEVER_US = 1 << 60


class Outlets:
    """Stands for clients, peers, log and engine at once; writes down what comes out, in order."""

    def __init__(self) -> None:
        self.out: list[tuple[Any, ...]] = []
        self.flushes = 0

    def put(self, target: int, data: bytes) -> None:
        self.out.append(("put", target, data))

    def close(self, conn: int) -> None:
        self.out.append(("close", conn))

    def flush(self) -> None:
        self.flushes += 1

    def append(self, write: LogWrite) -> None:
        self.out.append(("log", write.token))

    def said(self, *kinds: str) -> list[tuple[Any, ...]]:
        return [entry for entry in self.out if entry[0] in kinds]


class Rig:
    """A NodeLoop between a recording node and recording outlets."""

    def __init__(self, node: Any) -> None:
        self.node = node
        self.outlets = Outlets()
        self.failures: list[Exception] = []
        self.traces: list[Trace] = []
        self.is_left = False
        self.stays = 0
        self.asked: list[tuple[list[bytes], int]] = []
        self.thread = ThreadPoolExecutor(1)
        self.turns = NodeLoop(
            read_clock,
            flusher=self.thread,
            answer=self._answer,
            traced=self.traces.append,
            left=self._leave,
            stayed=self._stay,
            failed=self.failures.append,
        )

    def start(self) -> None:
        outlets: Any = self.outlets
        self.turns.start(self.node, outlets, outlets, outlets, outlets)

    def _leave(self) -> None:
        self.is_left = True

    def _stay(self) -> None:
        self.stays += 1

    def _answer(self, words: list[bytes], protocol: int, done: Callable[[bytes], None]) -> None:
        self.asked.append((words, protocol))
        done(b"+done\r\n")

    def stop(self) -> None:
        self.turns.stop()
        self.thread.shutdown()


@pytest.fixture
def rig(node: Any, run: Any) -> Callable[[Callable[[Rig], Any]], Rig]:
    def start(body: Callable[[Rig], Any]) -> Rig:
        async def main() -> Rig:
            rig = Rig(node)
            rig.start()
            try:
                await body(rig)
            finally:
                rig.stop()
            return rig

        return run(main())

    return start


def test_inputs_of_one_poll_share_one_turn_and_time_is_read_last(rig: Any, until: Any, node: Any) -> None:
    async def body(rig: Rig) -> None:
        await until(lambda: rig.turns.turns == 1)
        node.seen.clear()
        rig.turns.client_connected(1, "a", "b")
        rig.turns.receive_client(1, b"PING")
        rig.turns.receive_peer(2, b"put")
        rig.turns.client_gone(1)
        before_us = read_clock().mono_us
        await until(lambda: rig.turns.turns == 2)
        assert [entry[0] for entry in node.seen] == ["connected", "client", "peer", "gone", "advance"]
        assert node.seen[-1][1] >= before_us

    rig(body)


def test_nothing_is_done_while_nothing_happens(rig: Any, until: Any) -> None:
    async def body(rig: Rig) -> None:
        await until(lambda: rig.turns.turns == 1)
        for _ in range(50):
            await asyncio.sleep(0)
        assert rig.turns.turns == 1

    rig(body)


def test_a_frame_that_names_a_token_leaves_once_the_log_is_durable(rig: Any, until: Any, node: Any) -> None:
    async def body(rig: Rig) -> None:
        write = LogWrite(1, 1, False, (), True, 0)
        node.next = Effects(
            log=write, send=[PeerFrame(2, b"held", 1), PeerFrame(3, b"now", 0)], next_deadline_us=NEVER_US
        )
        await until(lambda: rig.turns.turns == 1)
        assert rig.outlets.said("put", "log") == [("put", 3, b"now"), ("log", 1)]
        rig.turns.persisted(1)
        await until(lambda: rig.turns.turns == 2)
        assert rig.outlets.said("put")[-1] == ("put", 2, b"held")
        assert ("persisted", 1) in node.inputs()

    rig(body)


def test_a_frame_whose_token_is_durable_already_leaves_at_once(rig: Any, until: Any, node: Any) -> None:
    async def body(rig: Rig) -> None:
        rig.turns.persisted(5)
        await until(lambda: ("persisted", 5) in node.inputs())
        node.next = Effects(send=[PeerFrame(2, b"x", 5)], next_deadline_us=NEVER_US)
        rig.turns.wake()
        await until(lambda: rig.outlets.said("put"))

    rig(body)


def test_the_node_hears_of_the_newest_token_once_per_turn(rig: Any, until: Any, node: Any) -> None:
    async def body(rig: Rig) -> None:
        await until(lambda: rig.turns.turns == 1)
        await asyncio.get_running_loop().run_in_executor(None, lambda: [rig.turns.persisted(t) for t in (1, 2, 3)])
        await until(lambda: ("persisted", 3) in node.inputs())
        assert rig.turns._durable == 3
        tokens = [entry[1] for entry in node.inputs() if entry[0] == "persisted"]
        assert tokens == sorted(set(tokens))

    rig(body)


def test_replies_are_put_before_their_connection_is_closed(rig: Any, until: Any, node: Any) -> None:
    async def body(rig: Rig) -> None:
        node.next = Effects(client_bytes=[ClientBytes(4, b"+OK\r\n")], close=[4], next_deadline_us=NEVER_US)
        await until(lambda: rig.turns.turns == 1)
        assert rig.outlets.out == [("put", 4, b"+OK\r\n"), ("close", 4)]
        assert rig.outlets.flushes == 2

    rig(body)


def test_the_node_gets_a_turn_at_its_deadline_and_not_at_one_that_it_moved(rig: Any, until: Any, node: Any) -> None:
    async def body(rig: Rig) -> None:
        start_us = read_clock().mono_us
        deadlines = [start_us + 5_000, start_us + 30_000, NEVER_US]
        node.plan = lambda node: setattr(node.next, "next_deadline_us", deadlines.pop(0))
        await until(lambda: rig.turns.turns == 1)
        rig.turns.wake()
        await until(lambda: not deadlines)
        times = [entry[1] for entry in node.seen if entry[0] == "advance"]
        assert len(times) == 3
        assert times[2] >= start_us + 30_000

    rig(body)


def test_an_admin_request_is_answered_with_its_number(rig: Any, until: Any, node: Any) -> None:
    async def body(rig: Rig) -> None:
        node.next = Effects(admin=[AdminRequest(7, [b"LAB", b"STATUS"], 3)], next_deadline_us=NEVER_US)
        await until(lambda: ("admin", 7, b"+done\r\n") in node.inputs())
        assert rig.asked == [([b"LAB", b"STATUS"], 3)]

    rig(body)


def test_rows_are_flushed_in_a_thread_and_the_node_is_told(rig: Any, until: Any, node: Any) -> None:
    async def body(rig: Rig) -> None:
        node.next = Effects(flush_rows=3, next_deadline_us=NEVER_US)
        await until(lambda: ("flushed", 3) in node.inputs())

    rig(body)


def test_a_flush_that_a_full_disk_has_no_room_for_is_tried_again(
    rig: Any, until: Any, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "FLUSH_RETRY_S", 0.001)
    tries = 0

    def flush() -> None:
        nonlocal tries
        if threading.current_thread() is not threading.main_thread():
            tries += 1
            if tries < 3:
                raise NoRoomError("full")

    async def body(rig: Rig) -> None:
        rig.outlets.flush = flush  # type: ignore[method-assign]
        node.next = Effects(flush_rows=3, next_deadline_us=NEVER_US)
        await until(lambda: ("flushed", 3) in node.inputs())
        assert tries == 3
        assert rig.failures == []

    rig(body)


def test_shutdown_and_traces_reach_the_shell(rig: Any, until: Any, node: Any) -> None:
    async def body(rig: Rig) -> None:
        trace = Trace("leader", 0, "n1 leads")
        node.next = Effects(shutdown=True, trace=[trace], next_deadline_us=NEVER_US)
        await until(lambda: rig.is_left)
        assert rig.traces == [trace]

    rig(body)


def test_a_shutdown_that_was_called_off_reaches_the_shell(rig: Any, until: Any, node: Any) -> None:
    async def body(rig: Rig) -> None:
        node.next = Effects(stays=True, next_deadline_us=NEVER_US)
        await until(lambda: rig.stays == 1)
        assert not rig.is_left

    rig(body)


def test_a_node_that_breaks_gets_no_further_turn(rig: Any, until: Any, node: Any) -> None:
    async def body(rig: Rig) -> None:
        await until(lambda: rig.turns.turns == 1)

        def broken(_: Any) -> None:
            raise ValueError("the node is wrong")

        node.plan = broken
        rig.turns.receive_client(1, b"x")
        await until(lambda: rig.failures)
        taken = rig.turns.turns
        rig.turns.receive_client(1, b"y")
        rig.turns.wake()
        for _ in range(20):
            await asyncio.sleep(0)
        assert rig.turns.turns == taken
        assert len(rig.failures) == 1

    rig(body)


def test_a_failed_disk_stops_the_node(rig: Any, until: Any) -> None:
    async def body(rig: Rig) -> None:
        rig.turns.storage_failed(OSError("no space"))
        await until(lambda: rig.failures)

    rig(body)


def test_a_paused_node_takes_its_inputs_when_it_goes_on(rig: Any, until: Any, node: Any) -> None:
    async def body(rig: Rig) -> None:
        await until(lambda: rig.turns.turns == 1)
        rig.turns.pause()
        rig.turns.receive_client(1, b"x")
        for _ in range(20):
            await asyncio.sleep(0)
        assert node.inputs() == []
        rig.turns.resume()
        await until(lambda: ("client", 1, b"x") in node.inputs())

    rig(body)


def test_an_earlier_deadline_takes_the_place_of_a_later_one(rig: Any, until: Any, node: Any) -> None:
    async def body(rig: Rig) -> None:
        node.next = Effects(next_deadline_us=read_clock().mono_us + 3_600_000_000)
        await until(lambda: rig.turns.turns == 1)
        node.next = Effects(next_deadline_us=read_clock().mono_us + 5_000)
        rig.turns.wake()
        await until(lambda: rig.turns.turns == 3)

    rig(body)


def test_a_turn_that_was_due_when_the_node_was_stopped_is_not_taken(rig: Any, until: Any) -> None:
    async def body(rig: Rig) -> None:
        await until(lambda: rig.turns.turns == 1)
        rig.turns.receive_client(1, b"x")
        rig.turns.stop()
        for _ in range(20):
            await asyncio.sleep(0)
        assert rig.turns.turns == 1

    rig(body)
