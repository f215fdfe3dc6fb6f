"""The arguments of each command as people write them, for HELP, COMMAND DOCS (redis-cli's hints) and docs/commands.md.

[optional], (group), one|other, repeated...; words in capitals are tokens, and a token that something follows belongs to
it. The type of an argument stands behind a colon where its name does not tell it. argument.py makes the reply of it.
Redis 7.0's where Redis has the command.
"""

import re

_UNTIL = "EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds"
_WHEN = "[NX|XX|GT|LT]"
_HOW = "[ASYNC|SYNC]"
_QUORUMS = "[WRITE majority/all/count] [READ linearizable/lease/local/majority/all/count]"
_SETTINGS = f"{_QUORUMS} [DURABILITY sync/everysec] [TIMEOUT milliseconds]"

USAGE = {
    "append": "key value",
    "decr": "key",
    "decrby": "key decrement",
    "get": "key",
    "getdel": "key",
    "getex": f"key [{_UNTIL}|PERSIST]",
    "getrange": "key start end",
    "getset": "key value",
    "incr": "key",
    "incrby": "key increment",
    "incrbyfloat": "key increment:double",
    "lcs": "key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]",
    "mget": "key...",
    "mset": "(key value)...",
    "msetnx": "(key value)...",
    "psetex": "key milliseconds value",
    "set": f"key value [NX|XX] [GET] [{_UNTIL}|KEEPTTL]",
    "setex": "key seconds value",
    "setnx": "key value",
    "setrange": "key offset value",
    "strlen": "key",
    "substr": "key start end",
    "copy": "source destination [DB destination-db] [REPLACE]",
    "del": "key...",
    "exists": "key...",
    "expire": f"key seconds {_WHEN}",
    "expireat": f"key unix-time-seconds {_WHEN}",
    "expiretime": "key",
    "object|encoding": "key",
    "object|freq": "key",
    "object|idletime": "key",
    "object|refcount": "key",
    "persist": "key",
    "pexpire": f"key milliseconds {_WHEN}",
    "pexpireat": f"key unix-time-milliseconds {_WHEN}",
    "pexpiretime": "key",
    "pttl": "key",
    "rename": "key newkey",
    "renamenx": "key newkey",
    "touch": "key...",
    "ttl": "key",
    "type": "key",
    "unlink": "key...",
    "keys": "pattern",
    "scan": "cursor [MATCH pattern] [COUNT count] [TYPE type]",
    "flushall": _HOW,
    "flushdb": _HOW,
    "watch": "key...",
    "auth": "[username] password",
    "client|kill": "(ip:port:string|([ID client-id]|[TYPE (NORMAL|MASTER|SLAVE|REPLICA|PUBSUB)]|[USER username]|"
    "[ADDR ip:port:string]|[LADDR ip:port:string]|[SKIPME yes/no])...)",
    "client|list": "[TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID (client-id...)]",
    "client|no-evict": "(ON|OFF)",
    "client|setinfo": "(LIB-NAME libname|LIB-VER libver)",
    "client|setname": "connection-name",
    "echo": "message",
    "hello": "[protover [AUTH (username password)] [SETNAME clientname]]",
    "ping": "[message]",
    "select": "index",
    "config|get": "(parameter)...",
    "config|set": "(parameter value)...",
    "debug": "(SLEEP seconds|HELP)",
    "function|flush": _HOW,
    "info": "[section...]",
    "script|flush": _HOW,
    "shutdown": "[NOSAVE|SAVE] [NOW] [FORCE] [ABORT]",
    "cluster|keyslot": "key:string",
    "wait": "numreplicas timeout",
    "cap|conflicts": "keyspace [COUNT count]",
    "cap|digest": "[keyspace...]",
    "cap|explain": "command [arg...]",
    "cap|once": "token command [arg...]",
    "cap|siblings": "key:string",
    "cap|wait": "token [milliseconds]",
    "keyspace|alter": f"keyspace {_SETTINGS}",
    "keyspace|create": f"keyspace MODE cp/ap/ca [REPLICAS count] {_SETTINGS}",
    "keyspace|drop": "keyspace",
    "keyspace|info": "keyspace",
    "keyspace|lead": "keyspace node",
    "lab": "(CUT where|SLOW (where delay)|LOSS (where percent)|HEAL [where]|STATUS|HELP)",
    "command|docs": "[command-name...]",
    "command|getkeys": "command arg...",
    "command|info": "[command-name...]",
    "command|list": "[FILTERBY (MODULE module-name|ACLCAT category|PATTERN pattern)]",
}

_TYPE = re.compile(r":(string|double)\b")


def written(name: str) -> str:
    """Return the arguments of a command for people, without types; empty where it takes none."""
    return _TYPE.sub("", USAGE.get(name, ""))
