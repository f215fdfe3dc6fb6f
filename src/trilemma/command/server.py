"""Commands about the node: time, statistics, options. Texts are Redis 7.0's (config.c, server.c)."""

from trilemma.base.errors import error, register
from trilemma.base.time import US_PER_S
from trilemma.command.session import SessionPort
from trilemma.command.unknown import subcommand_syntax
from trilemma.keyspace.slot import slot_of
from trilemma.resp.glob import compile_glob
from trilemma.resp.reply import OK, MapReply, Reply, Verbatim

register(
    "config_unknown",
    "ERR Unknown option or number of arguments for CONFIG SET - '{option}'",
    "CONFIG GET * lists the options",
)
register(
    "config_refused",
    "ERR CONFIG SET failed (possibly related to argument '{option}') - {reason}",
    "see docs/configuration.md",
)
register("function_flush", "ERR FUNCTION FLUSH only supports SYNC|ASYNC option", "name one of the two, or none")
register("script_flush", "ERR SCRIPT FLUSH only support SYNC|ASYNC option", "name one of the two, or none")
register(
    "no_config_file",
    "ERR The server is running without a config file",
    "options set by CONFIG SET last until the node stops; write them into its TOML file",
)
register(
    "debug_not_allowed",
    'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a '
    "local connection, otherwise you need to set this option in the configuration file, and then restart the server.",
    "start the node with enable_debug_command",
)

FIXED_AT_START = frozenset({"databases", "enable-debug-command"})
"""Options that Redis too refuses to change, before it looks at values."""


def time_(port: SessionPort, argv: list[bytes]) -> Reply:
    """TIME."""
    return [b"%d" % (port.wall_us // US_PER_S), b"%d" % (port.wall_us % US_PER_S)]


def info(port: SessionPort, argv: list[bytes]) -> Reply:
    """INFO [section ...]."""
    return Verbatim(port.info([word.decode("utf-8", "replace").lower() for word in argv[1:]]))


def config_get(port: SessionPort, argv: list[bytes]) -> Reply:
    """CONFIG GET pattern [pattern ...]."""
    matchers = [compile_glob(pattern, ignore_case=True) for pattern in argv[2:]]
    found = {
        name.encode(): value.encode("utf-8", "surrogateescape")
        for name, value in port.config.items()
        if any(matches(name.encode()) for matches in matchers)
    }
    return MapReply(tuple(found.items()))


def config_set(port: SessionPort, argv: list[bytes]) -> Reply:
    """CONFIG SET option value [option value ...]: all, or none where one is refused."""
    if len(argv) % 2:
        raise error("syntax")
    wanted: dict[str, str] = {}
    for word, value in zip(argv[2::2], argv[3::2], strict=True):
        name = word.decode("utf-8", "surrogateescape").lower()
        if name not in port.config:
            raise error("config_unknown", option=word.partition(b"\x00")[0].decode("utf-8", "surrogateescape"))
        if name in FIXED_AT_START:
            raise error("config_refused", option=name, reason="can't set immutable config")
        if name in wanted:
            raise error("config_refused", option=name, reason="duplicate parameter")
        wanted[name] = value.decode("utf-8", "surrogateescape")
    for name, text in wanted.items():
        reason = port.config_refusal(name, text)
        if reason is not None:
            raise error("config_refused", option=name, reason=reason)
    for name, text in wanted.items():
        port.set_config(name, text)
    return OK


def config_resetstat(port: SessionPort, argv: list[bytes]) -> Reply:
    """CONFIG RESETSTAT."""
    port.reset_statistics()
    return OK


def function_flush(port: SessionPort, argv: list[bytes]) -> Reply:
    """FUNCTION FLUSH [ASYNC|SYNC]: there are no functions, so none is left."""
    if len(argv) > 3:
        raise subcommand_syntax("function", argv[1])
    if not _is_flush_option(argv[2:]):
        raise error("function_flush")
    return OK


def script_flush(port: SessionPort, argv: list[bytes]) -> Reply:
    """SCRIPT FLUSH [ASYNC|SYNC]: there are no scripts, so none is left."""
    if not _is_flush_option(argv[2:]):
        raise error("script_flush")
    return OK


def _is_flush_option(words: list[bytes]) -> bool:
    return not words or (len(words) == 1 and words[0].upper() in (b"ASYNC", b"SYNC"))


def cluster_info(port: SessionPort, argv: list[bytes]) -> Reply:
    """CLUSTER INFO."""
    return Verbatim(port.cluster_info())


def cluster_keyslot(port: SessionPort, argv: list[bytes]) -> Reply:
    """CLUSTER KEYSLOT key."""
    return slot_of(argv[2])
