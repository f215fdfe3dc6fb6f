"""The rules of use-safety, in the order of docs/safety.md.

Names of commands that other Redis-speaking servers have and the command table has not stand here too: programs that are
to be moved use them.
"""

from trilemma.command.safety_rule import Gravity, Guard, Pattern, Rule

CP, CA, AP = "cp", "ca", "ap"
ORDERED = (CP, CA)
EVERY = (CP, CA, AP)

LOCK_WORDS = ("lock", "mutex", "lease", "leader", "semaphore")
DEADLINE_OPTIONS = ("EX", "PX", "EXAT", "PXAT")

SET_ONLY_ABSENT = ("setnx", "msetnx")
VALUE_READS = ("get", "mget", "getrange", "substr", "strlen", "exists", "hget", "hgetall")
VALUE_WRITES = ("set", "mset", "getset", "hset", "setrange")
NOT_REPEATABLE = (
    "incr",
    "decr",
    "incrby",
    "decrby",
    "incrbyfloat",
    "append",
    "getdel",
    "getset",
    "rename",
    "renamenx",
    "setnx",
    "msetnx",
    "hincrby",
    "zincrby",
    "lpush",
    "rpush",
    "lpop",
    "rpop",
    "spop",
    "xadd",
)

LOCK_ON_AP = "two sides of a cut, and two replicas at the same moment, each find the key absent and both take the lock"
LOCK_WAY = "keep locks, leases and unique names in a cp keyspace"
LOST_WITH_DEADLINE = (
    "of two clients that read and then write the same session, count or list with a deadline, one update is hidden; a "
    "copy of what is kept elsewhere loses nothing"
)
WITH_DEADLINE_WAY = "give each part a key of its own, count with INCRBY, or keep it in a cp keyspace and WATCH it"
STALE_CACHE = "what was fetched elsewhere may have changed before it is put here, and stays until its deadline"
COMPUTED = "if the value was computed from a GET before"
CACHE_WAY = "keep the deadline short, and delete the key after each change of the source"

