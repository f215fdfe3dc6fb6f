"""The rows of the command table: every command there is, in the order of docs/commands.md.

Arity, flags, categories and versions are Redis 7.0's where Redis has the command. A row with neither handler is driven
by the node itself (node/*.py). Rows of containers carry their subcommands.
"""

from trilemma.command import client, connection, expiry, generic, lcs, server, string
from trilemma.command.spec import ALL_KEYS, NO_KEYS, ONE_KEY, PAIRS, TWO_KEYS, CommandSpec, DataHandler, Keys
from trilemma.command.spec import SessionHandler as Session

THIRD = Keys(2, 2, 1)


def _data(
    name: str, arity: int, group: str, flags: str, keys: Keys, since: str, handler: DataHandler, summary: str
) -> CommandSpec:
    words = tuple(flags.split())
    kind = "write" if "write" in words else "read"
    pace = "fast" if "fast" in words else "slow"
    area = "string" if group == "string" else "keyspace"
    return CommandSpec(
        name, arity, group, summary, words, (f"@{kind}", f"@{area}", f"@{pace}"), keys, since, handler=handler
    )


def _node(
    name: str,
    arity: int,
    group: str,
    flags: str,
    since: str,
    summary: str,
    handler: Session | None = None,
    keys: Keys = NO_KEYS,
) -> CommandSpec:
    words = tuple(flags.split())
    categories = tuple(f"@{word}" for word in ("admin", "dangerous", "fast", "slow") if word in words)
    shown = tuple(word for word in words if word not in ("dangerous", "slow"))
    return CommandSpec(
        name, arity, group, summary, shown, (*categories, f"@{group}"), keys, since, session_handler=handler
    )


def _container(name: str, arity: int, group: str, since: str, summary: str, *subcommands: CommandSpec) -> CommandSpec:
    by_word = {one.name.partition("|")[2].encode(): one for one in subcommands}
    return CommandSpec(name, arity, group, summary, (), ("@slow",), NO_KEYS, since, subcommands=by_word)


STRINGS = (
    _data("append", 3, "string", "write denyoom fast", ONE_KEY, "2.0.0", string.append, "Append to a string"),
    _data("decr", 2, "string", "write denyoom fast", ONE_KEY, "1.0.0", string.decr, "Subtract one from a number"),
    _data("decrby", 3, "string", "write denyoom fast", ONE_KEY, "1.0.0", string.decrby, "Subtract from a number"),
    _data("get", 2, "string", "readonly fast", ONE_KEY, "1.0.0", string.get, "Return a string"),
    _data("getdel", 2, "string", "write fast", ONE_KEY, "6.2.0", string.getdel, "Return a string and delete the key"),
    _data("getex", -2, "string", "write fast", ONE_KEY, "6.2.0", string.getex, "Return a string, change its deadline"),
    _data("getrange", 4, "string", "readonly", ONE_KEY, "2.4.0", string.getrange, "Return a part of a string"),
    _data("getset", 3, "string", "write denyoom fast", ONE_KEY, "1.0.0", string.getset, "Set, return the old string"),
    _data("incr", 2, "string", "write denyoom fast", ONE_KEY, "1.0.0", string.incr, "Add one to a number"),
    _data("incrby", 3, "string", "write denyoom fast", ONE_KEY, "1.0.0", string.incrby, "Add to a number"),
    _data("incrbyfloat", 3, "string", "write denyoom fast", ONE_KEY, "2.6.0", string.incrbyfloat, "Add a decimal"),
    _data("lcs", -3, "string", "readonly", TWO_KEYS, "7.0.0", lcs.lcs, "Longest common subsequence of two strings"),
    _data("mget", -2, "string", "readonly fast", ALL_KEYS, "1.0.0", string.mget, "Return several strings"),
    _data("mset", -3, "string", "write denyoom", PAIRS, "1.0.1", string.mset, "Set several strings at once"),
    _data("msetnx", -3, "string", "write denyoom", PAIRS, "1.0.1", string.msetnx, "Set several, if none is there"),
    _data("psetex", 4, "string", "write denyoom", ONE_KEY, "2.6.0", string.psetex, "Set with a time to live in ms"),
    _data("set", -3, "string", "write denyoom", ONE_KEY, "1.0.0", string.set_, "Set a string"),
    _data("setex", 4, "string", "write denyoom", ONE_KEY, "2.0.0", string.setex, "Set with a time to live in s"),
    _data("setnx", 3, "string", "write denyoom fast", ONE_KEY, "1.0.0", string.setnx, "Set, if the key is not there"),
    _data("setrange", 4, "string", "write denyoom", ONE_KEY, "2.2.0", string.setrange, "Overwrite a part of a string"),
    _data("strlen", 2, "string", "readonly fast", ONE_KEY, "2.2.0", string.strlen, "Return the length of a string"),
    _data("substr", 4, "string", "readonly", ONE_KEY, "1.0.0", string.getrange, "Return a part of a string"),
)

