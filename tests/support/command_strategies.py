"""Random commands that redis-server and a node must answer with the same bytes, a strategy per command of the table."""

from collections.abc import Iterator

from hypothesis import strategies as st

from trilemma.command.redis_names import REDIS_COMMANDS
from trilemma.command.table import TABLE

KEYS = [b"a", b"b", b"c", b"k1", b"{t}x", b"", b"\x00\xff", b"key with space"]
VALUES = [
    b"", b"0", b"1", b"-1", b"10", b"007", b"+5", b" 5", b"9223372036854775807", b"-9223372036854775808",
    b"9223372036854775808", b"3.14", b"-0.1", b"1e3", b"1e400", b"nan", b"inf", b"0x10", b"hello", b"Hello World",
    b"ohmytext", b"mynewtext", b"\x00\x01\xfe", b"x" * 44, b"x" * 45, b"y" * 200, b"\r\n", b"OK",
]  # fmt: skip
NUMBERS = [b"0", b"1", b"-1", b"2", b"5", b"-3", b"100", b"-100", b"x", b"", b"1.5", b"4294967296", *VALUES[8:11]]
FUTURE_S = [b"100", b"5000", b"1000000"]
TIMES = [b"0", b"-1", b"x", b"9223372036854775807", b"-9223372036854775808", b"9223372036854775", b"1.5", *FUTURE_S]

key = st.sampled_from(KEYS)
value = st.sampled_from(VALUES) | st.binary(max_size=12)
number = st.sampled_from(NUMBERS)


def word(text: str) -> st.SearchStrategy[bytes]:
    return st.sampled_from([text.upper().encode(), text.lower().encode(), text.capitalize().encode()])


def command(*parts: st.SearchStrategy[bytes] | str) -> st.SearchStrategy[list[bytes]]:
    return st.tuples(*(word(part) if isinstance(part, str) else part for part in parts)).map(list)


def with_options(
    base: st.SearchStrategy[list[bytes]], options: list[st.SearchStrategy[list[bytes]]], most: int = 3
) -> st.SearchStrategy[list[bytes]]:
    extra = st.lists(st.one_of(options), max_size=most).map(lambda lists: [one for many in lists for one in many])
    return st.tuples(base, extra).map(lambda pair: pair[0] + pair[1])


def one(text: str) -> st.SearchStrategy[list[bytes]]:
    return word(text).map(lambda found: [found])


