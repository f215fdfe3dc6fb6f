"""Commands out of text: a line each, as one types them to redis-cli, or the lines of MONITOR.

Source: https://redis.io/docs/latest/commands/monitor (`1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`).
"""

import re
from collections.abc import Iterable

from trilemma.advise.call import Call, Program
from trilemma.advise.key import Key
from trilemma.command.safety import option_words
from trilemma.command.table import CommandSpec, keys_of, lookup
from trilemma.command.wrapping import WRAPPED_AT
from trilemma.resp.inline import split_arguments

MONITORED = re.compile(rb"^\+?(\d+\.\d+) \[(\d+) ([^\]]+)\] (.*)$")
PROMPT = re.compile(rb"^(?:[\w.-]+:\d+(?:\[\d+\])?(?:\(TX\))?|redis [^>]*)> ?(.*)$")
COMMENTS = (b"#", b"//", b"--")
SHOWN_CHARACTERS_MAX = 80

UNKEYED = frozenset(("multi", "exec", "discard", "unwatch", "ping", "select", "auth", "hello", "wait", "info", "quit"))
"""Commands that name no key; of others that are not in our table, the first argument is one."""

_OTHERS = (
    "bitcount bitfield bitfield_ro bitop bitpos blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin dump "
    "eval eval_ro evalsha fcall geoadd geodist geohash geopos georadius geosearch geosearchstore getbit hdel "
    "hexists hget hgetall hincrby hincrbyfloat hkeys hlen hmget hmset hrandfield hscan hset hsetnx hstrlen hvals "
    "lindex linsert llen lmove lmpop lpop lpos lpush lpushx lrange lrem lset ltrim memory migrate monitor move "
    "pfadd pfcount pfmerge psubscribe publish punsubscribe restore role rpop rpoplpush rpush rpushx sadd save "
    "bgsave scard sdiff sdiffstore setbit sinter sintercard sinterstore sismember slowlog smembers smismember "
    "smove sort sort_ro spop spublish srandmember srem sscan ssubscribe subscribe sunion sunionstore sunsubscribe "
    "swapdb unsubscribe xack xadd xautoclaim xclaim xdel xgroup xinfo xlen xpending xrange xread xreadgroup "
    "xrevrange xtrim zadd zcard zcount zdiff zdiffstore zincrby zinter zinterstore zlexcount zmpop zmscore zpopmax "
    "zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore zrank zrem zremrangebylex zremrangebyrank "
    "zremrangebyscore zrevrange zrevrangebyscore zrevrank zscan zscore zunion zunionstore latency module acl "
    "failover replicaof bgrewriteaof "
)
OTHERS = frozenset(_OTHERS.split())
"""Commands of Redis 7.0 that our table has not. What is neither here nor there is not taken for a command."""


class Reader:
    """Turns lines into calls; remembers which connections are between MULTI and EXEC."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._in_multi: set[str] = set()

    def call(self, argv: list[bytes], place: str, who: str) -> Call | None:
        """Return a command as a call; None where it is none."""
        is_retried = None
        if argv[0].lower() == b"cap" and len(argv) > 2:
            start = WRAPPED_AT.get(f"cap|{_text(argv[1]).lower()}")
            if start is None or len(argv) <= start:
                return Call(place, who, "cap", shown=_shown(argv))
            is_retried = False if start == WRAPPED_AT["cap|once"] else None
            argv = argv[start:]
        name = _text(argv[0]).lower()
        if lookup(argv[0]) is None and name not in OTHERS:
            return None
        keys = _keys(name, argv)
        in_multi = who in self._in_multi
        if name == "multi":
            self._in_multi.add(who)
        elif name in ("exec", "discard", "reset"):
            self._in_multi.discard(who)
        named = tuple(Key.literal(_text(key)) for key in keys)
        return Call(place, who, name, named, option_words(argv[1:]), _shown(argv), in_multi, None, is_retried)

    def line(self, line: bytes, number: int) -> Call | str | None:
        """Return the call on a line, why there is none, or None where nothing is to be said about it."""
        place = f"{self._source}:{number}"
        monitored = MONITORED.match(line)
        if monitored is not None:
            time, db, address, rest = monitored.groups()
            argv = split_arguments(rest)
            who = f"{_text(address)} db {_text(db)}"
            place = f"{_text(time)} {who}"
        else:
            argv, who = split_arguments(line), self._source
        if argv is None:
            return f"{place}: quotes are not closed"
        if not argv:
            return None
        return self.call(argv, place, who) or f"{place}: {_shown(argv)} is no command"


def read_text(text: bytes, source: str) -> Program:
    """Return the commands of a text. Where lines begin with a prompt of redis-cli, all others are replies."""
    lines = text.splitlines()
    has_prompts = any(PROMPT.match(line) for line in lines)
    reader = Reader(source)
    calls: list[Call] = []
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if has_prompts:
            prompted = PROMPT.match(stripped)
            stripped = prompted[1] if prompted is not None else b""
        if not stripped or stripped.startswith(COMMENTS):
            continue
        found = reader.line(stripped, number)
        if isinstance(found, Call):
            calls.append(found)
        elif found is not None:
            problems.append(found)
    return Program(tuple(calls), (), tuple(problems))


def _keys(name: str, argv: list[bytes]) -> list[bytes]:
    spec: CommandSpec | None = lookup(argv[0])
    if spec is not None and spec.subcommands:
        spec = spec.subcommands.get(argv[1].lower()) if len(argv) > 1 else None
    if spec is not None:
        return keys_of(spec, argv)
    return argv[1:2] if name not in UNKEYED else []


def _text(word: bytes) -> str:
    return word.decode("utf-8", "backslashreplace")


def _shown(argv: Iterable[bytes]) -> str:
    return " ".join(map(_text, argv))[:SHOWN_CHARACTERS_MAX]