KEYS = (
    _data("copy", -3, "generic", "write denyoom", TWO_KEYS, "6.2.0", generic.copy, "Copy a key"),
    _data("del", -2, "generic", "write", ALL_KEYS, "1.0.0", generic.del_, "Delete keys"),
    _data("exists", -2, "generic", "readonly fast", ALL_KEYS, "1.0.0", generic.exists, "Count the keys that are there"),
    _data("expire", -3, "generic", "write fast", ONE_KEY, "1.0.0", expiry.expire, "Set a time to live in s"),
    _data("expireat", -3, "generic", "write fast", ONE_KEY, "1.2.0", expiry.expireat, "Set a deadline in s"),
    _data("expiretime", 2, "generic", "readonly fast", ONE_KEY, "7.0.0", expiry.expiretime, "Return the deadline in s"),
    _container(
        "object",
        -2,
        "generic",
        "2.2.3",
        "Look into a key",
        _data("object|encoding", 3, "generic", "readonly", THIRD, "2.2.3", generic.object_encoding, "Its encoding"),
        _data("object|freq", 3, "generic", "readonly", THIRD, "4.0.0", generic.object_freq, "How often it is read"),
        _data("object|idletime", 3, "generic", "readonly", THIRD, "2.2.3", generic.object_idletime, "Time since use"),
        _data("object|refcount", 3, "generic", "readonly", THIRD, "2.2.3", generic.object_refcount, "References to it"),
    ),
    _data("persist", 2, "generic", "write fast", ONE_KEY, "2.2.0", expiry.persist, "Take the deadline away"),
    _data("pexpire", -3, "generic", "write fast", ONE_KEY, "2.6.0", expiry.pexpire, "Set a time to live in ms"),
    _data("pexpireat", -3, "generic", "write fast", ONE_KEY, "2.6.0", expiry.pexpireat, "Set a deadline in ms"),
    _data("pexpiretime", 2, "generic", "readonly fast", ONE_KEY, "7.0.0", expiry.pexpiretime, "The deadline in ms"),
    _data("pttl", 2, "generic", "readonly fast", ONE_KEY, "2.6.0", expiry.pttl, "Return the time to live in ms"),
    _data("rename", 3, "generic", "write", TWO_KEYS, "1.0.0", generic.rename, "Rename a key"),
    _data("renamenx", 3, "generic", "write fast", TWO_KEYS, "1.0.0", generic.renamenx, "Rename, if the name is free"),
    _data("touch", -2, "generic", "readonly fast", ALL_KEYS, "3.2.1", generic.exists, "Count the keys that are there"),
    _data("ttl", 2, "generic", "readonly fast", ONE_KEY, "1.0.0", expiry.ttl, "Return the time to live in s"),
    _data("type", 2, "generic", "readonly fast", ONE_KEY, "1.0.0", generic.type_, "Return a key's type"),
    _data("unlink", -2, "generic", "write fast", ALL_KEYS, "4.0.0", generic.del_, "Delete keys"),
    _node("keys", 2, "keyspace", "readonly dangerous slow", "1.0.0", "List the keys that match a pattern"),
    _node("randomkey", 1, "keyspace", "readonly slow", "1.0.0", "Return some key"),
    _node("scan", -2, "keyspace", "readonly slow", "2.8.0", "List the keys page by page"),
    _node("dbsize", 1, "keyspace", "readonly fast", "1.0.0", "Count the keys of the db"),
    _node("flushall", -1, "keyspace", "write dangerous slow", "1.0.0", "Delete all keys of all dbs"),
    _node("flushdb", -1, "keyspace", "write dangerous slow", "1.0.0", "Delete all keys of the db"),
)

