"""Who is at the other end of a peer connection: a proof of the cluster's secret in both directions.

Challenge and response by HMAC-SHA256 over everything both sides said, each with a nonce of its own; the secret is never
sent. The dialer proves first, so a stranger who dials learns nothing. Bound in: protocol version, cluster id, both node
ids, both disk ids with their starts and runs, the founding facts. What follows on the connection is neither encrypted
nor authenticated frame by frame: peers need a network on which nobody can alter a TCP stream. A state machine without
I/O; the caller brings the nonces.

Sources: PROTOCOLS §1.5; RFC 2104 (HMAC); the role in the proof against reflection: Bird et al., "Systematic design of
a family of attack-resistant authentication protocols", IEEE JSAC 1993.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from trilemma.base.ids import NodeId
from trilemma.runtime.known_disks import Lineage, Run

PROTOCOL_VERSION = 3
NONCE_BYTES = 32
_REASON_CHARACTERS_MAX = 300
REFUSED_THERE = "the other side refused: "
"""How the reason begins where it is the peer's: it refused this node, not this node the peer."""

_DIALER = b"trilemma peer, dialer"
_ACCEPTOR = b"trilemma peer, acceptor"


CheckDisk = Callable[[NodeId, Lineage, Callable[[str | None], None]], None]
"""Looks at where a proven peer comes from, and says why it is refused, or None: at once, or when the disk knows it."""


class HandshakeRefused(Exception):  # noqa: N818 - the sentence says what was refused
    """This connection must not be used. The text is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What this node is and knows.

    `check_disk`: for whoever uses a proven connection, no sooner than that.
    `founding`: the digest of what is fixed when a cluster is founded.
    """

    cluster_id: str
    node_id: NodeId
    lineage: Lineage
    secret: bytes
    names: Mapping[NodeId, str]
    check_disk: CheckDisk
    founding: str

    def name(self, node: NodeId) -> str:
        """Return a node's name for a sentence."""
        return self.names.get(node, f"node {node}")


