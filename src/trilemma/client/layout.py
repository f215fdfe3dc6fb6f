"""The directory of a cluster that this package lays out itself: one configuration and one data directory per node.

D/secret          the cluster's secret
D/cluster.json    names and addresses, for whoever looks for the cluster; written last, so that all else is there too
D/control.sock    the supervisor's socket
D/n1/node.toml, D/n1/data, D/n1/log
"""

import json
import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from trilemma.runtime.durable_files import make_durably, sync_directory
from trilemma.runtime.listening import bind_free
from trilemma.runtime.toml import toml_string

CLUSTER = "cluster.json"
CONTROL = "control.sock"
HOST = "127.0.0.1"
PEER_PORT_OFFSET = 10_000
SECRET_BYTES = 32


class LayoutRefused(Exception):  # noqa: N818 - the sentence says what was refused
    """The directory cannot be that of the cluster; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class NodePlace:
    """One node: its name, number and ports."""

    name: str
    number: int
    port: int
    peer_port: int

    @property
    def address(self) -> str:
        """Where clients reach it."""
        return f"{HOST}:{self.port}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What all nodes of a laid-out cluster share."""

    cluster_id: str
    default_mode: str = "cp"
    lab: bool = False
    segment_bytes: int = 16 << 20
    metrics: bool = False


def places(nodes: int, base_port: int) -> list[NodePlace]:
    """Return the places of a cluster whose client ports count up from `base_port`."""
    return [
        NodePlace(f"n{number}", number, base_port + number - 1, base_port + number - 1 + PEER_PORT_OFFSET)
        for number in range(1, nodes + 1)
    ]


def free_places(nodes: int) -> list[NodePlace]:
    """Return places whose ports are free now."""
    with ExitStack() as stack:
        ports = [stack.enter_context(bind_free(HOST)).getsockname()[1] for _ in range(2 * nodes)]
    return [
        NodePlace(f"n{number}", number, ports[2 * number - 2], ports[2 * number - 1]) for number in range(1, nodes + 1)
    ]


def toml(place: NodePlace, members: list[NodePlace], settings: Settings, directory: Path) -> str:
    """Return a node's configuration file."""
    lines = [
        f'name = "{place.name}"',
        f"dir = {toml_string(str(directory / place.name / 'data'))}",
        f'cluster_id = "{settings.cluster_id}"',
        f"secret_file = {toml_string(str(directory / 'secret'))}",
        f'default_mode = "{settings.default_mode}"',
        f"lab = {'true' if settings.lab else 'false'}",
        f"segment_bytes = {settings.segment_bytes}",
    ]
    for member in members:
        lines += [
            "",
            "[[members]]",
            f"id = {member.number}",
            f'name = "{member.name}"',
            f'address = "{member.address}"',
            f'peer_address = "{HOST}:{member.peer_port}"',
        ]
    return "\n".join(lines) + "\n"


def node_file(directory: Path, name: str) -> Path:
    """Return where a node's configuration is."""
    return directory / name / "node.toml"


def lay_out(directory: Path, members: list[NodePlace], default_mode: str, *, lab: bool, segment_bytes: int) -> None:
    """Make a new cluster's directory, in one that is missing or empty.

    Raises:
        LayoutRefused: another one has begun to make it.
        OSError: it cannot be written.
    """
    make_durably(directory)
    secret = directory / "secret"
    try:
        secret.touch(mode=0o600, exist_ok=False)
    except FileExistsError as problem:
        raise LayoutRefused(f"{directory} is being made a cluster's by another command") from problem
    secret.write_text(secrets.token_hex(SECRET_BYTES))
    settings = Settings(f"local-{secrets.token_hex(8)}", default_mode, lab, segment_bytes)
    for member in members:
        (directory / member.name).mkdir()
        node_file(directory, member.name).write_text(toml(member, members, settings, directory))
    nodes = [{"name": each.name, "address": each.address} for each in members]
    known = {"cluster_id": settings.cluster_id, "nodes": nodes}
    (directory / CLUSTER).write_text(json.dumps(known, indent=2) + "\n")
    sync_directory(directory)  # below it are the nodes' data directories, whose own names each node makes durable
