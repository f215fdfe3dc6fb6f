"""COMMAND: the table described to clients (server.c of Redis 7.0)."""

from collections.abc import Callable, Mapping

from trilemma.base.errors import error, register
from trilemma.command.session import SessionPort
from trilemma.command.spec import CommandSpec, keys_of
from trilemma.resp.glob import compile_glob
from trilemma.resp.reply import NIL_ARRAY, MapReply, Reply, SetReply, Simple

register("no_keys", "ERR The command has no key arguments", "ask for a command that takes keys")
register("getkeys_unknown", "ERR Invalid command specified", "see COMMAND LIST")
register("getkeys_arity", "ERR Invalid number of arguments specified for command", "see COMMAND INFO")

Table = Mapping[str, CommandSpec]
Handler = Callable[[SessionPort, list[bytes]], Reply]


def container(table: Table) -> CommandSpec:
    """Return the COMMAND command for a table, which may still be filled afterwards."""

    def sub(name: str, arity: int, since: str, summary: str, handler: Handler) -> tuple[bytes, CommandSpec]:
        flags, categories = ("loading", "stale"), ("@slow", "@connection")
        spec = CommandSpec(
            f"command|{name}", arity, "server", summary, flags, categories, since=since, session_handler=handler
        )
        return name.encode(), spec

    return CommandSpec(
        "command",
        -1,
        "server",
        "Describe the commands",
        ("loading", "stale"),
        ("@slow", "@connection"),
        since="2.8.13",
        session_handler=lambda port, argv: [describe(spec) for spec in table.values()],
        subcommands=dict(
            (
                sub("count", 2, "2.8.13", "Count the commands", lambda port, argv: len(table)),
                sub("docs", -2, "7.0.0", "Documentation", lambda port, argv: _docs(table, argv[2:])),
                sub("getkeys", -3, "2.8.13", "Keys of a command", lambda port, argv: _keys(table, argv[2:])),
                sub("info", -2, "2.8.13", "Properties", lambda port, argv: _infos(table, argv[2:])),
                sub("list", -2, "7.0.0", "Names", lambda port, argv: _names(table, argv[2:])),
            )
        ),
    )


def describe(spec: CommandSpec) -> Reply:
    """Return one entry of COMMAND INFO: name, arity, flags, key positions, categories, tips, key specs, subcommands."""
    return [
        spec.name.encode(),
        spec.arity,
        SetReply(tuple(Simple(flag.encode()) for flag in spec.flags)),
        spec.keys.first,
        spec.keys.last,
        spec.keys.step,
        SetReply(tuple(Simple(category.encode()) for category in spec.categories)),
        [],
        _key_specs(spec),
        [describe(sub) for sub in spec.subcommands.values()],
    ]


def _key_specs(spec: CommandSpec) -> Reply:
    keys = spec.keys
    if keys.first == 0:
        return []
    last = keys.last - keys.first if keys.last > 0 else keys.last
    begin: Reply = {b"type": b"index", b"spec": {b"index": keys.first}}
    find: Reply = {b"type": b"range", b"spec": {b"lastkey": last, b"keystep": keys.step, b"limit": 0}}
    flags = SetReply((Simple(b"RW" if spec.is_write else b"RO"),))
    specs: list[Reply] = [MapReply(((b"flags", flags), (b"begin_search", begin), (b"find_keys", find)))]
    return specs


def _find(table: Table, name: bytes) -> CommandSpec | None:
    word, _, sub = name.decode("utf-8", "replace").lower().partition("|")
    spec = table.get(word)
    return spec.subcommands.get(sub.encode()) if spec is not None and sub else spec


def _infos(table: Table, names: list[bytes]) -> Reply:
    if not names:
        return [describe(spec) for spec in table.values()]
    found = [_find(table, name) for name in names]
    return [NIL_ARRAY if spec is None else describe(spec) for spec in found]


def _docs(table: Table, names: list[bytes]) -> Reply:
    found = list(table.values()) if not names else [spec for name in names if (spec := _find(table, name)) is not None]
    return MapReply(tuple((spec.name.encode(), _doc(spec)) for spec in found))


def _doc(spec: CommandSpec) -> Reply:
    pairs: list[tuple[Reply, Reply]] = [
        (b"summary", spec.summary.encode()),
        (b"since", spec.since.encode()),
        (b"group", spec.group.encode()),
        (b"complexity", spec.complexity.encode()),
    ]
    if spec.subcommands:
        subs = MapReply(tuple((sub.name.encode(), _doc(sub)) for sub in spec.subcommands.values()))
        pairs.append((b"subcommands", subs))
    return MapReply(tuple(pairs))


def _keys(table: Table, argv: list[bytes]) -> Reply:
    spec = _find(table, argv[0])
    if spec is not None and spec.subcommands and len(argv) > 1:
        spec = spec.subcommands.get(argv[1].lower())
    if spec is None:
        raise error("getkeys_unknown")
    if spec.keys.first == 0:
        raise error("no_keys")
    if len(argv) != spec.arity if spec.arity > 0 else len(argv) < -spec.arity:
        raise error("getkeys_arity")
    return keys_of(spec, argv)


def _names(table: Table, words: list[bytes]) -> Reply:
    if not words:
        return [name.encode() for name in table]
    if len(words) != 3 or words[0].upper() != b"FILTERBY":
        raise error("syntax")
    kind, wanted = words[1].upper(), words[2]
    if kind == b"MODULE":
        return []
    if kind == b"ACLCAT":
        category = "@" + wanted.decode("utf-8", "replace").lower()
        return [name.encode() for name, spec in table.items() if category in spec.categories]
    if kind == b"PATTERN":
        matches = compile_glob(wanted, ignore_case=True)
        return [name.encode() for name in table if matches(name.encode())]
    raise error("syntax")