class Hello(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """The dialer: who I am, whom I want. One without starts and runs is of version 1, and refused for that."""

    version: int
    cluster_id: str
    node_id: NodeId
    disk_id: str
    target: NodeId
    nonce: bytes
    founding: str
    starts: int = 0
    runs: tuple[Run, ...] = ()

    @property
    def lineage(self) -> Lineage:
        """Where the node comes from."""
        return Lineage(self.disk_id, self.starts, self.runs)


class Challenge(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The acceptor: who I am; prove that you know the secret. For version 1 see Hello."""

    version: int
    node_id: NodeId
    disk_id: str
    nonce: bytes
    founding: str
    starts: int = 0
    runs: tuple[Run, ...] = ()

    @property
    def lineage(self) -> Lineage:
        """Where the node comes from."""
        return Lineage(self.disk_id, self.starts, self.runs)


class Proof(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Either side's proof; the dialer's first."""

    mac: bytes


class Refusal(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Why not, for the other side's log."""

    reason: str


_decoder: msgspec.msgpack.Decoder[Hello | Challenge | Proof | Refusal] = msgspec.msgpack.Decoder(
    Hello | Challenge | Proof | Refusal
)
_encode = msgspec.msgpack.Encoder().encode


def _mac(role: bytes, secret: bytes, hello: Hello, challenge: Challenge) -> bytes:
    return hmac.digest(secret, role + _encode((hello, challenge)), "sha256")


def _decode(body: bytes) -> Hello | Challenge | Proof | Refusal:
    try:
        message = _decoder.decode(body)
    except msgspec.MsgspecError as problem:
        raise HandshakeRefused("the other side does not speak the peer protocol") from problem
    if isinstance(message, Refusal):
        reason = "".join(character if character.isprintable() else "?" for character in message.reason)
        raise HandshakeRefused(f"{REFUSED_THERE}{reason[:_REASON_CHARACTERS_MAX]}")
    return message


def _check_version(version: int) -> None:
    if version != PROTOCOL_VERSION:
        raise HandshakeRefused(f"peer protocol version {version}, this node speaks {PROTOCOL_VERSION}")


def _check_founding(theirs: str, ours: str) -> None:
    if theirs != ours:
        raise HandshakeRefused(
            "its members or its default_mode are not this node's: they are fixed when a cluster is founded, the same "
            "on every node"
        )


def refusal(reason: str) -> bytes:
    """Return the bytes that tell the other side why it was refused."""
    return _encode(Refusal(reason))


class Dialer:
    """The side that opened the connection, towards the node it meant to reach."""

    def __init__(self, identity: Identity, target: NodeId, nonce: bytes) -> None:
        self.peer: NodeId | None = None
        """The peer, once it has proven itself."""
        self.lineage: Lineage | None = None
        """Where it comes from, then: that is still to be checked."""
        self._identity = identity
        self._hello = Hello(
            PROTOCOL_VERSION,
            identity.cluster_id,
            identity.node_id,
            identity.lineage.disk_id,
            target,
            nonce,
            identity.founding,
            identity.lineage.starts,
            identity.lineage.runs,
        )
        self._challenge: Challenge | None = None

    def begin(self) -> bytes:
        """Return what to send first."""
        return _encode(self._hello)

    def receive(self, body: bytes) -> bytes | None:
        """Take in a message and return the answer, if any.

        Raises:
            HandshakeRefused: with the sentence for this node's log.
        """
        message = _decode(body)
        if isinstance(message, Challenge) and self._challenge is None:
            _check_version(message.version)
            self._check_target(message)
            _check_founding(message.founding, self._identity.founding)
            self._challenge = message
            return _encode(Proof(_mac(_DIALER, self._identity.secret, self._hello, message)))
        if isinstance(message, Proof) and self._challenge is not None:
            self._finish(message, self._challenge)
            return None
        raise HandshakeRefused("the other side spoke out of turn")

    def _check_target(self, challenge: Challenge) -> None:
        wanted = self._hello.target
        if challenge.node_id != wanted:
            identity = self._identity
            raise HandshakeRefused(
                f"its address is that of {identity.name(challenge.node_id)}, not of {identity.name(wanted)}"
            )

    def _finish(self, proof: Proof, challenge: Challenge) -> None:
        expected = _mac(_ACCEPTOR, self._identity.secret, self._hello, challenge)
        if not hmac.compare_digest(expected, proof.mac):
            raise HandshakeRefused("it does not know the cluster's secret")
        self.peer, self.lineage = challenge.node_id, challenge.lineage


class Acceptor:
    """The side that was called."""

    def __init__(self, identity: Identity, nonce: bytes) -> None:
        self.peer: NodeId | None = None
        """The peer, once it has proven itself."""
        self.lineage: Lineage | None = None
        """Where it comes from, then: that is still to be checked."""
        self._identity = identity
        past = identity.lineage
        self._challenge = Challenge(
            PROTOCOL_VERSION, identity.node_id, past.disk_id, nonce, identity.founding, past.starts, past.runs
        )
        self._hello: Hello | None = None

    def receive(self, body: bytes) -> bytes:
        """Take in a message and return the answer; the last one is to be sent once the peer's disk is checked.

        Raises:
            HandshakeRefused: with the sentence for both logs (see `refusal`).
        """
        message = _decode(body)
        if isinstance(message, Hello) and self._hello is None:
            self._check_hello(message)
            self._hello = message
            return _encode(self._challenge)
        if isinstance(message, Proof) and self._hello is not None and self.peer is None:
            return self._finish(message, self._hello)
        raise HandshakeRefused("the other side spoke out of turn")

    def _check_hello(self, hello: Hello) -> None:
        identity = self._identity
        _check_version(hello.version)
        if hello.cluster_id != identity.cluster_id:
            raise HandshakeRefused("it belongs to another cluster: the cluster ids differ")
        if hello.target != identity.node_id:
            raise HandshakeRefused(f"it looked for node {hello.target}; this is {identity.name(identity.node_id)}")
        if hello.node_id == identity.node_id:
            raise HandshakeRefused(f"it claims to be {identity.name(identity.node_id)}, which is this node")
        if hello.node_id not in identity.names:
            raise HandshakeRefused(f"node {hello.node_id} is no member of this cluster")
        _check_founding(hello.founding, identity.founding)

    def _finish(self, proof: Proof, hello: Hello) -> bytes:
        expected = _mac(_DIALER, self._identity.secret, hello, self._challenge)
        if not hmac.compare_digest(expected, proof.mac):
            raise HandshakeRefused("the secrets of the two nodes differ")
        self.peer, self.lineage = hello.node_id, hello.lineage
        return _encode(Proof(_mac(_ACCEPTOR, self._identity.secret, hello, self._challenge)))