def timed(text: str, times: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    return st.tuples(word(text), st.sampled_from(times)).map(list)


MS = [one_time + b"000" for one_time in FUTURE_S]
FAR_S, FAR_MS = [b"4000000000"], [b"4000000000000"]
BAD = [b"0", b"-5", b"x", b"9223372036854775807"]
SET_OPTIONS = [
    one("nx"), one("xx"), one("get"), one("keepttl"), timed("ex", FUTURE_S + BAD), timed("px", MS + BAD),
    timed("exat", FAR_S + BAD), timed("pxat", FAR_MS + BAD), one("ex"), one("bogus"), one("persist"),
]  # fmt: skip
EXPIRE_OPTIONS = [one("nx"), one("xx"), one("gt"), one("lt"), one("bogus")]
LCS_OPTIONS = [one("len"), one("idx"), timed("minmatchlen", NUMBERS), one("withmatchlen"), one("minmatchlen")]
COPY_OPTIONS = [one("replace"), timed("db", [b"0", b"1", b"15", b"16", b"-1", b"x", b"99999999999"]), one("db")]

MORE_CLIENTS = ["type foo", "type", "id", "id x", "id -1", "id 99999999999999999999999", "foo"]
KILLS = [
    *MORE_CLIENTS, "1.2.3.4:5", "id 0", "id 99999", "skipme maybe", "addr", "addr 1.2.3.4:5", "laddr 1.2.3.4:5",
    "user nobody", "user", "type pubsub", "type pubsub skipme no", "type pubsub skipme", "id 99999 foo bar",
]  # fmt: skip
LISTS = [*MORE_CLIENTS, "id 0", "id 99999 99998", "id 99999 x", "type pubsub", "type pubsub x"]
CONFIGS = [
    "nonsense 1", "NonSense 1", "nonsense 1 maxclients x", "maxclients x nonsense 1", "nonsense", "a 1 b",
    "maxclients x", "maxclients 1x", "maxclients 0", "MaxClients -1", "maxclients 99999999999",
    "maxclients 99999999999999999999", "timeout x", "timeout -1", "timeout 2147483648", "timeout 0",
    "appendonly x", "protected-mode x", "protected-mode YES", "appendfsync x", "maxmemory-policy foo",
    "maxmemory-policy NOEVICTION", "maxmemory x", "maxmemory -1", "maxmemory 1gbx", "maxmemory 1%", "maxmemory 0",
    "maxmemory 0kb", "proto-max-bulk-len x", "proto-max-bulk-len 0",
    "proto-max-bulk-len 16mb", "proto-max-bulk-len 9223372036854775808", "databases 16", "databases x",
    "enable-debug-command no", "timeout 0 timeout 0", "databases 16 nonsense 1", "nonsense 1 databases 16",
    "timeout 0 maxclients x maxmemory x", "save x", "save 1", "client-output-buffer-limit x", "requirepass",
]  # fmt: skip
GETKEYS = [
    "set", "foo a", "get k", "get k more", "mset a 1 b 2", "mset a 1 b", "ping x", "config get", "copy a b",
    "object encoding k", "object nosuch k", "object|encoding k x", "select 0", "client kill x", "lcs a b", "mget a",
    "del a b c",
]  # fmt: skip
FILTERS = [
    "filterby",
    "filterby foo",
    "filterby foo bar",
    "filterby aclcat read x",
    "filterby module m",
    "filterby aclcat x",
]
WHOLE = [b"1000", b"100000"]
CURSORS = [b"x", b"1x", b" 0", b"18446744073709551616", b"--1"]
"""No cursors: what one other than 0 leads to is each server's own."""
PATTERNS = [
    b"*",
    b"?",
    b"[a-c]",
    b"k*",
    b"*e*",
    b"[^a]",
    b"[b-b]",
    b"k?",
    b"none*",
    b"\\a",
    b"",
    b"{t}*",
    b"?*",
    b"[c-a]",
]
PATTERN_PIECES = [b"*", b"?", b"a", b"k", b"1", b"[a-c]", b"[^k]", b"[", b"]", b"\\", b"-", b"^", b"\xff", b"key", b" "]
pattern = st.sampled_from(PATTERNS) | st.lists(st.sampled_from(PATTERN_PIECES), max_size=6).map(b"".join)
TYPES = [b"string", b"STRING", b"list", b"none", b""]
SCAN_OPTIONS = [
    st.tuples(word("match"), pattern).map(list),
    timed("type", TYPES),
    timed("count", [b"1", b"10"]),
]
"""With a COUNT behind them that takes in all keys, a scan is one page, and begins and ends with cursor 0."""
BAD_SCAN_OPTIONS = [
    *SCAN_OPTIONS,
    timed("count", BAD),
    one("match"),
    one("type"),
    one("bogus"),
    timed("count", NUMBERS),
]
whole_scan = st.tuples(
    with_options(command("scan", st.sampled_from([b"0", b"00", b"+0", b"-0", b""])), SCAN_OPTIONS),
    timed("count", WHOLE),
).map(lambda pair: pair[0] + pair[1])
HELLOS = [
    "2", "3", "3 setname me", "2 SetName you", "3 setname", "2 auth default x", "3 AUTH default x setname me",
    "3 setname me auth default x", "2 auth nobody x", "3 auth nobody x setname me", "3 auth default",
    "3 setname me bogus", "2 setname me setname you", "03", "2.0", "+3", "1", "-2", "9223372036854775808",
]  # fmt: skip
HELLO_WORDS = [b"x", b"4", b"3", b"2", b"setname", b"auth", b"default", b"me", b"a b", b"", b"\n"]


def some(base: str, *rests: str) -> st.SearchStrategy[list[bytes]]:
    """A command, a space between words, with one of several rests."""
    return st.sampled_from([f"{base} {rest}".encode().split(b" ") for rest in rests])


PLAIN = {
    "append": command("append", key, value),
    "decr": command("decr", key),
    "decrby": command("decrby", key, number | value),
    "get": command("get", key),
    "getdel": command("getdel", key),
    "getex": with_options(command("getex", key), SET_OPTIONS, 2),
    "getrange": command("getrange", key, number, number),
    "getset": command("getset", key, value),
    "incr": command("incr", key),
    "incrby": command("incrby", key, number | value),
    "incrbyfloat": command("incrbyfloat", key, number | value),
    "lcs": with_options(command("lcs", key, key), LCS_OPTIONS),
    "mget": st.tuples(word("mget"), st.lists(key, min_size=0, max_size=4)).map(lambda p: [p[0], *p[1]]),
    "mset": st.tuples(word("mset"), st.lists(key | value, max_size=5)).map(lambda p: [p[0], *p[1]]),
    "msetnx": st.tuples(word("msetnx"), st.lists(key | value, max_size=5)).map(lambda p: [p[0], *p[1]]),
    "psetex": command("psetex", key, st.sampled_from(MS + BAD), value),
    "set": with_options(command("set", key, value), SET_OPTIONS),
    "setex": command("setex", key, st.sampled_from(FUTURE_S + BAD), value),
    "setnx": command("setnx", key, value),
    "setrange": command("setrange", key, st.sampled_from([b"0", b"1", b"5", b"-1", b"x", b"536870912"]), value),
    "strlen": command("strlen", key),
    "substr": command("substr", key, number, number),
    "copy": with_options(command("copy", key, key), COPY_OPTIONS, 2),
    "del": st.tuples(word("del"), st.lists(key, max_size=3)).map(lambda p: [p[0], *p[1]]),
    "exists": st.tuples(word("exists"), st.lists(key, max_size=3)).map(lambda p: [p[0], *p[1]]),
    "touch": st.tuples(word("touch"), st.lists(key, max_size=3)).map(lambda p: [p[0], *p[1]]),
    "unlink": st.tuples(word("unlink"), st.lists(key, max_size=3)).map(lambda p: [p[0], *p[1]]),
    "expire": with_options(command("expire", key, st.sampled_from(TIMES)), EXPIRE_OPTIONS, 2),
    "pexpire": with_options(command("pexpire", key, st.sampled_from(MS + BAD)), EXPIRE_OPTIONS, 2),
    "expireat": with_options(command("expireat", key, st.sampled_from(FAR_S + BAD)), EXPIRE_OPTIONS, 2),
    "pexpireat": with_options(command("pexpireat", key, st.sampled_from(FAR_MS + BAD)), EXPIRE_OPTIONS, 2),
    "expiretime": command("expiretime", key),
    "pexpiretime": command("pexpiretime", key),
    "ttl": command("ttl", key),
    "pttl": command("pttl", key),
    "persist": command("persist", key),
    "rename": command("rename", key, key),
    "renamenx": command("renamenx", key, key),
    "type": command("type", key),
    "object|freq": command("object", word("freq"), key),
    "object|idletime": command("object", word("idletime"), key),
    "object|encoding": command("object", word("encoding"), key),
    "object|refcount": command("object", word("refcount"), key),
    "keys": command("keys", pattern),
    "scan": whole_scan | with_options(command("scan", st.sampled_from(CURSORS)), BAD_SCAN_OPTIONS, 2),
    "dbsize": command("dbsize"),
    "randomkey": command("randomkey"),
    "flushdb": with_options(command("flushdb"), [one("async"), one("sync"), one("bogus")], 1),
    "flushall": with_options(command("flushall"), [one("async"), one("sync")], 2),
    "select": command("select", st.sampled_from([b"0", b"0", b"1", b"16", b"-1", b"x"])),
    "multi": command("multi"),
    "exec": command("exec"),
    "discard": command("discard"),
    "watch": st.tuples(word("watch"), st.lists(key, max_size=2)).map(lambda p: [p[0], *p[1]]),
    "unwatch": command("unwatch"),
    "ping": with_options(command("ping"), [value.map(lambda v: [v])], 2),
    "echo": command("echo", value),
    "client|setname": command("client", word("setname"), st.sampled_from([b"me", b"", b"a b", b"\n"])),
    "client|getname": command("client", word("getname")),
    "client|no-evict": command("client", word("no-evict"), st.sampled_from([b"on", b"OFF", b"x"])),
    "client|kill": some("client kill", *KILLS),
    "client|list": some("client list", *LISTS),
    "config|get": some("config get", "nonsense", "maxmemory", "databases", "timeout", "save"),
    "config|set": some("config set", *CONFIGS),
    "config|resetstat": command("config", word("resetstat")),
    "config|rewrite": command("config", word("rewrite")),
    "command|docs": some("command docs", "nosuch", "nosuch|x"),
    "command|getkeys": some("command getkeys", *GETKEYS),
    "command|info": some("command info", "nosuch", "nosuch|x", "nosuch more", "client|nosuch"),
    "command|list": some("command list", "x", "filterby pattern none*", *FILTERS),
    "function|flush": with_options(command("function", word("flush")), [one("async"), one("sync"), one("x")], 2),
    "script|flush": with_options(command("script", word("flush")), [one("async"), one("sync"), one("x")], 2),
    "debug": st.tuples(word("debug"), st.lists(word("sleep") | word("help") | number, max_size=3)).map(
        lambda p: [p[0], *p[1]]
    ),
    "info": some("info", "nosuch"),
    "shutdown": some("shutdown", "x", "abort", "save nosave", "abort now", "nosave x", "abort abort"),
    "wait": command("wait", number, st.sampled_from([b"1", b"x", b"-1"])),
    "auth": st.lists(value, min_size=0, max_size=3).map(lambda words: [b"auth", *words]),
    "hello": some("hello", *HELLOS) | st.lists(st.sampled_from(HELLO_WORDS), max_size=5).map(lambda w: [b"HELLO", *w]),
}

KNOWN = {name.encode() for names in (TABLE, *(text.split() for text in REDIS_COMMANDS.values())) for name in names}
KNOWN |= {b"", b"post", b"host:"}
"""What either server knows: `st.binary` also draws constants out of the modules there are, names of commands too."""
UNKNOWN = st.lists(value, min_size=1, max_size=4).filter(lambda words: words[0].lower() not in KNOWN)
NOT_COMPARED = {
    "client|id": "the number of the connection",
    "client|info": "describes the connection, its number in it",
    "client|setinfo": "not in Redis 7.0",
    "cluster|info": "redis-server has no cluster here and refuses all of CLUSTER",
    "cluster|keyslot": "likewise",
    "command": "the whole table; test_command_info.py compares it",
    "monitor": "shows all that follows; test_monitor_against_redis.py compares it",
    "command|count": "counts the whole table",
    "quit": "ends the connection; a test of its own",
    "readonly": "redis-server has no cluster here",
    "readwrite": "likewise",
    "reset": "resets the protocol; a test of its own",
    "time": "the clock",
}
"""Of these only what is refused is compared (MISUSED). HELP is not: it says what this server has."""

OURS = {"cap", "keyspace", "lab"}


def misused() -> Iterator[list[bytes]]:
    """Every command of both servers with too few and too many arguments, and with subcommands there are none of."""
    for spec in TABLE.values():
        if spec.name in OURS:
            continue
        for one_spec in (spec, *spec.subcommands.values()):
            words = one_spec.name.encode().split(b"|")
            if one_spec.name == "client|setinfo":
                continue
            least = abs(one_spec.arity)
            counts = [*range(len(words), least), *([least + 1, least + 5] if one_spec.arity > 0 else [])]
            yield from ([*words, *[b"1"] * (count - len(words))] for count in counts)
        if spec.subcommands:
            yield from ([spec.name.encode(), *rest] for rest in NO_SUBCOMMANDS)


NO_SUBCOMMANDS = [[b"nosuch"], [b"NoSuch", b"x", b"y"], [b""], [b"\x00"], [b"a\r\nb"], [b"get|x"], [b"x" * 200]]

MISUSED = list(misused())
