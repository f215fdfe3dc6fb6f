"""Clients of a run: how they come back to a store in trouble, final reads of a node that is down, runs broken off."""

import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest

from trilemma.check.report.page import render
from trilemma.check.verdict import Validity
from trilemma.target import load as load_module
from trilemma.target.disturber import Disturber
from trilemma.target.findings import Found
from trilemma.target.load import FINAL_TROUBLE_S, RECONNECT_S, Load
from trilemma.target.plan import Plan
from trilemma.target.port import Client, Keyspace, NotSentError, Promise, Target
from trilemma.target.run import RunInterrupt, run
from trilemma.workload.step import Command, Reply

Answer = Callable[[str, Sequence[Command]], Sequence[Reply]]


class Scripted(Target):
    """A store without a server: every step is answered by a function of the node and the commands."""

    name = "scripted"

    def __init__(self, answer: Answer, nodes: tuple[str, ...] = ("n1",), promises: tuple[Promise, ...] = ()) -> None:
        super().__init__()
        self.nodes = nodes
        self.keyspaces = (Keyspace("k", b"", "", promises),)
        self.answer = answer
        self.is_stopped = False

    def client(self, node: str, keyspace: Keyspace) -> Client:
        return ScriptedClient(self.answer, node)

    def stop(self) -> None:
        self.is_stopped = True


class ScriptedClient:
    def __init__(self, answer: Answer, node: str) -> None:
        self._answer = answer
        self._node = node

    def execute(self, commands: Sequence[Command]) -> Sequence[Reply]:
        return self._answer(self._node, commands)

    def is_usable(self) -> bool:
        return True

    def close(self) -> None:
        pass


class Waits(threading.Event):
    """An event that is waited for in no time; the waits are noted, and it is set after some."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.noted: list[float] = []
        self._most = most

    def wait(self, timeout: float | None = None) -> bool:
        self.noted.append(timeout or 0.0)
        if len(self.noted) > self._most:
            self.set()
        return self.is_set()


@pytest.mark.parametrize("replies", [(), ("UNCERTAIN why",), ("ERR timed out",), ("CLUSTERDOWN why",)])
def test_a_client_that_is_not_answered_or_refused_waits_before_it_comes_back(replies: Sequence[Reply]) -> None:
    asked = 0

    def answer(node: str, commands: Sequence[Command]) -> Sequence[Reply]:
        nonlocal asked
        asked += 1
        if asked > 100:
            waits.set()
        return replies

    waits = Waits(most=10)
    load = Load(Scripted(answer), "registers", clients=1, rate=1_000, seed=1)
    load._stopped = waits
    load.start()
    load.stop()
    assert asked == 10
    assert all(each >= RECONNECT_S for each in waits.noted[1:])


class Clock(SimpleNamespace):
    """The time of a process, which passes by sleeping only."""

    def __init__(self) -> None:
        super().__init__(now_s=0.0)

    def monotonic(self) -> float:
        return float(self.now_s)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(load_module, "time", made)
    return made


def at_rest(target: Target) -> Load:
    """Return the load of a run that is over: a thousand steps were drawn, none was sent."""
    load = Load(target, "registers", clients=1, rate=100, seed=1)
    for _ in range(1_000):
        load.lanes[0].generator.next(1)
    return load


@pytest.mark.parametrize("lost", [True, False])
def test_a_node_that_is_down_takes_bounded_time_at_the_end_and_is_left_out(clock: Clock, lost: bool) -> None:
    def answer(node: str, commands: Sequence[Command]) -> Sequence[Reply]:
        if node != "n2":
            return [None]
        clock.sleep(1.0)
        if lost:
            return ()
        raise NotSentError("nobody there")

    target = Scripted(answer, ("n1", "n2", "n3"), ("convergent",))
    load = at_rest(target)
    load.read_finals()
    assert clock.now_s < FINAL_TROUBLE_S + 2
    assert load.left_out == ["n2"]
    read = {node: [each.key for each in load.lanes[0].finals if each.node == node] for node in target.nodes}
    assert (len(read["n1"]), read["n2"]) == (len(load.lanes[0].generator.finals(1)), [])
    assert read["n3"] == read["n1"]
    found = Found(target, Plan(), Disturber(target, (), print), load.lanes, left_out=load.left_out).result()
    assert any(note.startswith("n2 did not answer the final reads") for note in found.report.notes)
    assert found.report.validity is Validity.UNKNOWN


def test_a_node_that_answers_many_final_reads_one_after_the_other_is_not_left_out(clock: Clock) -> None:
    turns = iter(range(1_000_000))

    def answer(node: str, commands: Sequence[Command]) -> Sequence[Reply]:
        clock.sleep(0.2)
        return ["CLUSTERDOWN an election"] if next(turns) < 8 else [None]

    load = at_rest(Scripted(answer))
    load.read_finals()
    assert load.left_out == []
    assert len(load.lanes[0].finals) == len(load.lanes[0].generator.finals(1))
    assert clock.now_s > FINAL_TROUBLE_S / 2


def test_a_run_that_is_broken_off_keeps_what_was_recorded_and_judges_none_of_it() -> None:
    class BrokenOff(Scripted):
        def settle(self) -> bool:
            raise KeyboardInterrupt

    target = BrokenOff(lambda node, commands: [b"OK"] * len(commands), promises=("linearizable",))
    with pytest.raises(RunInterrupt) as caught:
        run(target, Plan("registers", "none", 0.05, clients=1, rate=1_000))
    result = caught.value.result
    assert target.is_stopped
    assert result.operations
    assert min(each.invoke_us for each in result.operations) == 0
    assert [each.validity for each in result.report.subjects[0].verdicts] == [Validity.UNKNOWN]
    assert "broken off" in render(result.report)
