"""The directory of a cluster that this package lays out itself: one configuration and one data directory per node.

D/secret          the cluster's secret
D/cluster.json    names and addresses, for whoever looks for the cluster; written last, so that all else is there too
D/control.sock    the supervisor's socket
D/n1/node.toml, D/n1/data, D/n1/log
"""

import json
import secrets
from contextlib import ExitStack
from dataclasses import dataclass, replace
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
    """One node: its name, number and ports; `metrics_port` is 0 where it has none."""

    name: str
    number: int
    port: int
    peer_port: int
    metrics_port: int = 0

    @property
    def address(self) -> str:
        """Where clients reach it."""
        return f"{HOST}:{self.port}"

    @property
    def metrics_address(self) -> str | None:
        """Where its /metrics is, None where it has none."""
        return f"{HOST}:{self.metrics_port}" if self.metrics_port else None


@dataclass(frozen=True, slots=True)
class Settings:
    """What all nodes of a laid-out cluster share."""

    cluster_id: str
    default_mode: str = "cp"
    lab: bool = False
    segment_bytes: int = 16 << 20


def places(nodes: int, base_port: int, metrics_port: int = 0) -> list[NodePlace]:
    """Return the places of a cluster whose client ports count up from `base_port`, those for /metrics from
    `metrics_port`; 0 for none."""
    found = []
    for number in range(1, nodes + 1):
        port = base_port + number - 1
        found.append(NodePlace(f"n{number}", number, port, port + PEER_PORT_OFFSET))
    return with_metrics(found, metrics_port)


def with_metrics(members: list[NodePlace], metrics_port: int) -> list[NodePlace]:
    """Return places whose ports for /metrics count up from `metrics_port`; 0 for none."""
    return [
        replace(member, metrics_port=metrics_port + place if metrics_port else 0)
        for place, member in enumerate(members)
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
    if place.metrics_port:
        lines.append(f"metrics_port = {place.metrics_port}")
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
