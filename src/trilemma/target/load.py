"""Load: clients of every node and keyspace, each a thread that sends one step after another and never retries.

Owns the recording: one clock of this process, stamped before the bytes leave and after the reply is parsed. A client
whose connection broke, or who was not answered, goes on under a new process number.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Final

from trilemma.check.history import History, Operation
from trilemma.check.recorder import Recorder
from trilemma.target.disturber import now_us
from trilemma.target.keys import keys_of_step
from trilemma.target.port import Client, Keyspace, NotSentError, Target, TargetError
from trilemma.workload.append import Appends
from trilemma.workload.bank import Bank
from trilemma.workload.cas import CompareAndSets
from trilemma.workload.counter import Counters
from trilemma.workload.register import Registers
from trilemma.workload.reply import LOST
from trilemma.workload.step import Generator, Reply, Step

OPERATIONS_MAX: Final = 200_000
"""Operations per keyspace: what the checkers judge within minutes."""

RECONNECT_S: Final = 0.1
FINAL_TRIES_MAX: Final = 20
FINAL_GAP_S: Final = 0.25
FINAL_TROUBLE_S: Final = 15.0
"""How long final reads of a node may fail, or be slow, in all: it is left out then, however many keys there are. An
election takes 2 s at worst, and reads that are answered at once cost nothing of it."""

REGISTER_ROTATION: Final = 100
"""Steps before the registers are left for fresh ones, so that losses stay to be seen."""

COUNTER_ROTATION: Final = 600
"""Steps before the counters are left for fresh ones: 200 each, with few doubtful amounts, for the search."""

_MAKERS: Final[Mapping[str, Callable[[Random, bytes, Target], Generator]]] = {
    "registers": lambda rng, prefix, target: Registers(rng, prefix, rotation=REGISTER_ROTATION),
    "cas": lambda rng, prefix, target: CompareAndSets(rng, prefix, by_watch=target.cas_by == "watch"),
    "counters": lambda rng, prefix, target: Counters(rng, prefix, rotation=COUNTER_ROTATION),
    "appends": lambda rng, prefix, target: Appends(rng, prefix),
    "bank": lambda rng, prefix, target: Bank(rng, prefix),
}


@dataclass(slots=True)
class Lane:
    """One keyspace's generator, what was recorded of it, and the reads made at the end."""

    keyspace: Keyspace
    generator: Generator
    recorder: Recorder = field(default_factory=Recorder)
    finals: list[Operation] = field(default_factory=list)
    replica_finals: list[Operation] = field(default_factory=list)
    keys: set[bytes] = field(default_factory=set)
    """All that was named by what was sent, and is not forgotten yet."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def operations(self) -> list[Operation]:
        """The run, without the reads at the end."""
        return self.recorder.history().operations

    @property
    def history(self) -> History:
        """All that was recorded; what a replica showed of itself at the end is not part of it."""
        return History([*self.operations, *self.finals])


class Load:
    """All clients of a run. Args: rate: steps per second, over all clients."""

    def __init__(self, target: Target, workload: str, clients: int, rate: int, seed: int) -> None:
        self.lanes = [
            Lane(each, _MAKERS[workload](Random(f"{seed} {each.name}"), each.prefix, target))
            for each in target.keyspaces
        ]
        self._target = target
        self._clients = clients
        self._gap_s = clients * len(target.nodes) * len(self.lanes) / rate
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._processes = count(1)
        self._trouble_s: dict[str, float] = {}
        """Per node, for how long its final reads failed or were slow."""

    def open(self) -> None:
        """Send what must come before all else.

        Raises:
            TargetError: the accounts cannot be opened.
        """
        for lane in self.lanes:
            if not isinstance(lane.generator, Bank):
                continue
            for _ in range(FINAL_TRIES_MAX):
                process = next(self._processes)
                client = self._target.client(self._target.nodes[0], lane.keyspace)
                opened = self._one(client, lane, self._target.nodes[0], lane.generator.opening(process))
                client.close()
                if opened.outcome == "ok":
                    break
                time.sleep(FINAL_GAP_S)
            else:
                raise TargetError(f"the accounts of {lane.keyspace.name} cannot be opened")

    def start(self) -> None:
        """Start all clients."""
        for lane in self.lanes:
            for node in self._target.nodes:
                for number in range(self._clients):
                    self._threads.append(
                        threading.Thread(target=self._drive, args=(lane, node), name=f"{node} {number}", daemon=True)
                    )
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let what is under way end, and stop."""
        self._stopped.set()
        for thread in self._threads:
            if thread.is_alive():  # a run that is broken off may not have started all of them
                thread.join()
        self._threads.clear()

    def _drive(self, lane: Lane, node: str) -> None:
        # A beginning of its own keeps the clients from sending in step.
        self._stopped.wait(self._gap_s * Random(threading.get_ident()).random())
        while not self._stopped.is_set() and lane.recorder.size < OPERATIONS_MAX:
            process = next(self._processes)
            client = self._target.client(node, lane.keyspace)
            try:
                self._session(client, lane, node, process)
            finally:
                client.close()

    def _session(self, client: Client, lane: Lane, node: str, process: int) -> None:
        """Drive one client until its session is over."""
        while not self._stopped.is_set() and lane.recorder.size < OPERATIONS_MAX:
            began = time.monotonic()
            with lane.lock:
                step = lane.generator.next(process)
            done = self._one(client, lane, node, step)
            left_s = max(0.0, self._gap_s - (time.monotonic() - began))
            # Who was refused, or not answered, does not come back at once: that would only press a store in trouble.
            self._stopped.wait(left_s if done.outcome == "ok" else max(left_s, RECONNECT_S))
            if done.outcome == "info" or not client.is_usable():
                return

    def _one(self, client: Client, lane: Lane, node: str, step: Step) -> Operation:
        """Send one step, and record it."""
        keyspace = lane.keyspace
        with lane.lock:
            lane.keys |= keys_of_step(step)
            number = lane.recorder.invoke(
                Operation(
                    step.process, now_us(), None, step.kind, step.key, step.argument,
                    node=node, keyspace=keyspace.name, mode=keyspace.mode,
                )
            )  # fmt: skip
        try:
            replies: Iterable[Reply] = client.execute(step.commands)
        except NotSentError as problem:
            with lane.lock:
                lane.generator.record(step, LOST)
                return lane.recorder.complete(number, now_us(), "fail", str(problem))
        completed = now_us()
        with lane.lock:
            recorded = lane.generator.record(step, list(replies))
            return lane.recorder.complete(number, completed, recorded.outcome, recorded.result)

    # At rest

    def forget(self) -> None:
        """Have the target remove the keys of the run; once this was done, there are none left to remove."""
        keys = {key for lane in self.lanes for key in lane.keys}
        if keys:
            self._target.forget(keys)
        for lane in self.lanes:
            lane.keys.clear()

    def read_finals(self) -> None:
        """Read all that was ever written at every node: by ordinary clients, and where possible from the replicas."""
        for lane in self.lanes:
            for node in self._target.nodes:
                lane.finals += self._finals(lane, node, lambda lane=lane, node=node: self._ordinary(lane, node))  # type: ignore[misc]
                replica = self._target.replica(node, lane.keyspace)
                if replica is not None:
                    replica.close()
                    lane.replica_finals += self._finals(lane, node, lambda lane=lane, node=node: self._of(lane, node))  # type: ignore[misc]

    @property
    def left_out(self) -> list[str]:
        """The nodes that were given up while they were read at the end."""
        return [node for node in self._target.nodes if self._is_left_out(node)]

    def begin_us(self) -> int | None:
        """When the first operation was invoked; None where there was none."""
        return min((each.invoke_us for lane in self.lanes for each in lane.history), default=None)

    def count_from(self, origin_us: int) -> None:
        """Count all times from another moment than the clock's own."""
        for lane in self.lanes:
            lane.recorder.count_from(origin_us)
            lane.finals = [each.since(origin_us) for each in lane.finals]
            lane.replica_finals = [each.since(origin_us) for each in lane.replica_finals]

    def _ordinary(self, lane: Lane, node: str) -> Client:
        return self._target.client(node, lane.keyspace)

    def _of(self, lane: Lane, node: str) -> Client:
        found = self._target.replica(node, lane.keyspace)
        if found is None:
            raise NotSentError("this target shows no replicas")
        return found

    def _finals(self, lane: Lane, node: str, make: Callable[[], Client]) -> list[Operation]:
        scratch = Lane(lane.keyspace, lane.generator)
        process = next(self._processes)
        client = make()
        try:
            for step in lane.generator.finals(process):
                for _ in range(FINAL_TRIES_MAX):
                    if self._is_left_out(node):
                        return _answered(scratch)
                    if not client.is_usable():
                        client.close()
                        process, client = next(self._processes), make()
                    if self._read_final(client, scratch, node, step._replace(process=process)):
                        break
        finally:
            client.close()
        return _answered(scratch)

    def _read_final(self, client: Client, scratch: Lane, node: str, step: Step) -> bool:
        """Read once; return whether that was answered. What was not is waited for a little, and counts as trouble."""
        began = time.monotonic()
        is_answered = self._one(client, scratch, node, step).outcome == "ok"
        if not is_answered:
            time.sleep(FINAL_GAP_S)
        took_s = time.monotonic() - began
        if not is_answered or took_s > FINAL_GAP_S:
            self._trouble_s[node] = self._trouble_s.get(node, 0.0) + took_s
        return is_answered

    def _is_left_out(self, node: str) -> bool:
        return self._trouble_s.get(node, 0.0) > FINAL_TROUBLE_S


def _answered(lane: Lane) -> list[Operation]:
    return [each for each in lane.operations if each.outcome == "ok"]
