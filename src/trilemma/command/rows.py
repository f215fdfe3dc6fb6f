"""The rows of the command table: every command there is, in the order of docs/commands.md.

Arity, flags, categories, groups and versions are Redis 7.0's where Redis has the command. A row with neither handler is
driven by the node itself (node/*.py). Rows of containers carry their subcommands. What becomes of the keys stands in
key_spec.py, tips and complexity in documentation.py.
"""

from trilemma.command import client, connection, expiry, generic, lcs, server, string
from trilemma.command.row import container, data, node
from trilemma.command.spec import ALL_KEYS, ONE_KEY, PAIRS, TWO_KEYS, Keys

THIRD = Keys(2, 2, 1)

ADMIN = "admin noscript loading stale"
CLIENT = "noscript loading stale @connection"
CLIENTS = f"{ADMIN} @connection"
UNPROVEN = f"{CLIENT} fast no_auth allow_busy"
"""May be sent before AUTH."""
AT_ONCE = "loading stale fast @connection"
QUEUING = "noscript loading stale allow_busy fast @transaction"
EXECUTING = "noscript loading stale skip_slowlog @transaction"


STRINGS = (
    data("append", 3, "string", "write denyoom fast", ONE_KEY, "2.0.0", string.append, "Append to a string"),
    data("decr", 2, "string", "write denyoom fast", ONE_KEY, "1.0.0", string.decr, "Subtract one from a number"),
    data("decrby", 3, "string", "write denyoom fast", ONE_KEY, "1.0.0", string.decrby, "Subtract from a number"),
    data("get", 2, "string", "readonly fast", ONE_KEY, "1.0.0", string.get, "Return a string"),
    data("getdel", 2, "string", "write fast", ONE_KEY, "6.2.0", string.getdel, "Return a string and delete the key"),
    data("getex", -2, "string", "write fast", ONE_KEY, "6.2.0", string.getex, "Return a string, change its deadline"),
    data("getrange", 4, "string", "readonly", ONE_KEY, "2.4.0", string.getrange, "Return a part of a string"),
    data("getset", 3, "string", "write denyoom fast", ONE_KEY, "1.0.0", string.getset, "Set, return the old string"),
    data("incr", 2, "string", "write denyoom fast", ONE_KEY, "1.0.0", string.incr, "Add one to a number"),
    data("incrby", 3, "string", "write denyoom fast", ONE_KEY, "1.0.0", string.incrby, "Add to a number"),
    data("incrbyfloat", 3, "string", "write denyoom fast", ONE_KEY, "2.6.0", string.incrbyfloat, "Add a decimal"),
    data("lcs", -3, "string", "readonly", TWO_KEYS, "7.0.0", lcs.lcs, "Longest common subsequence of two strings"),
    data("mget", -2, "string", "readonly fast", ALL_KEYS, "1.0.0", string.mget, "Return several strings"),
    data("mset", -3, "string", "write denyoom", PAIRS, "1.0.1", string.mset, "Set several strings at once"),
    data("msetnx", -3, "string", "write denyoom", PAIRS, "1.0.1", string.msetnx, "Set several, if none is there"),
    data("psetex", 4, "string", "write denyoom", ONE_KEY, "2.6.0", string.psetex, "Set with a time to live in ms"),
    data("set", -3, "string", "write denyoom", ONE_KEY, "1.0.0", string.set_, "Set a string"),
    data("setex", 4, "string", "write denyoom", ONE_KEY, "2.0.0", string.setex, "Set with a time to live in s"),
    data("setnx", 3, "string", "write denyoom fast", ONE_KEY, "1.0.0", string.setnx, "Set, if the key is not there"),
    data("setrange", 4, "string", "write denyoom", ONE_KEY, "2.2.0", string.setrange, "Overwrite a part of a string"),
    data("strlen", 2, "string", "readonly fast", ONE_KEY, "2.2.0", string.strlen, "Return the length of a string"),
    data("substr", 4, "string", "readonly", ONE_KEY, "1.0.0", string.getrange, "Return a part of a string"),
)

