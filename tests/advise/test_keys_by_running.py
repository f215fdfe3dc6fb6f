"""The dumb twin of what the linter knows of keys: small random programs are run, to see which of their keys are one."""

import sys
from contextlib import suppress
from random import Random
from textwrap import indent
from typing import Any

import pytest

from trilemma.advise.judge import judge
from trilemma.advise.modes import Modes
from trilemma.advise.python import read_python

PROGRAMS = 10
RUNS = 60
CHOICES_MAX = 40
"""How often a run of a program may choose its way before it is stopped."""

NAMES = ("a", "b", "k")
KEYS = (*NAMES, 'f"x:{a}"', 'f"x:{b}"', 'a + "z"', '"x:1"')
MADE = "import redis\nr = redis.Redis(retry=None)\n"
HEAD = MADE + "def f(r, a, b, k):\n"


class StoppedError(Exception):
    """A run that goes round and round."""


class Server:
    """Notes the lines that write a key which was read before."""

    def __init__(self, seed: int) -> None:
        self.updates: set[int] = set()
        self._read: set[str] = set()
        self._random = Random(seed)
        self._made = self._chosen = 0

    def get(self, key: str) -> None:
        self._read.add(key)

    def set(self, key: str, _: object) -> None:
        if key in self._read:
            self.updates.add(sys._getframe(1).f_lineno)

    def new(self) -> str:
        self._made += 1
        return str(self._made)

    def items(self) -> list[str]:
        return [self.new() for _ in range(self._random.randrange(3))]

    def flip(self) -> bool:
        self._chosen += 1
        if self._chosen > CHOICES_MAX:
            raise StoppedError
        return self._random.random() < 0.5

    def may_fail(self) -> None:
        if self.flip():
            raise KeyError


def block(random: Random, depth: int) -> str:
    return indent("\n".join(statement(random, depth) for _ in range(random.randrange(1, 5))), 4 * " ")


def statement(random: Random, depth: int) -> str:
    name, key = random.choice(NAMES), random.choice(KEYS)
    plain = (f"r.get({key})", f"r.set({key}, 1)", f"{name} = {key}", f"{name} = r.new()", f'{name} += ":s"')
    if depth == 0 or random.random() < 0.6:
        return random.choice(plain)
    one, other = block(random, depth - 1), block(random, depth - 1)
    return random.choice(
        (
            f"if r.flip():\n{one}\nelse:\n{other}",
            f"if r.flip():\n{one}\n    return",
            f"for {name} in r.items():\n{one}",
            f"while r.flip():\n{one}\n    if r.flip():\n        break\n{other}",
            f"try:\n{one}\n    r.may_fail()\nexcept KeyError:\n{other}",
        )
    )


def updates_of(source: str) -> set[int]:
    """Return the lines of a program that write, in some run of it, a key which it had read."""
    names: dict[str, Any] = {}
    exec(source.replace(MADE, "\n\n"), names)
    found: set[int] = set()
    for seed in range(RUNS):
        server = Server(seed)
        with suppress(StoppedError):
            names["f"](server, server.new(), server.new(), server.new())
        found |= server.updates
    return found


@pytest.mark.parametrize("seed", range(10))
def test_what_is_called_an_unsafe_update_writes_in_some_run_a_key_that_was_read(seed: int) -> None:
    random = Random(seed)
    for _ in range(PROGRAMS):
        source = HEAD + block(random, 2) + "\n" + block(random, 2)
        unsafe = {
            int(each.place.rpartition(":")[2])
            for each in judge(read_python(source, "app.py"), Modes("cp"))
            if each.is_unsafe and each.rule.name == "lost-update"
        }
        assert unsafe <= updates_of(source), source
