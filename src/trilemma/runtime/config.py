"""The configuration of one node process: a TOML file, every option of which stands here once, with what it does.

docs/configuration.md is made from `options()`. Unknown options are refused; every refusal is a sentence.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, cast

import msgspec
import msgspec.inspect
from msgspec import Meta

from trilemma.base.ids import NodeId
from trilemma.base.limits import CLIENTS_MAX, LOG_RETAINED_BYTES_MAX, MIB, OUTPUT_BUFFER_BYTES_MAX
from trilemma.node.config import TIMEOUT_S_MAX, Member, NodeConfig
from trilemma.runtime.address import AddressError, split_address
from trilemma.runtime.clients import OUTPUT_PAUSE_BYTES
from trilemma.runtime.complaint import complaint
from trilemma.runtime.room import DISK_RESERVE_BYTES
from trilemma.runtime.timing import TimingOptions, contradiction

SECRET_BYTES_MIN = 16
SEGMENT_BYTES_MIN = MIB
SEGMENT_RESERVE_BYTES = 16 * MIB
"""Free beside the next segment of the log, at least: rows are flushed before an old one goes."""


class ConfigError(Exception):
    """The configuration cannot be used; the text says what to change."""


class MemberOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[members]]` table: a node of the cluster, the same on every node."""

    id: Annotated[int, Meta(ge=1, description="The node's number, from 1; never used twice in a cluster.")]
    name: Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,64}$", description="The node's name, such as n1.")]
    address: Annotated[str, Meta(description="host:port for clients.")]
    peer_address: Annotated[str, Meta(description="host:port for the other nodes.")]


class ServerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The top level of the file."""

    name: Annotated[str, Meta(description="Which of the members this node is.")]
    dir: Annotated[str, Meta(min_length=1, description="The data directory; made where it is missing.")]
    cluster_id: Annotated[str, Meta(min_length=1, max_length=128, description="The same on every node of a cluster.")]
    members: Annotated[tuple[MemberOptions, ...], Meta(description="The nodes of the cluster, this one included.")]
    secret: Annotated[
        str, Meta(description="What every node of the cluster knows and nobody else; at least 16 bytes.")
    ] = ""
    secret_file: Annotated[str, Meta(description="A file that holds the secret, in place of `secret`.")] = ""
    bind: Annotated[
        str, Meta(description="The address to listen on; without it, the host of this member's own addresses.")
    ] = ""
    requirepass: Annotated[str, Meta(description="The password that clients give with AUTH; none by default.")] = ""
    protected_mode: Annotated[bool, Meta(description="Without a password, serve clients of this machine only.")] = True
    default_mode: Annotated[
        Literal["cp", "ap", "ca"], Meta(description="The mode of the keyspace `default`, fixed at the first start.")
    ] = "cp"
    lab: Annotated[bool, Meta(description="Allow LAB, which cuts and slows links. Not for production.")] = False
    enable_debug_command: Annotated[bool, Meta(description="Allow DEBUG.")] = False
    maxclients: Annotated[
        int, Meta(ge=1, description="Client connections at a time; fewer where the system allows fewer open files.")
    ] = CLIENTS_MAX
    timeout: Annotated[
        int, Meta(ge=0, le=TIMEOUT_S_MAX, description="Seconds after which an idle client is closed; 0 for never.")
    ] = 0
    output_bytes_max: Annotated[
        int, Meta(ge=1024, description="A client with more unread reply bytes than this is closed.")
    ] = OUTPUT_BUFFER_BYTES_MAX
    output_pause_bytes: Annotated[
        int, Meta(ge=1024, description="A client with more unread reply bytes than this is not read from.")
    ] = OUTPUT_PAUSE_BYTES
    segment_bytes: Annotated[int, Meta(description="Size of one file of the log; at least 1 MiB.")] = 16 * MIB
    log_retained_bytes: Annotated[
        int, Meta(ge=0, description="Log kept, in all, for replicas that are away; beyond, they return by snapshot.")
    ] = LOG_RETAINED_BYTES_MAX
    disk_reserve_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="With less than this, or than `segment_bytes` and 16 MiB, free on the disk of `dir`, writes "
            "are refused.",
        ),
    ] = DISK_RESERVE_BYTES
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The least severe messages that are logged.")
    ] = "info"
    log_format: Annotated[Literal["console", "json"], Meta(description="How messages are written.")] = "console"
    metrics_port: Annotated[int, Meta(ge=0, le=65535, description="Port for Prometheus' /metrics; 0 for none.")] = 0
    timing: Annotated[TimingOptions, Meta(description="Time-outs; see [timing].")] = TimingOptions()

    @property
    def me(self) -> MemberOptions:
        """This node."""
        return next(member for member in self.members if member.name == self.name)

    @property
    def reserve_bytes(self) -> int:
        """What must be free on the disk: the next segment of the log is allocated whole, whatever else is reserved."""
        return max(self.disk_reserve_bytes, self.segment_bytes + SEGMENT_RESERVE_BYTES)

    def node_config(self, disk_id: str, starts: int) -> NodeConfig:
        """Return what the node itself is told."""
        return NodeConfig(
            cluster_id=self.cluster_id,
            node_id=self.me.id,
            disk_id=disk_id,
            starts=starts,
            members=tuple(Member(m.id, m.name, m.address, m.peer_address) for m in self.members),
            default_mode=self.default_mode,
            requirepass=self.requirepass,
            protected_mode=self.protected_mode,
            lab=self.lab,
            debug_commands=self.enable_debug_command,
            segment_bytes=self.segment_bytes,
            clients_max=self.maxclients,
            timeout_s=self.timeout,
            output_bytes_max=self.output_bytes_max,
            retained_bytes=self.log_retained_bytes,
            timing=self.timing.timing(),
        )

    def read_secret(self) -> bytes:
        """Return the cluster's secret.

        Raises:
            ConfigError: the file cannot be read, or the secret is too short to be one.
        """
        secret = self.secret.encode()
        if self.secret_file:
            try:
                secret = Path(self.secret_file).read_bytes().strip()
            except OSError as problem:
                raise ConfigError(f"secret_file: {problem.strerror}: {self.secret_file}") from problem
        if len(secret) < SECRET_BYTES_MIN:
            raise ConfigError(f"the cluster's secret has {len(secret)} bytes; it needs at least {SECRET_BYTES_MIN}")
        return secret


def load(path: Path) -> ServerConfig:
    """Read a configuration file.

    Raises:
        ConfigError: with the sentence for the operator.
    """
    try:
        return parse(read(path))
    except OSError as problem:
        raise ConfigError(f"{path}: {problem.strerror}") from problem
    except ConfigError as problem:
        raise ConfigError(f"{path}: {problem}") from problem


def read(path: Path) -> str:
    """Return the text of a configuration file.

    Raises:
        OSError: it cannot be read.
        ConfigError: it is no text.
    """
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as problem:
        raise ConfigError(f"TOML is UTF-8, and byte {problem.start} is not") from problem


def parse(text: str) -> ServerConfig:
    """Return the configuration that a TOML text says.

    Raises:
        ConfigError: with the sentence for the operator.
    """
    try:
        raw: dict[str, Any] = tomllib.loads(text)
        config = msgspec.convert(raw, ServerConfig)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"no TOML: {problem}") from problem
    except RecursionError as problem:
        raise ConfigError("a value is nested too deeply to be read") from problem
    except msgspec.ValidationError as problem:
        raise ConfigError(complaint(problem, _choices())) from problem
    validate(config)
    return config


def _choices() -> dict[str, tuple[str, ...]]:
    """Return the options that are one of a few words, and these."""
    table = cast(msgspec.inspect.StructType, msgspec.inspect.type_info(ServerConfig))
    found = {}
    for field in table.fields:
        kind = field.type.type if isinstance(field.type, msgspec.inspect.Metadata) else field.type
        if isinstance(kind, msgspec.inspect.LiteralType):
            found[field.name] = tuple(map(str, kind.values))
    return found


def validate(config: ServerConfig) -> None:
    """Check what one option alone cannot tell.

    Raises:
        ConfigError: with the first thing that is wrong.
    """
    _check_members(config)
    _check_ports(config)
    _check_secret(config)
    problem = contradiction(config.timing)
    if problem is not None:
        raise ConfigError(problem)
    if config.segment_bytes < SEGMENT_BYTES_MIN:
        raise ConfigError(f"segment_bytes is {config.segment_bytes}; it needs at least {SEGMENT_BYTES_MIN}")
    if config.output_pause_bytes > config.output_bytes_max:
        raise ConfigError("output_pause_bytes is greater than output_bytes_max: the client would be closed first")


def _check_members(config: ServerConfig) -> None:
    for what in ("id", "name", "address", "peer_address"):
        values = [getattr(member, what) for member in config.members]
        twice = sorted({str(value) for value in values if values.count(value) > 1})
        if twice:
            raise ConfigError(f"two members have the same {what}: {twice[0]}")
    if all(member.name != config.name for member in config.members):
        names = ", ".join(member.name for member in config.members) or "nobody"
        raise ConfigError(f"name is {config.name!r}, but the members are {names}")
    for member in config.members:
        for address in (member.address, member.peer_address):
            if _port(address) == 0 and member.name != config.name:
                raise ConfigError(f"{member.name}: port 0 is for this node's own addresses only")


def _check_ports(config: ServerConfig) -> None:
    """Refuse two sockets on one address, of one node or of two."""
    taken: dict[tuple[str, int], str] = {}
    for member in config.members:
        for what, address in (("address", member.address), ("peer_address", member.peer_address)):
            owner = f"{member.name}'s {what}"
            first = taken.setdefault(split_address(address), owner) if _port(address) else owner
            if first != owner:
                raise ConfigError(f"{first} and {owner} are both {address}; each needs a port of its own")
    me = config.me
    own = [("address", me.address), ("peer_address", me.peer_address)]
    if config.bind and _port(me.address) == _port(me.peer_address) != 0:
        raise ConfigError(f"with bind, address and peer_address need two ports; both have {_port(me.address)}")
    for what, address in own:
        if config.metrics_port and config.metrics_port == _port(address):
            raise ConfigError(f"metrics_port is {config.metrics_port}, the port of {me.name}'s {what}")


def _port(address: str) -> int:
    try:
        return split_address(address)[1]
    except AddressError as problem:
        raise ConfigError(str(problem)) from problem


def _check_secret(config: ServerConfig) -> None:
    if bool(config.secret) == bool(config.secret_file):
        raise ConfigError("set either secret or secret_file")


class Option(NamedTuple):
    """One line of the reference. `default` is None where the option must be set."""

    table: str
    name: str
    type: str
    default: str | None
    description: str


def options() -> list[Option]:
    """Return every option of the file, for docs and help."""
    found: list[Option] = []
    for table, struct in (("", ServerConfig), ("[[members]]", MemberOptions), ("[timing]", TimingOptions)):
        schema = msgspec.json.schema(struct)["$defs"][struct.__name__]
        required = set(schema["required"]) if "required" in schema else set()
        for field in msgspec.structs.fields(struct):
            property_ = schema["properties"][field.name]
            default = None if field.name in required else _default(field.default)
            found.append(Option(table, field.name, _type(property_), default, property_.get("description", "")))
    return found


def _default(value: object) -> str:
    return "the defaults of the table" if isinstance(value, TimingOptions) else msgspec.json.encode(value).decode()


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    return str(schema.get("type", "table"))


def member_ids(config: ServerConfig) -> dict[NodeId, str]:
    """Return the members' names by number."""
    return {member.id: member.name for member in config.members}