TRANSACTIONS = (
    _node("discard", 1, "transaction", "noscript loading stale fast", "2.0.0", "Forget the queued commands"),
    _node("exec", 1, "transaction", "noscript loading stale slow", "1.2.0", "Execute the queued commands as one"),
    _node("multi", 1, "transaction", "noscript loading stale fast", "1.2.0", "Begin to queue commands"),
    _node("unwatch", 1, "transaction", "noscript loading stale fast", "2.2.0", "Forget the watched keys"),
    _node(
        "watch",
        -2,
        "transaction",
        "noscript loading stale fast",
        "2.2.0",
        "Have EXEC fail if keys change",
        None,
        ALL_KEYS,
    ),
)

CONNECTION = (
    _node("auth", -2, "connection", "noscript loading stale fast no_auth", "1.0.0", "Log in", connection.auth),
    _container(
        "client",
        -2,
        "connection",
        "2.4.0",
        "Clients of this node",
        _node("client|getname", 2, "connection", "noscript slow", "2.6.9", "Its name", client.client_getname),
        _node("client|id", 2, "connection", "noscript slow", "5.0.0", "This connection's id", client.client_id),
        _node("client|info", 2, "connection", "noscript slow", "6.2.0", "This connection's line", client.client_info),
        _node("client|kill", -3, "connection", "admin noscript dangerous slow", "2.4.0", "Close", client.client_kill),
        _node("client|list", -2, "connection", "admin noscript dangerous slow", "2.4.0", "All", client.client_list),
        _node("client|no-evict", 3, "connection", "admin noscript slow", "7.0.0", "Keep", client.client_no_evict),
        _node("client|setinfo", 4, "connection", "noscript slow", "7.2.0", "Name the library", client.client_setinfo),
        _node("client|setname", 3, "connection", "noscript slow", "2.6.9", "Name it", client.client_setname),
    ),
    _node("echo", 2, "connection", "loading stale fast", "1.0.0", "Return the argument", connection.echo),
    _node("hello", -1, "connection", "noscript loading stale fast no_auth", "6.0.0", "Choose RESP", connection.hello),
    _node("ping", -1, "connection", "fast", "1.0.0", "Return PONG or the argument", connection.ping),
    _node("quit", -1, "connection", "noscript loading stale fast no_auth", "1.0.0", "Close", connection.quit_),
    _node("reset", 1, "connection", "noscript loading stale fast no_auth", "6.2.0", "Begin anew", connection.reset),
    _node("select", 2, "connection", "loading stale fast", "1.0.0", "Choose the db, 0 to 15", connection.select),
)