RULES = (
    Rule("lock-on-ap", SET_ONLY_ABSENT, (AP,), LOCK_ON_AP, LOCK_WAY),
    Rule("lock-on-ap", ("set",), (AP,), LOCK_ON_AP, LOCK_WAY, options=("NX",)),
    Rule(
        "unique-id-on-ap",
        ("incr", "decr", "incrby", "decrby"),
        (AP,),
        "both sides of a cut count from the same number on, so two requests get the same reply; only the sum comes out "
        "right after healing",
        "draw ids at random (a UUID), or count in a cp keyspace; on ap use the counter as a sum, not its replies",
        Pattern.REPLY_USED,
    ),
    Rule(
        "lost-update",
        VALUE_WRITES,
        ORDERED,
        "what was read may have changed before the write; the write then takes another client's update back",
        "WATCH the key before the read and write between MULTI and EXEC, or use one command for both (INCRBY, APPEND, "
        "SET with GET)",
        Pattern.AFTER,
        without=(*DEADLINE_OPTIONS, "NX"),
        after=VALUE_READS,
        guard=Guard.WATCH,
    ),
    Rule(
        "lost-update-on-ap",
        VALUE_WRITES,
        (AP,),
        "of two clients that read and then write the same key, one update is hidden, and no WATCH sees the other side",
        "use a command whose concurrent effects are both kept (INCRBY), or keep the key in a cp keyspace and WATCH it",
        Pattern.AFTER,
        without=(*DEADLINE_OPTIONS, "NX"),
        after=VALUE_READS,
        suspicion=COMPUTED,
    ),
    Rule(
        "lost-update-with-deadline-on-ap",
        ("setex", "psetex"),
        (AP,),
        LOST_WITH_DEADLINE,
        WITH_DEADLINE_WAY,
        Pattern.AFTER,
        Gravity.HINT,
        after=VALUE_READS,
        suspicion=COMPUTED,
    ),
    Rule(
        "lost-update-with-deadline-on-ap",
        ("set",),
        (AP,),
        LOST_WITH_DEADLINE,
        WITH_DEADLINE_WAY,
        Pattern.AFTER,
        Gravity.HINT,
        any_of=DEADLINE_OPTIONS,
        without=("NX",),
        after=VALUE_READS,
        suspicion=COMPUTED,
    ),
    Rule(
        "stale-cache",
        ("set",),
        EVERY,
        STALE_CACHE,
        CACHE_WAY,
        Pattern.AFTER,
        Gravity.HINT,
        any_of=DEADLINE_OPTIONS,
        after=VALUE_READS,
    ),
    Rule(
        "stale-cache",
        ("setex", "psetex"),
        EVERY,
        STALE_CACHE,
        CACHE_WAY,
        Pattern.AFTER,
        Gravity.HINT,
        after=VALUE_READS,
    ),
    Rule(
        "taken-twice",
        ("del", "unlink"),
        EVERY,
        "between the read and the deletion another client reads the same value: both take it",
        "GETDEL on a cp keyspace",
        Pattern.AFTER,
        Gravity.HINT,
        after=("get",),
        guard=Guard.WATCH,
    ),
    Rule(
        "taken-twice-on-ap",
        ("getset", "getdel", "spop", "lpop", "rpop", "blpop", "brpop", "lmove", "rpoplpush", "zpopmin", "zpopmax"),
        (AP,),
        "replicas that have not heard of each other yet return the same value to two clients",
        "take from a cp keyspace, or make the work on what is taken safe to do twice",
    ),
    Rule(
        "taken-twice-on-ap",
        ("set",),
        (AP,),
        "replicas that have not heard of each other yet return the same old value to two clients",
        "take from a cp keyspace, or make the work on what is taken safe to do twice",
        options=("GET",),
    ),
    Rule(
        "watch-on-ap",
        ("watch",),
        (AP,),
        "WATCH sees the changes that have reached this replica; the other side's come later, when EXEC is long over",
        "keep keys that need WATCH in a cp or ca keyspace",
    ),
    Rule(
        "multi-on-ap",
        ("set", "mset", "incr", "incrby", "decr", "decrby", "append", "del", "getset", "getdel", "expire", "rename"),
        (AP,),
        "a transaction is seen whole or not at all on every replica, but those of two sides are not isolated from each "
        "other: both may be built on the same old values",
        "keep what must be checked and changed together in a cp or ca keyspace",
        Pattern.IN_MULTI,
        Gravity.HINT,
    ),
    Rule(
        "endless-lock",
        SET_ONLY_ABSENT,
        ORDERED,
        "the key has no deadline: if its holder dies, nobody gets the lock until somebody deletes it by hand",
        "SET key token NX PX ms, with a token of the holder's own, and renew it in time",
        key_words=LOCK_WORDS,
    ),
    Rule(
        "endless-lock",
        ("set",),
        ORDERED,
        "the key has no deadline: if its holder dies, nobody gets the lock until somebody deletes it by hand",
        "SET key token NX PX ms, with a token of the holder's own, and renew it in time",
        options=("NX",),
        without=DEADLINE_OPTIONS,
        key_words=LOCK_WORDS,
    ),
    Rule(
        "lock-without-fencing",
        ("set",),
        ORDERED,
        "a holder that stands still for longer than the deadline goes on as if it still held the lock",
        "number the holders with INCR in the same keyspace, pass the number on with every request, and have what is "
        "guarded refuse a smaller number than it has seen",
        gravity=Gravity.HINT,
        options=("NX",),
    ),
    Rule(
        "deadline-apart",
        ("expire", "pexpire", "expireat", "pexpireat"),
        EVERY,
        "if the client dies, or is answered UNCERTAIN, between the two commands, the key stays without a deadline",
        "give the deadline with the write (SET … EX), or send both between MULTI and EXEC",
        Pattern.AFTER,
        after=("set", "setnx", "getset", "incr", "incrby", "append"),
        guard=Guard.MULTI,
    ),
    Rule(
        "deadline-race-on-ap",
        ("expire", "pexpire", "expireat", "pexpireat", "persist"),
        (AP,),
        "of concurrent deadlines none beats any, else the longest holds: a shorter one that the other side set is gone",
        "give the deadline with the value, and let one node set it",
        gravity=Gravity.HINT,
    ),
    Rule(
        "rename-on-ap",
        ("rename", "renamenx", "copy"),
        (AP,),
        "what is copied is the value that this replica shows; what the other side writes to the old name stays there, "
        "and the old name comes back after healing",
        "write the new name as an update of its own, or keep the keys in a cp or ca keyspace",
    ),
    Rule(
        "whole-value-on-ap",
        ("append", "setrange", "setbit", "bitfield"),
        (AP,),
        "the whole value is written: of two concurrent appends, or changes to different parts, one is shown and the "
        "other is hidden, not merged",
        "give each part, each bit or each writer a key of its own, or keep the value in a cp or ca keyspace",
    ),
    Rule(
        "blind-retry",
        NOT_REPEATABLE,
        ORDERED,
        "after UNCERTAIN, or a lost connection, it may have happened: sent again it happens twice",
        "send it as CAP ONCE token …, and repeat it with the same token",
        Pattern.RETRIED,
    ),
    Rule(
        "blind-retry-on-ap",
        NOT_REPEATABLE,
        (AP,),
        "after a lost connection it may have happened: sent again it happens twice, and ap has no CAP ONCE",
        "write what may happen twice (SET of a whole value, a key per request), or keep it in a cp keyspace",
        Pattern.RETRIED,
    ),
    Rule(
        "client-retries",
        NOT_REPEATABLE,
        EVERY,
        "the client library sends a command again by itself when the connection breaks: it may happen twice",
        "turn it off (redis-py: retry=Retry(NoBackoff(), 0)) and retry with CAP ONCE on cp and ca",
        Pattern.CLIENT_RETRIES,
    ),
    Rule(
        "own-side-only-on-ap",
        ("dbsize", "keys", "scan", "randomkey"),
        (AP,),
        "it tells of the keys that this replica has heard of; during a cut those of the other side are missing",
        "do not decide by it what to create or delete; ask a cp keyspace, or after CAP WAIT",
        gravity=Gravity.HINT,
        takes_keys=False,
    ),
    Rule(
        "wait-on-cp",
        ("wait",),
        ORDERED,
        "the write was durable on a majority (ca: on all) before it was answered; WAIT only tells who has it",
        "leave it out",
        gravity=Gravity.HINT,
        takes_keys=False,
    ),
)
"""Every rule, in the order of docs/safety.md."""