KEYS = (
    data("copy", -3, "generic", "write denyoom", TWO_KEYS, "6.2.0", generic.copy, "Copy a key"),
    data("del", -2, "generic", "write", ALL_KEYS, "1.0.0", generic.del_, "Delete keys"),
    data("exists", -2, "generic", "readonly fast", ALL_KEYS, "1.0.0", generic.exists, "Count the keys that are there"),
    data("expire", -3, "generic", "write fast", ONE_KEY, "1.0.0", expiry.expire, "Set a time to live in s"),
    data("expireat", -3, "generic", "write fast", ONE_KEY, "1.2.0", expiry.expireat, "Set a deadline in s"),
    data("expiretime", 2, "generic", "readonly fast", ONE_KEY, "7.0.0", expiry.expiretime, "Return the deadline in s"),
    container(
        "object",
        -2,
        "generic",
        "2.2.3",
        "Look into a key",
        data(
            "object|encoding", 3, "generic", "readonly", THIRD, "2.2.3", generic.object_encoding, "Encoding of a value"
        ),
        data("object|freq", 3, "generic", "readonly", THIRD, "4.0.0", generic.object_freq, "How often it is read"),
        data(
            "object|idletime", 3, "generic", "readonly", THIRD, "2.2.3", generic.object_idletime, "Idle time: always 0"
        ),
        data(
            "object|refcount", 3, "generic", "readonly", THIRD, "2.2.3", generic.object_refcount, "References: always 1"
        ),
    ),
    data("persist", 2, "generic", "write fast", ONE_KEY, "2.2.0", expiry.persist, "Take the deadline away"),
    data("pexpire", -3, "generic", "write fast", ONE_KEY, "2.6.0", expiry.pexpire, "Set a time to live in ms"),
    data("pexpireat", -3, "generic", "write fast", ONE_KEY, "2.6.0", expiry.pexpireat, "Set a deadline in ms"),
    data("pexpiretime", 2, "generic", "readonly fast", ONE_KEY, "7.0.0", expiry.pexpiretime, "The deadline in ms"),
    data("pttl", 2, "generic", "readonly fast", ONE_KEY, "2.6.0", expiry.pttl, "Return the time to live in ms"),
    data("rename", 3, "generic", "write", TWO_KEYS, "1.0.0", generic.rename, "Rename a key"),
    data("renamenx", 3, "generic", "write fast", TWO_KEYS, "1.0.0", generic.renamenx, "Rename, if the name is free"),
    data("touch", -2, "generic", "readonly fast", ALL_KEYS, "3.2.1", generic.exists, "Count the keys that are there"),
    data("ttl", 2, "generic", "readonly fast", ONE_KEY, "1.0.0", expiry.ttl, "Return the time to live in s"),
    data("type", 2, "generic", "readonly fast", ONE_KEY, "1.0.0", generic.type_, "Return a key's type"),
    data("unlink", -2, "generic", "write fast", ALL_KEYS, "4.0.0", generic.del_, "Delete keys"),
    node("keys", 2, "generic", "readonly @dangerous @keyspace", "1.0.0", "List the keys that match a pattern"),
    node("randomkey", 1, "generic", "readonly @keyspace", "1.0.0", "Return some key"),
    node("scan", -2, "generic", "readonly @keyspace", "2.8.0", "List the keys page by page"),
    node("dbsize", 1, "server", "readonly fast @keyspace", "1.0.0", "Count the keys of the db"),
    node("flushall", -1, "server", "write @dangerous @keyspace", "1.0.0", "Delete all keys of all dbs"),
    node("flushdb", -1, "server", "write @dangerous @keyspace", "1.0.0", "Delete all keys of the db"),
)

TRANSACTIONS = (
    node("discard", 1, "transactions", QUEUING, "2.0.0", "Forget the queued commands"),
    node("exec", 1, "transactions", EXECUTING, "1.2.0", "Execute the queued commands as one"),
    node("multi", 1, "transactions", QUEUING, "1.2.0", "Begin to queue commands"),
    node("unwatch", 1, "transactions", QUEUING, "2.2.0", "Forget the watched keys"),
    node("watch", -2, "transactions", QUEUING, "2.2.0", "Have EXEC fail if keys change", keys=ALL_KEYS),
)

CONNECTION = (
    node("auth", -2, "connection", UNPROVEN, "1.0.0", "Prove oneself by the password", connection.auth),
    container(
        "client",
        -2,
        "connection",
        "2.4.0",
        "Clients of this node",
        node("client|getname", 2, "connection", CLIENT, "2.6.9", "The connection's name", client.client_getname),
        node("client|id", 2, "connection", CLIENT, "5.0.0", "This connection's id", client.client_id),
        node("client|info", 2, "connection", CLIENT, "6.2.0", "This connection's line of LIST", client.client_info),
        node("client|kill", -3, "connection", CLIENTS, "2.4.0", "Close connections", client.client_kill),
        node("client|list", -2, "connection", CLIENTS, "2.4.0", "List the connections", client.client_list),
        node("client|no-evict", 3, "connection", CLIENTS, "7.0.0", "Accepted: none is evicted", client.client_no_evict),
        node("client|setinfo", 4, "connection", CLIENT, "7.2.0", "Tell the library's name", client.client_setinfo),
        node("client|setname", 3, "connection", CLIENT, "2.6.9", "Name this connection", client.client_setname),
    ),
    node("echo", 2, "connection", AT_ONCE, "1.0.0", "Return the argument", connection.echo),
    node("hello", -1, "connection", UNPROVEN, "6.0.0", "Choose RESP2 or RESP3; log in", connection.hello),
    node("ping", -1, "connection", "fast @connection", "1.0.0", "Return PONG or the argument", connection.ping),
    node("quit", -1, "connection", UNPROVEN, "1.0.0", "Close the connection", connection.quit_),
    node("reset", 1, "connection", UNPROVEN, "6.2.0", "Make the connection as if it were new", connection.reset),
    node("select", 2, "connection", AT_ONCE, "1.0.0", "Choose the db, 0 to 15", connection.select),
)