SERVER = (
    _container(
        "config",
        -2,
        "server",
        "2.0.0",
        "Options of this node",
        _node("config|get", -3, "server", "admin noscript dangerous slow", "2.0.0", "Options", server.config_get),
        _node("config|resetstat", 2, "server", "admin noscript slow", "2.0.0", "Zero", server.config_resetstat),
        _node("config|rewrite", 2, "server", "admin noscript slow", "2.8.0", "Keep"),
        _node("config|set", -4, "server", "admin noscript dangerous slow", "2.0.0", "Change", server.config_set),
    ),
    _container(
        "debug",
        -2,
        "server",
        "1.0.0",
        "Tools for testing clients",
        _node("debug|sleep", 3, "server", "admin noscript dangerous slow", "1.0.0", "Answer after some seconds"),
    ),
    _container(
        "function",
        -2,
        "scripting",
        "7.0.0",
        "Functions of the server, of which there are none",
        _node("function|flush", -2, "scripting", "noscript write slow", "7.0.0", "Delete all", server.flush_code),
    ),
    _node("info", -1, "server", "loading stale dangerous slow", "1.0.0", "State and statistics", server.info),
    _container(
        "script",
        -2,
        "scripting",
        "2.6.0",
        "Scripts, of which there are none",
        _node("script|flush", -2, "scripting", "noscript slow", "2.6.0", "Delete all", server.flush_code),
    ),
    _node("monitor", 1, "server", "admin noscript loading stale dangerous slow", "1.0.0", "Show what clients send"),
    _node("shutdown", -1, "server", "admin noscript loading stale dangerous slow", "1.0.0", "Hand over and stop"),
    _node("time", 1, "server", "loading stale fast", "2.6.0", "Return the wall clock", server.time_),
)

CLUSTER = (
    _container(
        "cluster",
        -2,
        "cluster",
        "3.0.0",
        "What Redis Cluster's clients ask",
        _node("cluster|info", 2, "cluster", "stale slow", "3.0.0", "State of the cluster", server.cluster_info),
        _node("cluster|keyslot", 3, "cluster", "stale slow", "3.0.0", "Slot of a key", server.cluster_keyslot),
    ),
    _node("readonly", 1, "cluster", "loading stale fast", "3.0.0", "Allow stale reads here", connection.readonly),
    _node("readwrite", 1, "cluster", "loading stale fast", "3.0.0", "Allow them no more", connection.readwrite),
    _node("wait", 3, "cluster", "noscript slow", "3.0.0", "Wait until replicas hold the last write"),
)

TRILEMMA = (
    _container(
        "cap",
        -2,
        "trilemma",
        "0.1.0",
        "What was promised and what is held",
        _node("cap|conflicts", -3, "trilemma", "readonly slow", "0.1.0", "What became hidden when a cut healed"),
        _node("cap|digest", -2, "trilemma", "readonly slow", "0.1.0", "What each replica here holds"),
        _node("cap|explain", -3, "trilemma", "slow", "0.1.0", "A command's reply with its receipt"),
        _node("cap|once", -4, "trilemma", "write slow", "0.1.0", "Execute a command at most once per token"),
        _node("cap|token", 2, "trilemma", "readonly fast", "0.1.0", "What this session has seen"),
        _node("cap|wait", -3, "trilemma", "slow", "0.1.0", "Wait until this node has seen a token"),
    ),
    _container(
        "keyspace",
        -2,
        "trilemma",
        "0.1.0",
        "Keyspaces and their promises",
        _node("keyspace|alter", -3, "trilemma", "admin slow", "0.1.0", "Change settings"),
        _node("keyspace|create", -3, "trilemma", "admin slow", "0.1.0", "Make a keyspace"),
        _node("keyspace|drop", 3, "trilemma", "admin dangerous slow", "0.1.0", "Delete a keyspace and its keys"),
        _node("keyspace|info", 3, "trilemma", "slow", "0.1.0", "Settings and leaders of a keyspace"),
        _node("keyspace|lead", 4, "trilemma", "admin slow", "0.1.0", "Have a node lead a keyspace"),
        _node("keyspace|list", 2, "trilemma", "slow", "0.1.0", "Name all keyspaces"),
    ),
    _node("lab", -2, "trilemma", "admin dangerous slow", "0.1.0", "Cut, slow and heal links between nodes"),
)

ROWS = (*STRINGS, *KEYS, *TRANSACTIONS, *CONNECTION, *SERVER, *CLUSTER, *TRILEMMA)
