"""What a directory holds before `up` uses it: nothing, a cluster that stands, or what is nobody's to write into.

A cluster that stands is used as it is. Its nodes, ports and default mode were chosen when it was made; other ones are
refused, because data was written under them. LAB and the ports for /metrics are no part of the data: every start may
choose them.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from trilemma.client import control
from trilemma.client.identity import answerer
from trilemma.client.layout import (
    CLUSTER,
    CONTROL,
    HOST,
    LayoutRefused,
    NodePlace,
    lay_out,
    node_file,
    places,
    with_metrics,
)
from trilemma.runtime.address import split_address
from trilemma.runtime.config import ConfigError, ServerConfig, load
from trilemma.runtime.listening import StartRefused, bind
from trilemma.runtime.rewrite import rewrite

NODES = 3
BASE_PORT = 7001
DEFAULT_MODE = "cp"
SEGMENT_BYTES = 16 << 20
METRICS_ADVICE = "name other ports with --metrics-port, or 0 for none"
SOCKET_PATH_BYTES_MAX = 107
"""Linux: sun_path has 108 bytes, the last of which is zero."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `up` is asked for; None where that is not said: what stands then, or the default for a new cluster."""

    nodes: int | None = None
    base_port: int | None = None
    default_mode: str | None = None
    lab: bool | None = None
    segment_bytes: int | None = None
    metrics_port: int | None = None
    """From which ports for /metrics count up; 0 for none."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A cluster whose files are there.

    Args:
        is_new: they were made just now.
        is_lab_changed: LAB was allowed or switched off just now.
    """

    members: list[NodePlace]
    default_mode: str
    lab: bool
    is_new: bool = False
    is_lab_changed: bool = False


def prepare(directory: Path, wanted: Wanted) -> Standing:
    """Make a cluster's directory, or take the one that stands; where it refuses, it has written nothing.

    Args:
        directory: absolute.

    Raises:
        LayoutRefused: the directory cannot be used, a port is taken, or the cluster in it is not as wanted.
    """
    try:
        _check_path(directory)
        if not _holds_cluster(directory):
            return _make(directory, wanted)
        configs = _configs(directory)
        found = _standing(configs, wanted)
        _check_wanted(directory, found, wanted)
        _check_ports(directory, found.members, "end what holds it: a cluster keeps the ports it was made with")
        for config, member in zip(configs, found.members, strict=True):
            _adapt(directory, config, found.lab, member.metrics_port)
        return found
    except OSError as problem:
        raise LayoutRefused(f"{problem.filename or directory}: {problem.strerror}") from problem


def _check_path(directory: Path) -> None:
    if len(os.fsencode(directory / CONTROL)) > SOCKET_PATH_BYTES_MAX:
        raise LayoutRefused(
            f"{directory / CONTROL} is longer than the {SOCKET_PATH_BYTES_MAX} bytes that a socket's path may have; "
            "name a shorter --dir"
        )


def _holds_cluster(directory: Path) -> bool:
    if not directory.exists():
        return False
    held = [entry.name for entry in directory.iterdir()]
    if held and CLUSTER not in held:
        raise LayoutRefused(control.why_no_cluster(directory))
    return bool(held)


def _make(directory: Path, wanted: Wanted) -> Standing:
    members = places(wanted.nodes or NODES, wanted.base_port or BASE_PORT, wanted.metrics_port or 0)
    _check_ports(directory, members, "name other ports with --base-port")
    mode, lab = wanted.default_mode or DEFAULT_MODE, bool(wanted.lab)
    lay_out(directory, members, mode, lab=lab, segment_bytes=wanted.segment_bytes or SEGMENT_BYTES)
    return Standing(members, mode, lab, is_new=True)


def _configs(directory: Path) -> list[ServerConfig]:
    try:
        return [load(node_file(directory, name)) for name in control.nodes(directory)]
    except (ConfigError, control.NoClusterError) as problem:
        raise LayoutRefused(f"the cluster in {directory} cannot be started: {problem}") from problem


def _standing(configs: list[ServerConfig], wanted: Wanted) -> Standing:
    had_lab = [config.lab for config in configs]
    lab = all(had_lab) if wanted.lab is None else wanted.lab
    members = [_place(config) for config in configs]
    if wanted.metrics_port is not None:
        members = with_metrics(members, wanted.metrics_port)
    return Standing(members, configs[0].default_mode, lab, is_lab_changed=any(had != lab for had in had_lab))


def _place(config: ServerConfig) -> NodePlace:
    me = config.me
    ports = split_address(me.address)[1], split_address(me.peer_address)[1], config.metrics_port
    return NodePlace(me.name, me.id, *ports)


def _check_wanted(directory: Path, found: Standing, wanted: Wanted) -> None:
    for option, asked, stands in (
        ("--nodes", wanted.nodes, len(found.members)),
        ("--base-port", wanted.base_port, found.members[0].port),
        ("--default-mode", wanted.default_mode, found.default_mode),
    ):
        if asked not in (None, stands):
            raise LayoutRefused(
                f"{directory} holds a cluster that was made with {option} {stands}, which stays; leave out {option} "
                f"{asked} to start it, or name another --dir for a new one"
            )


def _check_ports(directory: Path, members: list[NodePlace], advice: str) -> None:
    """Refuse where a node could not listen, before anything is started or written."""
    taken: dict[int, str] = {}
    for member in members:
        for port, whom in ((member.port, "clients"), (member.peer_port, "the other nodes")):
            taken[port] = f"{member.name}'s port for {whom}"
            _check_port(directory, member, port, whom, advice)
    for member in members:
        if member.metrics_port in taken:
            problem = (
                f"{member.name} cannot have {member.metrics_port} for /metrics: it is {taken[member.metrics_port]}"
            )
            raise LayoutRefused(f"{problem}; {METRICS_ADVICE}")
        if member.metrics_port:
            _check_port(directory, member, member.metrics_port, "/metrics", METRICS_ADVICE)


def _check_port(directory: Path, member: NodePlace, port: int, whom: str, advice: str) -> None:
    try:
        bind(HOST, port).close()
    except StartRefused as problem:
        holder = _holder(directory, member) if port == member.port else ""
        raise LayoutRefused(f"{member.name} {problem} (its port for {whom}){holder}; {advice}") from problem


def _holder(directory: Path, member: NodePlace) -> str:
    """Return who answers at a node's port for clients; empty where nobody says so."""
    found = answerer(directory, member.name, member.address)
    if found is None:
        return ""
    if found.is_at(directory, member.name):
        return f": it runs already, without its supervisor, as process {found.process_id}"
    return f": {found} answers there"


def _adapt(directory: Path, config: ServerConfig, lab: bool, metrics_port: int) -> None:
    """Write into a node's file what this start changes: LAB, the port for /metrics, and its paths where the directory
    was moved or copied."""
    values: dict[str, str | bool | int] = {} if config.lab == lab else {"lab": lab}
    if config.metrics_port != metrics_port:
        values["metrics_port"] = metrics_port
    made_at = Path(config.secret_file).parent
    if made_at.is_absolute() and made_at != directory:
        for name, path in (("dir", Path(config.dir)), ("secret_file", Path(config.secret_file))):
            if path.is_relative_to(made_at):
                values[name] = str(directory / path.relative_to(made_at))
    if values:
        rewrite(node_file(directory, config.name), values)
