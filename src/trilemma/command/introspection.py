"""COMMAND: the table described to clients (server.c of Redis 7.0)."""

from collections.abc import Callable, Mapping

from trilemma.base.errors import error, register
from trilemma.command.argument import arguments_of, documented
from trilemma.command.documentation import DEPRECATED, SYSTEM_COMMANDS, complexity_of, tips_of
from trilemma.command.key_spec import key_specs
from trilemma.command.row import container, node
from trilemma.command.session import SessionPort
from trilemma.command.spec import CommandSpec, keys_of
from trilemma.command.usage import USAGE
from trilemma.command.wrapping import WRAPPED_AT
from trilemma.resp.glob import compile_glob
from trilemma.resp.reply import MapReply, Reply, SetReply, Simple

register("no_keys", "ERR The command has no key arguments", "ask for a command that takes keys")
register("getkeys_unknown", "ERR Invalid command specified", "see COMMAND LIST")
register("getkeys_arity", "ERR Invalid number of arguments specified for command", "see COMMAND INFO")

Table = Mapping[str, CommandSpec]
Handler = Callable[[SessionPort, list[bytes]], Reply]

WORDS = "loading stale @connection"


def command_command(table: Table) -> CommandSpec:
    """Return the COMMAND command for a table, which may still be filled afterwards."""
    return container(
        "command",
        -1,
        "server",
        "2.8.13",
        "Describe the commands",
        *(
            node(f"command|{word}", arity, "server", WORDS, since, summary, handler)
            for word, arity, since, summary, handler in _subcommands(table)
        ),
        words=WORDS,
        handler=lambda port, argv: _infos(table, []),
    )


def _subcommands(table: Table) -> tuple[tuple[str, int, str, str, Handler], ...]:
    return (
        ("count", 2, "2.8.13", "Count the commands", lambda port, argv: len(table)),
        ("docs", -2, "7.0.0", "Return what there is to know of commands", lambda port, argv: _docs(table, argv[2:])),
        ("getkeys", -4, "2.8.13", "Name the keys in a command's arguments", lambda port, argv: _keys(table, argv[2:])),
        ("info", -2, "2.8.13", "Return arity, flags and keys of commands", lambda port, argv: _infos(table, argv[2:])),
        ("list", -2, "7.0.0", "List the names of commands", lambda port, argv: _names(table, argv[2:])),
    )


def describe(spec: CommandSpec) -> Reply:
    """Return one entry of COMMAND INFO: name, arity, flags, key positions, categories, tips, key specs, subcommands."""
    entry: list[Reply] = [
        spec.name.encode(),
        spec.arity,
        SetReply(tuple(Simple(flag.encode()) for flag in spec.flags)),
        spec.keys.first,
        spec.keys.last,
        spec.keys.step,
        SetReply(tuple(Simple(category.encode()) for category in spec.categories)),
        SetReply(tuple(tip.encode() for tip in tips_of(spec.name))),
        SetReply(tuple(key_specs(spec))),
        # Redis 7.0 has a set where there are none, else an array.
        [describe(sub) for sub in spec.subcommands.values()] if spec.subcommands else SetReply(()),
    ]
    return entry


def _find(table: Table, name: bytes) -> CommandSpec | None:
    word, _, sub = name.decode("utf-8", "replace").lower().partition("|")
    spec = table.get(word)
    return spec.subcommands.get(sub.encode()) if spec is not None and sub else spec


def _infos(table: Table, names: list[bytes]) -> Reply:
    if not names:
        return [describe(spec) for spec in table.values()]
    found = [_find(table, name) for name in names]
    return [None if spec is None else describe(spec) for spec in found]


def _docs(table: Table, names: list[bytes]) -> Reply:
    found = list(table.values()) if not names else [spec for name in names if (spec := _find(table, name)) is not None]
    return MapReply(tuple((spec.name.encode(), _doc(spec)) for spec in found))


def _doc(spec: CommandSpec) -> Reply:
    pairs: list[tuple[Reply, Reply]] = [
        (b"summary", spec.summary.encode()),
        (b"since", spec.since.encode()),
        (b"group", spec.group.encode()),
        (b"complexity", complexity_of(spec.name).encode()),
        *_flags_of_documentation(spec.name),
    ]
    if spec.name in USAGE:
        arguments = documented(arguments_of(USAGE[spec.name]), len(key_specs(spec)))
        pairs.append((b"arguments", arguments))
    if spec.subcommands:
        subs = MapReply(tuple((sub.name.encode(), _doc(sub)) for sub in spec.subcommands.values()))
        pairs.append((b"subcommands", subs))
    return MapReply(tuple(pairs))


def _flags_of_documentation(name: str) -> list[tuple[Reply, Reply]]:
    if name in SYSTEM_COMMANDS:
        return [(b"doc_flags", SetReply((Simple(b"syscmd"),)))]
    if name not in DEPRECATED:
        return []
    since, instead = DEPRECATED[name]
    return [
        (b"doc_flags", SetReply((Simple(b"deprecated"),))),
        (b"deprecated_since", since.encode()),
        (b"replaced_by", instead.encode()),
    ]


def _keys(table: Table, argv: list[bytes]) -> Reply:
    spec = _named(table, argv)
    # The keys of a command that goes by CAP EXPLAIN, CAP ONCE or both are those of the command itself.
    for outer in ("cap|explain", "cap|once"):
        if spec.name == outer:
            _check_arity(spec, argv)
            argv = argv[WRAPPED_AT[outer] :]
            spec = _named(table, argv)
    if spec.keys.first == 0:
        raise error("no_keys")
    _check_arity(spec, argv)
    return keys_of(spec, argv)


def _named(table: Table, argv: list[bytes]) -> CommandSpec:
    spec = table.get(argv[0].decode("utf-8", "replace").lower())
    if spec is not None and spec.subcommands and len(argv) > 1:
        spec = spec.subcommands.get(argv[1].lower())
    if spec is None:
        raise error("getkeys_unknown")
    return spec


def _check_arity(spec: CommandSpec, argv: list[bytes]) -> None:
    if len(argv) != spec.arity if spec.arity > 0 else len(argv) < -spec.arity:
        raise error("getkeys_arity")


def _names(table: Table, words: list[bytes]) -> Reply:
    specs = [one for spec in table.values() for one in (spec, *spec.subcommands.values())]
    if not words:
        return [spec.name.encode() for spec in specs]
    if len(words) != 3 or words[0].upper() != b"FILTERBY":
        raise error("syntax")
    kind, wanted = words[1].upper(), words[2]
    if kind == b"MODULE":
        return []
    if kind == b"ACLCAT":
        category = "@" + wanted.decode("utf-8", "replace").lower()
        return [spec.name.encode() for spec in specs if category in spec.categories]
    if kind == b"PATTERN":
        matches = compile_glob(wanted, ignore_case=True)
        return [spec.name.encode() for spec in specs if matches(spec.name.encode())]
    raise error("syntax")
