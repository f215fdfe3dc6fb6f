"""Every command of the table is sent by some workload of each mode, or the lists say why it is not."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

import pytest

from played import Player
from trilemma.command.spec import CommandSpec
from trilemma.command.table import TABLE, lookup_argv
from trilemma.sim.generators import make_generator
from trilemma.sim.options import MODES, MORE_WORKLOADS, OWNED_WORKLOADS, WORKLOADS, draw
from trilemma.sim.solo import SoloNode
from trilemma.sim.undriven import ONLY_ELSEWHERE, OPERATORS, UNDRIVEN
from trilemma.workload.passing import Passing
from trilemma.workload.step import Generator, Recorded, Reply, Step

STEPS = 600


def generators(mode: str) -> Iterator[Generator]:
    for name in (*WORKLOADS[mode], *OWNED_WORKLOADS[mode], *MORE_WORKLOADS[mode]):
        yield make_generator(name, Random(f"{name} {mode}"), b"", replace(draw(0, mode), workloads=(name,)))
    yield Passing(Random(1), mode)


class Noted:
    """A generator that notes the names of what it sends."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self.names: set[str] = set()

    def next(self, process: int) -> Step:
        step = self._generator.next(process)
        self.names |= {lookup_argv(list(command)).name for command in step.commands}
        return step

    def record(self, step: Step, replies: Sequence[Reply]) -> Recorded:
        return self._generator.record(step, replies)

    def finals(self, process: int) -> list[Step]:
        return self._generator.finals(process)


def sent(generator: Generator) -> set[str]:
    noted = Noted(generator)
    Player(SoloNode()).play(noted, STEPS)
    return noted.names


def named(specs: dict[str, CommandSpec]) -> set[str]:
    containers = [spec for spec in specs.values() if spec.subcommands]
    return {spec.name for spec in specs.values() if not spec.subcommands} | {
        inner.name for spec in containers for inner in spec.subcommands.values()
    }


@pytest.mark.parametrize("mode", MODES)
def test_what_no_workload_of_a_mode_sends_is_listed_with_a_reason_and_nothing_else_is(mode: str) -> None:
    driven = set[str]().union(*map(sent, generators(mode))) | OPERATORS
    assert sorted(named(TABLE) - driven) == sorted([*UNDRIVEN, *ONLY_ELSEWHERE[mode]])
    assert all([*UNDRIVEN.values(), *ONLY_ELSEWHERE[mode].values()])
