"""The key specs of COMMAND INFO: where a command's keys are and what it does to them. Keyed by name, as Redis 7.0's.

Access is RO, RW, OW (overwritten unread) or RM (removed unread); the words after it say what becomes of the value:
access (returned or copied), update, insert, delete. With variable_flags, options decide.
"""

from trilemma.command.spec import CommandSpec
from trilemma.resp.reply import MapReply, Reply, SetReply, Simple

FLAGS: dict[tuple[str, ...], str] = {
    ("RO",): "exists object|encoding object|freq object|idletime object|refcount strlen touch type watch",
    ("RO access",): "expiretime get getrange lcs mget pexpiretime pttl substr ttl",
    ("RW insert",): "append",
    ("RW update",): "expire expireat persist pexpire pexpireat setrange",
    ("RW access update",): "decr decrby getex getset incr incrby incrbyfloat",
    ("RW access update variable_flags",): "set",
    ("RW access delete",): "getdel",
    ("OW update",): "mset psetex setex",
    ("OW insert",): "msetnx setnx",
    ("RM delete",): "del unlink",
    ("RO access", "OW update"): "copy",
    ("RW access delete", "OW update"): "rename",
    ("RW access delete", "OW insert"): "renamenx",
}
"""The commands by the flags of their specs. One spec covers all keys; of two, each covers one key."""

NOTES = {
    "getex": "RW and UPDATE because it changes the TTL",
    "set": "RW and ACCESS due to the optional `GET` argument",
}

_BY_NAME = {name: flags for flags, names in FLAGS.items() for name in names.split()}


def key_specs(spec: CommandSpec) -> list[Reply]:
    """Return the key specs of a command as COMMAND INFO shows them; none where it has no keys."""
    keys = spec.keys
    if keys.first == 0:
        return []
    flags = _BY_NAME[spec.name]
    if len(flags) > 1:
        return [_key_spec(spec.name, words, keys.first + offset, 0, 1) for offset, words in enumerate(flags)]
    last = keys.last - keys.first if keys.last > 0 else keys.last
    return [_key_spec(spec.name, flags[0], keys.first, last, keys.step)]


def _key_spec(name: str, words: str, first: int, last: int, step: int) -> Reply:
    flags = SetReply(tuple(Simple(word.encode()) for word in words.split()))
    begin: Reply = {b"type": b"index", b"spec": {b"index": first}}
    find: Reply = {b"type": b"range", b"spec": {b"lastkey": last, b"keystep": step, b"limit": 0}}
    notes = ((b"notes", NOTES[name].encode()),) if name in NOTES else ()
    return MapReply((*notes, (b"flags", flags), (b"begin_search", begin), (b"find_keys", find)))
