"""What COMMAND tells beyond the table's rows: tips for clients and proxies, complexity, what is deprecated.

Tips and complexity are Redis 7.0's where Redis has the command, but for OWN_COMPLEXITY.
"""

TIPS = {
    "request_policy:multi_shard": "mget",
    "request_policy:multi_shard response_policy:all_succeeded": "mset",
    "request_policy:multi_shard response_policy:agg_min": "msetnx",
    "request_policy:multi_shard response_policy:agg_sum": "del exists touch unlink",
    "request_policy:all_shards response_policy:agg_sum": "dbsize",
    "request_policy:all_shards response_policy:agg_min": "wait",
    "request_policy:all_shards response_policy:all_succeeded": "flushall flushdb function|flush ping",
    "request_policy:all_nodes response_policy:all_succeeded": "config|set script|flush",
    "request_policy:all_shards nondeterministic_output": "randomkey",
    "request_policy:all_shards nondeterministic_output_order": "keys",
    "nondeterministic_output request_policy:special": "scan",
    "nondeterministic_output request_policy:all_shards response_policy:special": "info",
    "nondeterministic_output": "client|info client|list cluster|info object|encoding object|freq object|idletime "
    "object|refcount pttl time ttl",
    "nondeterministic_output_order": "command command|docs command|info command|list",
}
"""The commands by their tips."""

CONSTANT = "O(1)"

COMPLEXITY = {
    "Depends on subcommand.": "cap client cluster config debug function keyspace object script",
    "Depends on commands in the transaction": "exec",
    "O(1) for every key.": "watch",
    "O(N) where N is the length of the written string": "append setrange",
    "O(N) where N is the length of the returned string": "getrange substr",
    "O(N) where N is the length of the copied string": "copy",
    "O(N*M) where N and M are the lengths of s1 and s2, respectively": "lcs",
    "O(N) where N is the number of keys to retrieve.": "mget",
    "O(N) where N is the number of keys to set.": "mset msetnx",
    "O(N) where N is the number of keys that will be removed.": "del unlink",
    "O(N) where N is the number of keys to check.": "exists",
    "O(N) where N is the number of keys that will be touched.": "touch",
    "O(N) with N being the number of keys in the database, under the assumption that the key names in the database "
    "and the given pattern have limited length.": "keys",
    "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back "
    "to 0. N is the number of elements inside the collection.": "scan",
    "O(N) where N is the total number of keys in all databases": "flushall",
    "O(N) where N is the number of keys in the selected database": "flushdb",
    "O(N), when N is the number of queued commands": "discard",
    "O(N) where N is the number of passwords defined for the user": "auth",
    "O(N) where N is the number of client connections": "client|kill client|list",
    "O(N) when N is the number of configuration parameters provided": "config|get config|set",
    "O(N) where N is the number of functions deleted": "function|flush",
    "O(N) with N being the number of scripts in cache": "script|flush",
    "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)": (
        "shutdown"
    ),
    "O(N) where N is the number of bytes in the key": "cluster|keyslot",
    "O(N) where N is the total number of Redis commands": "command command|list",
    "O(N) where N is the number of commands to look up": "command|docs command|info",
    "O(N) where N is the number of arguments to the command": "command|getkeys",
}
"""The commands by their complexity; the others are constant."""

OWN_COMPLEXITY = frozenset({"append", "copy", "del", "getrange", "monitor", "setrange", "substr", "unlink"})
"""Commands whose complexity is in our words: Redis' are about its own memory or about collections."""

DEPRECATED = {"getset": ("6.2.0", "`SET` with the `!GET` argument"), "substr": ("2.0.0", "`GETRANGE`")}
"""Since when, and what replaces it."""

SYSTEM_COMMANDS = frozenset({"debug"})
"""Commands that are no part of what a client programs against."""

_TIPS_BY_NAME = {name: tuple(tips.split()) for tips, names in TIPS.items() for name in names.split()}
_COMPLEXITY_BY_NAME = {name: text for text, names in COMPLEXITY.items() for name in names.split()}


def tips_of(name: str) -> tuple[str, ...]:
    """Return the tips of a command, in Redis' order; often none."""
    return _TIPS_BY_NAME.get(name, ())


def complexity_of(name: str) -> str:
    """Return the complexity of a command."""
    return _COMPLEXITY_BY_NAME.get(name, CONSTANT)
