"""How a row of the command table becomes a spec. A row's words are flags; those that begin with @ are ACL categories.

Flags imply most categories, as in Redis (setImplicitACLCategories of server.c, 7.0), so that rows name only the others.
"""

from trilemma.command.spec import NO_KEYS, CommandSpec, DataHandler, Keys, SessionHandler

_IMPLIED = {"write": ("@write",), "readonly": ("@read",), "admin": ("@admin", "@dangerous"), "fast": ("@fast",)}


def data(
    name: str, arity: int, group: str, words: str, keys: Keys, since: str, handler: DataHandler, summary: str
) -> CommandSpec:
    """Return the row of a command that a shard executes."""
    area = "string" if group == "string" else "keyspace"
    flags, categories = _split(f"{words} @{area}")
    return CommandSpec(name, arity, group, summary, flags, categories, keys, since, handler=handler)


def node(
    name: str,
    arity: int,
    group: str,
    words: str,
    since: str,
    summary: str,
    handler: SessionHandler | None = None,
    keys: Keys = NO_KEYS,
) -> CommandSpec:
    """Return the row of a command that its session answers, or that the node drives where there is no handler."""
    flags, categories = _split(words)
    return CommandSpec(name, arity, group, summary, flags, categories, keys, since, session_handler=handler)


def container(
    name: str,
    arity: int,
    group: str,
    since: str,
    summary: str,
    *subcommands: CommandSpec,
    words: str = "",
    handler: SessionHandler | None = None,
) -> CommandSpec:
    """Return the row of a command with subcommands; the handler answers it where none is named."""
    by_word = {one.name.partition("|")[2].encode(): one for one in subcommands}
    flags, categories = _split(words)
    return CommandSpec(
        name, arity, group, summary, flags, categories, NO_KEYS, since, session_handler=handler, subcommands=by_word
    )


def _split(words: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a row's flags and all its categories, each once."""
    flags = tuple(word for word in words.split() if not word.startswith("@"))
    categories = [word for word in words.split() if word.startswith("@")]
    categories += [category for flag in flags for category in _IMPLIED.get(flag, ())]
    categories += [] if "fast" in flags else ["@slow"]
    return flags, tuple(dict.fromkeys(categories))
