"""Both sides prove the secret, and nobody is taken for somebody else."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trilemma.runtime.directory import DISK_ID_BYTES, RUN_ID_BYTES
from trilemma.runtime.framing import HANDSHAKE_BYTES_MAX
from trilemma.runtime.handshake import (
    PROTOCOL_VERSION,
    Acceptor,
    Challenge,
    Dialer,
    HandshakeRefused,
    Hello,
    Identity,
    Proof,
    refusal,
)
from trilemma.runtime.known_disks import RUNS_MAX, Lineage

NAMES = {1: "n1", 2: "n2", 3: "n3"}
NONCE_A, NONCE_B = b"a" * 32, b"b" * 32


def identity(node: int, secret: bytes = b"the secret of it") -> Identity:
    lineage = Lineage(f"disk-{node}", 3, ((1, "run-1"), (2, "run-2"), (3, "run-3")))
    return Identity("cluster", node, lineage, secret, NAMES, lambda *_: None, "founding")


def talk(dialer: Dialer, acceptor: Acceptor) -> None:
    """Carry messages to and fro until both have nothing to say."""
    message: bytes | None = dialer.begin()
    while message is not None:
        message = dialer.receive(acceptor.receive(message))


def test_two_nodes_with_one_secret_know_each_other() -> None:
    dialer, acceptor = Dialer(identity(1), 2, NONCE_A), Acceptor(identity(2), NONCE_B)
    talk(dialer, acceptor)
    assert (dialer.peer, acceptor.peer) == (2, 1)


def test_the_secret_is_never_on_the_wire() -> None:
    dialer, acceptor = Dialer(identity(1), 2, NONCE_A), Acceptor(identity(2), NONCE_B)
    said = [dialer.begin()]
    said.append(acceptor.receive(said[-1]))
    said.append(dialer.receive(said[-1]) or b"")
    said.append(acceptor.receive(said[-1]))
    assert not any(b"the secret of it" in message for message in said)


def test_a_dialer_with_another_secret_is_refused_and_learns_no_proof() -> None:
    dialer, acceptor = Dialer(identity(1, b"some other secret"), 2, NONCE_A), Acceptor(identity(2), NONCE_B)
    proof = dialer.receive(acceptor.receive(dialer.begin()))
    assert proof is not None
    with pytest.raises(HandshakeRefused, match="the secrets of the two nodes differ"):
        acceptor.receive(proof)
    assert acceptor.peer is None


def test_an_acceptor_that_does_not_know_the_secret_is_refused() -> None:
    dialer, acceptor = Dialer(identity(1), 2, NONCE_A), Acceptor(identity(2), NONCE_B)
    dialer.receive(acceptor.receive(dialer.begin()))
    with pytest.raises(HandshakeRefused, match="does not know the cluster's secret"):
        dialer.receive(msgspec.msgpack.encode(Proof(b"\x00" * 32)))
    assert dialer.peer is None


def test_a_dialers_own_proof_sent_back_to_it_proves_nothing() -> None:
    dialer = Dialer(identity(1), 2, NONCE_A)
    dialer.begin()
    proof = dialer.receive(msgspec.msgpack.encode(Challenge(PROTOCOL_VERSION, 2, "disk-2", NONCE_B, "founding")))
    assert proof is not None
    with pytest.raises(HandshakeRefused):
        dialer.receive(proof)


def test_a_recorded_proof_is_worth_nothing_against_another_nonce() -> None:
    dialer, first = Dialer(identity(1), 2, NONCE_A), Acceptor(identity(2), NONCE_B)
    hello = dialer.begin()
    proof = dialer.receive(first.receive(hello))
    assert proof is not None
    second = Acceptor(identity(2), b"c" * 32)
    second.receive(hello)
    with pytest.raises(HandshakeRefused):
        second.receive(proof)


@pytest.mark.parametrize(
    "change", [{"disk_id": "disk-of-another"}, {"starts": 4}, {"runs": ((1, "run-1"), (2, "run-2"), (3, "x"))}]
)
def test_where_a_node_comes_from_changed_on_the_way_spoils_the_proof(change: dict[str, object]) -> None:
    dialer, acceptor = Dialer(identity(1), 2, NONCE_A), Acceptor(identity(2), NONCE_B)
    hello = msgspec.msgpack.decode(dialer.begin(), type=Hello)
    forged = msgspec.structs.replace(hello, **change)
    proof = dialer.receive(acceptor.receive(msgspec.msgpack.encode(forged)))
    assert proof is not None
    with pytest.raises(HandshakeRefused):
        acceptor.receive(proof)


def test_where_a_peer_comes_from_is_known_only_after_its_proof() -> None:
    dialer, acceptor = Dialer(identity(1, b"some other secret"), 2, NONCE_A), Acceptor(identity(2), NONCE_B)
    with pytest.raises(HandshakeRefused):
        talk(dialer, acceptor)
    assert (dialer.lineage, acceptor.lineage) == (None, None)
    dialer, acceptor = Dialer(identity(1), 2, NONCE_A), Acceptor(identity(2), NONCE_B)
    talk(dialer, acceptor)
    assert (dialer.lineage, acceptor.lineage) == (identity(2).lineage, identity(1).lineage)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": 9}, "peer protocol version 9, this node speaks 3"),
        ({"cluster_id": "other"}, "another cluster"),
        ({"target": 3}, "it looked for node 3; this is n2"),
        ({"node_id": 2}, "it claims to be n2, which is this node"),
        ({"node_id": 9}, "node 9 is no member"),
        ({"founding": "other"}, "its members or its default_mode are not this node's"),
    ],
)
def test_a_hello_that_does_not_fit_is_refused_with_a_sentence(change: dict[str, object], sentence: str) -> None:
    hello = msgspec.msgpack.decode(Dialer(identity(1), 2, NONCE_A).begin(), type=Hello)
    with pytest.raises(HandshakeRefused, match=sentence):
        Acceptor(identity(2), NONCE_B).receive(msgspec.msgpack.encode(msgspec.structs.replace(hello, **change)))


def test_a_node_of_version_1_is_refused_by_its_number_and_refuses_by_it() -> None:
    hello = msgspec.msgpack.encode([1, 1, "cluster", 1, "disk-1", 2, NONCE_A, "founding"])
    with pytest.raises(HandshakeRefused, match="peer protocol version 1, this node speaks 3"):
        Acceptor(identity(2), NONCE_B).receive(hello)
    with pytest.raises(HandshakeRefused, match="peer protocol version 1, this node speaks 3"):
        Dialer(identity(1), 2, NONCE_A).receive(
            msgspec.msgpack.encode([2, 1, 2, "disk-2", NONCE_B, "founding"]),
        )


def test_the_longest_past_that_a_disk_tells_of_fits_into_a_handshake() -> None:
    past = Lineage("d" * 2 * DISK_ID_BYTES, 1 << 60, ((1 << 60, "r" * 2 * RUN_ID_BYTES),) * RUNS_MAX)
    long = replace(identity(1), lineage=past, cluster_id="c" * 1000)
    dialer, acceptor = Dialer(long, 2, NONCE_A), Acceptor(replace(long, node_id=2), NONCE_B)
    hello = dialer.begin()
    assert max(len(hello), len(acceptor.receive(hello))) <= HANDSHAKE_BYTES_MAX


def test_an_acceptor_with_another_founding_is_refused() -> None:
    dialer = Dialer(identity(1), 2, NONCE_A)
    with pytest.raises(HandshakeRefused, match="its members or its default_mode"):
        dialer.receive(msgspec.msgpack.encode(Challenge(PROTOCOL_VERSION, 2, "disk-2", NONCE_B, "other")))


def test_an_address_of_another_node_is_refused() -> None:
    dialer = Dialer(replace(identity(1)), 2, NONCE_A)
    with pytest.raises(HandshakeRefused, match="its address is that of n3, not of n2"):
        dialer.receive(msgspec.msgpack.encode(Challenge(PROTOCOL_VERSION, 3, "disk-3", NONCE_B, "founding")))


def test_the_reason_of_the_other_side_is_shown_without_its_control_characters() -> None:
    with pytest.raises(HandshakeRefused, match=r"^the other side refused: be\?\[31mware$"):
        Dialer(identity(1), 2, NONCE_A).receive(refusal("be\x1b[31mware"))


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=4))
def test_garbage_is_refused_and_proves_nothing(messages: list[bytes]) -> None:
    for side in (Acceptor(identity(2), NONCE_B), Dialer(identity(1), 2, NONCE_A)):
        for message in messages:
            with pytest.raises(HandshakeRefused):
                side.receive(message)
        assert side.peer is None


def test_a_message_out_of_turn_is_refused() -> None:
    with pytest.raises(HandshakeRefused, match="out of turn"):
        Acceptor(identity(2), NONCE_B).receive(msgspec.msgpack.encode(Proof(b"")))
    acceptor = Acceptor(identity(2), NONCE_B)
    hello = Dialer(identity(1), 2, NONCE_A).begin()
    acceptor.receive(hello)
    with pytest.raises(HandshakeRefused, match="out of turn"):
        acceptor.receive(hello)