SERVER = (
    container(
        "config",
        -2,
        "server",
        "2.0.0",
        "Options of this node",
        node("config|get", -3, "server", ADMIN, "2.0.0", "Return options of this node", server.config_get),
        node("config|resetstat", 2, "server", ADMIN, "2.0.0", "Zero INFO's counters", server.config_resetstat),
        node("config|rewrite", 2, "server", ADMIN, "2.8.0", "Write changed options into the TOML file"),
        node("config|set", -4, "server", ADMIN, "2.0.0", "Change options of this node", server.config_set),
    ),
    node("debug", -2, "server", ADMIN, "1.0.0", "Tools for testing clients: SLEEP seconds"),
    container(
        "function",
        -2,
        "scripting",
        "7.0.0",
        "Functions of the server, of which there are none",
        node(
            "function|flush",
            -2,
            "scripting",
            "noscript write @scripting",
            "7.0.0",
            "Delete functions",
            server.function_flush,
        ),
    ),
    node("info", -1, "server", "loading stale @dangerous", "1.0.0", "State and statistics", server.info),
    container(
        "script",
        -2,
        "scripting",
        "2.6.0",
        "Scripts, of which there are none",
        node(
            "script|flush", -2, "scripting", "noscript @scripting", "2.6.0", "Delete all scripts", server.script_flush
        ),
    ),
    node("monitor", 1, "server", "admin noscript loading stale", "1.0.0", "Show what clients send"),
    node("shutdown", -1, "server", "admin noscript loading stale no_multi allow_busy", "1.0.0", "Hand over and stop"),
    node("time", 1, "server", "loading stale fast", "2.6.0", "Return the wall clock", server.time_),
)

CLUSTER = (
    container(
        "cluster",
        -2,
        "cluster",
        "3.0.0",
        "What Redis Cluster's clients ask",
        node("cluster|info", 2, "cluster", "stale", "3.0.0", "Whether this node serves all", server.cluster_info),
        node("cluster|keyslot", 3, "cluster", "stale", "3.0.0", "Hash slot of a key", server.cluster_keyslot),
    ),
    node("readonly", 1, "cluster", AT_ONCE, "3.0.0", "Let this connection's cp reads be stale", connection.readonly),
    node("readwrite", 1, "cluster", AT_ONCE, "3.0.0", "Take READONLY back", connection.readwrite),
    node("wait", 3, "generic", "noscript @connection", "3.0.0", "Wait until replicas hold the last write"),
)

TRILEMMA = (
    container(
        "cap",
        -2,
        "trilemma",
        "0.1.0",
        "What was promised and what is held",
        node("cap|conflicts", -3, "trilemma", "readonly @trilemma", "0.1.0", "What became hidden when a cut healed"),
        node("cap|digest", -2, "trilemma", "readonly @trilemma", "0.1.0", "What each replica here holds"),
        node("cap|explain", -3, "trilemma", "@trilemma", "0.1.0", "A command's reply with its receipt"),
        node("cap|once", -4, "trilemma", "write @trilemma", "0.1.0", "Execute a command at most once per token"),
        node("cap|siblings", 3, "trilemma", "readonly @trilemma", "0.1.0", "All values of a key: not built yet"),
        node("cap|token", 2, "trilemma", "readonly fast @trilemma", "0.1.0", "What this session has seen"),
        node("cap|wait", -3, "trilemma", "@trilemma", "0.1.0", "Wait until this node has seen a token"),
    ),
    container(
        "keyspace",
        -2,
        "trilemma",
        "0.1.0",
        "Keyspaces and their promises",
        node("keyspace|alter", -3, "trilemma", "admin @trilemma", "0.1.0", "Change settings"),
        node("keyspace|create", -3, "trilemma", "admin @trilemma", "0.1.0", "Make a keyspace"),
        node("keyspace|drop", 3, "trilemma", "admin @trilemma", "0.1.0", "Delete a keyspace and its keys"),
        node("keyspace|info", 3, "trilemma", "@trilemma", "0.1.0", "Settings and leaders of a keyspace"),
        node("keyspace|lead", 4, "trilemma", "admin @trilemma", "0.1.0", "Have a node lead a keyspace"),
        node("keyspace|list", 2, "trilemma", "@trilemma", "0.1.0", "Name all keyspaces"),
    ),
    node("lab", -2, "trilemma", "admin @trilemma", "0.1.0", "Cut, slow and heal links between nodes"),
)

ROWS = (*STRINGS, *KEYS, *TRANSACTIONS, *CONNECTION, *SERVER, *CLUSTER, *TRILEMMA)
