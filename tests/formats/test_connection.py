"""How a peer connection begins: frames, and the messages of the handshake. Golden bytes, and back."""

from typing import Any

import msgspec
import pytest

from trilemma.runtime.founding import Founding
from trilemma.runtime.framing import FrameReader, Kind, frame
from trilemma.runtime.handshake import Acceptor, Challenge, Dialer, Hello, Identity, Proof, Refusal, refusal
from trilemma.runtime.known_disks import Lineage

RUNS = ((1, "run-1"), (3, "run-3"))
MESSAGES: dict[str, tuple[Any, str]] = {
    "Hello": (
        Hello(3, "cluster", 1, "disk-1", 2, b"a" * 32, "founding", 3, RUNS),
        "9a0103a7636c757374657201a66469736b2d3102c420" + "61" * 32 + "a8666f756e64696e67"
        "03929201a572756e2d319203a572756e2d33",
    ),
    "Challenge": (
        Challenge(3, 2, "disk-2", b"b" * 32, "founding", 3, RUNS),
        "98020302a66469736b2d32c420" + "62" * 32 + "a8666f756e64696e6703929201a572756e2d319203a572756e2d33",
    ),
    "Proof of the dialer": (
        Proof(bytes.fromhex("29cf75d616c1ee2f923887c5c2dd7465bef8a3546fe6168b494f2e88a5d03d93")),
        "9203c42029cf75d616c1ee2f923887c5c2dd7465bef8a3546fe6168b494f2e88a5d03d93",
    ),
    "Proof of the acceptor": (
        Proof(bytes.fromhex("3ecc34e63eeea12cfd0601b70b17f76a22a6121e94fc664a5009a289ee24e43d")),
        "9203c4203ecc34e63eeea12cfd0601b70b17f76a22a6121e94fc664a5009a289ee24e43d",
    ),
    "Refusal": (Refusal("no"), "9204a26e6f"),
}


def identity(node: int) -> Identity:
    lineage = Lineage(f"disk-{node}", 3, RUNS)
    return Identity("cluster", node, lineage, b"the secret of it", {1: "n1", 2: "n2"}, lambda *_: None, "founding")


def test_the_numbers_of_frames_are_these() -> None:
    assert {kind.name: kind.value for kind in Kind} == {"HANDSHAKE": 1, "NODE": 2, "CONTROL": 3}


@pytest.mark.parametrize(
    ("kind", "golden"),
    [(Kind.HANDSHAKE, "0000000401616263"), (Kind.NODE, "0000000402616263"), (Kind.CONTROL, "0000000403616263")],
)
def test_a_frame_is_length_kind_body_and_comes_back(kind: Kind, golden: str) -> None:
    assert frame(kind, b"abc").hex() == golden
    reader = FrameReader(3)
    reader.feed(bytes.fromhex(golden))
    assert reader.next() == (kind, b"abc")


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_of_the_handshake_comes_back(name: str) -> None:
    message, golden = MESSAGES[name]
    assert msgspec.msgpack.decode(bytes.fromhex(golden), type=Hello | Challenge | Proof | Refusal) == message


def test_a_handshake_is_these_bytes() -> None:
    dialer, acceptor = Dialer(identity(1), 2, b"a" * 32), Acceptor(identity(2), b"b" * 32)
    said = [dialer.begin()]
    said.append(acceptor.receive(said[-1]))
    said.append(dialer.receive(said[-1]) or b"")
    said.append(acceptor.receive(said[-1]))
    assert dialer.receive(said[-1]) is None
    golden = [golden for _, golden in MESSAGES.values()]
    assert [*(message.hex() for message in said), refusal("no").hex()] == golden


def test_the_digest_of_the_founding_facts_is_this() -> None:
    assert Founding.of("cp", {1: "n1", 2: "n2"}).digest == "e58875624cc99ee10baed4c7df011801"
