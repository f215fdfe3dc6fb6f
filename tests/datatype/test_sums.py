"""Sums on `ap`: INCRBYFLOAT, INCRBY and INCR reply what the key shows then, the exact sum rounded once."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trilemma.base.errors import ReplyError
from trilemma.base.ids import NodeId, ShardId
from trilemma.datatype.causal import CausalView
from trilemma.node.config import Member, NodeConfig
from trilemma.replication.port import Batch
from trilemma.resp.decode import ReplyDecoder
from trilemma.sim.client import plain
from trilemma.sim.solo import SoloNode, request
from trilemma.storage.memory import MemoryEngine
from trilemma.storage.overlay import ShardRows

Command = tuple[bytes, ...]

KEY = b"q"


class Asked:
    """A node whose keys are on `ap`, and a connection to it."""

    def __init__(self) -> None:
        self._node = SoloNode(NodeConfig("solo", 1, "disk", 1, (Member(1, "n1"),), default_mode="ap"))
        self._conn = self._node.connect()
        self._decoder = ReplyDecoder()

    def send(self, *commands: Command) -> list[object]:
        """Send commands in one write; return the replies."""
        self._decoder.feed(self._node.send(self._conn, b"".join(request(*each) for each in commands)))
        return [plain(reply) for reply in self._decoder.replies()]

    def unit(self, *commands: Command) -> list[object]:
        """Send commands as one transaction; return their replies."""
        *_, done = self.send((b"MULTI",), *commands, (b"EXEC",))
        assert isinstance(done, tuple)
        return list(done)


NODE = Asked()


def summed(*amounts: bytes) -> list[object]:
    NODE.send((b"DEL", KEY))
    return NODE.send(*((b"INCRBYFLOAT", KEY, amount) for amount in amounts), (b"GET", KEY))


def test_a_sum_that_redis_rounds_on_the_way_is_rounded_once() -> None:
    assert summed(b"128.48", b"252.66", b"-63.02")[2:] == [b"318.12", b"318.12"]


def test_what_a_large_amount_hides_is_there_again_when_it_is_taken_out() -> None:
    words = ((b"SET", KEY, b"10"), (b"INCRBYFLOAT", KEY, b"1e30"), (b"INCRBYFLOAT", KEY, b"-1e30"), (b"GET", KEY))
    for replies in (NODE.send(*words), NODE.unit(*words)):
        assert replies == [b"OK", b"1000000000000000000024696061962", b"10", b"10"]


@pytest.mark.parametrize("held", [b"inf", b"-inf"])
def test_a_number_without_end_takes_nothing(held: bytes) -> None:
    said = NODE.send((b"SET", KEY, held), (b"INCRBYFLOAT", KEY, b"1"), (b"GET", KEY))
    assert said == [b"OK", "ERR increment would produce NaN or Infinity", held]


def test_a_sum_beyond_the_largest_number_is_refused() -> None:
    said = summed(b"1e4932", b"1e4932")
    assert said[1:] == ["ERR increment would produce NaN or Infinity", said[0]]


def test_incr_goes_on_from_tenths_that_show_a_whole_number() -> None:
    assert summed(*[b"0.1"] * 10)[-1] == b"1"
    assert NODE.send((b"INCR", KEY), (b"GET", KEY)) == [2, b"2"]


def test_incr_is_refused_where_it_would_lay_bare_a_fraction() -> None:
    summed(b"4611686018427387904", b"0.2")
    assert NODE.send((b"GET", KEY), (b"DECRBY", KEY, b"4611686018427387904"), (b"GET", KEY)) == [
        b"4611686018427387904",
        "ERR value is not an integer or out of range",
        b"4611686018427387904",
    ]


class Alone:
    """The view of one replica; every unit is a batch."""

    def __init__(self) -> None:
        self.view = CausalView(ShardRows(MemoryEngine(), ShardId(2048), 0), NodeId(1), 1)
        self._seq = 0

    def begin(self) -> None:
        self._seq += 1
        self.view.begin(Batch(NodeId(1), self._seq, self._seq, {NodeId(1): self._seq - 1}, b""), 1_000, 0)

    def reply(self, name: bytes, operand: bytes) -> bytes | None:
        """Execute a command; return the value that it tells of, None where it is refused."""
        try:
            if name == b"SET":
                self.view.set_string(0, KEY, operand, None)
                return operand
            if name == b"INCRBY":
                return b"%d" % self.view.add_integer(0, KEY, int(operand))
            return self.view.add_float(0, KEY, operand)
        except ReplyError:
            return None


AMOUNTS = st.one_of(
    st.integers(-(10**6), 10**6).map(lambda cents: b"%d.%02d" % (cents, abs(cents) % 100)),
    st.floats(-1e40, 1e40).map(lambda number: repr(number).encode()),
    st.integers(-(1 << 66), 1 << 66).map(lambda number: b"%d" % number),
    st.sampled_from((b"1e30", b"-1e30", b"0.1", b"1e4932", b"-1e4932", b"1e-4940", b"0x1.8p-70", b"inf", b"text")),
)
WHOLE = st.one_of(st.integers(-5, 5), st.integers(-(1 << 63), (1 << 63) - 1)).map(lambda number: b"%d" % number)
COMMANDS = st.one_of(
    st.tuples(st.just(b"INCRBYFLOAT"), AMOUNTS),
    st.tuples(st.just(b"INCRBYFLOAT"), AMOUNTS),
    st.tuples(st.just(b"INCRBY"), WHOLE),
    st.tuples(st.just(b"SET"), AMOUNTS),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(COMMANDS, min_size=1, max_size=4), max_size=6))
def test_every_reply_is_what_the_key_shows_then(units: list[list[tuple[bytes, bytes]]]) -> None:
    replica = Alone()
    shown: bytes | None = None
    for unit in units:
        replica.begin()
        for name, operand in unit:
            reply = replica.reply(name, operand)
            shown = shown if reply is None else reply
            assert replica.view.string(0, KEY) == shown, (name, operand)
        replica.begin()
        assert replica.view.string(0, KEY) == shown


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=12))
def test_a_sum_is_the_exact_one_of_what_was_added(cents: list[int]) -> None:
    replica = Alone()
    for each in cents:
        replica.begin()
        replica.reply(b"INCRBYFLOAT", b"%s%d.%02d" % (b"-" if each < 0 else b"", abs(each) // 100, abs(each) % 100))
    shown = replica.view.string(0, KEY)
    assert shown is not None
    assert abs(Fraction(shown.decode()) - Fraction(sum(cents), 100)) < Fraction(1, 10**14)
    assert len(shown.partition(b".")[2]) <= 17
