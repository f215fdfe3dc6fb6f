"""The text of the page of formats, beside its tables (see formats); versions and bounds as the code has them."""

from trilemma.datatype import operations
from trilemma.datatype.plain import UNITS_PER_ENTRY
from trilemma.runtime import directory, handshake, known_disks
from trilemma.runtime.framing import HANDSHAKE_BYTES_MAX, Kind
from trilemma.storage import segment

INTRO = f"""\
Fixed layouts are big-endian, but for the header of a Raft entry, which is little-endian; u8 to u64 are unsigned. All
else is [msgpack](https://msgpack.org), or JSON in the files that people may read: what is called an *array* holds the
fields in this order and nothing else, its tag first where it has one; a *map* holds them by name. Golden bytes pin
every encoding, in `tests/formats`: fixed values to exact bytes, and back. Versions and fields on this page are read
from the code.

| what has a version | where it stands | now | another one |
|---|---|---|---|
| a log segment | its header | {segment.VERSION} | the node does not start |
| a data directory | `format` of `identity.json` | {directory.FORMAT} | the node does not start |
| the peer protocol | each side's first message | {handshake.PROTOCOL_VERSION} | the connection is refused |
| a session token | its first two letters | 1 | `ERR that is no token of CAP TOKEN` |
"""

SEGMENTS = """\
## Log segments (`DIR/log/NNNNNNNNNNNNNNNN.segment`)
"""

SEGMENTS_RULES = """\
A group is what one turn wrote: it counts whole or not at all. Its checksum covers length, durable offset and records,
and is seeded with the segment's random id (its halves, xor); its magic is of that id too, so that no client can write
a value full of what looks like groups, which a start would have to read one by one behind a torn end. *Durable
offset* is how far the segment was known durable when the group was made. A group without records is a marker: when
the log falls idle after a sync, and when it is closed, one that names the end of all that is durable is written and
synced. A bad group with a good one behind it that names a durable offset beyond it is damage: the node does not start
and names the place. So is a header that cannot be read with anything but zeros behind it. Any other bad end is a torn
tail: it is cut, and a newest segment whose header was torn is made anew, unless `identity.json` knows that something
in it was durable. Another file named `*.segment` is refused by its name. A segment opens with a restatement of every
shard.

Before a start uses what it has read, the newest segment is cut behind it and written anew, as
`NNNNNNNNNNNNNNNN.segment.new`, which is synced and renamed over it: what a failed sync was for still reads back, but
no later sync of that file brings it to the disk. Older segments were synced before the newest was made. What is left
of a start that was cut off there is removed by the next one; where the disk has no room for the copy, the start is
refused.
"""

RECORDS = """\
### Records

`shard` is the keyspace's id times 1,024 and the shard's place in it. `stream`, `index` and `term` are 0 where nothing
is said of them.
"""

ENTRIES = """\
### Raft entries

Encoded once by the leader: the same bytes stand in its log, in AppendEntries and in the followers' logs. Index and
term stand outside, in the record or the message. Behind the header comes the body:
"""

UNITS = """\
A unit is one command of `argv`, or a transaction of `parts` (db, argv) under `watches` (db, key, version); `path`
says whether it goes into the log (0), beside it (1), or is a read that must keep its place in it (2). The body of a
`Forward` is the same array of units; the answer's `replies` is an array with one result per unit: an array of encoded
replies; one encoded error, as bin, for all of it; nil where a watched key had changed; false where it was not
executed and never will be. Words that begin with NUL are between nodes only; CAP ONCE is `\\0ONCE`, the token, and
the command.

In `_system` a unit's first word is a change of the catalogue:
"""

BATCHES = f"""\
### Batches of `ap`

The record's body is the array of stamp (int), what the batch depends on ({{node: sequence}}) and operations (bin);
origin and sequence are `stream` and `index`. A stamp is milliseconds times 65,536 and a counter. The operations are
an array of arrays; one's place in it is its position in the dot (node, sequence, position):

| operation | fields | what it does |
|---|---|---|
| {operations.SET} SET | db, key, value, deadline in ms, resets | replaces all that was seen |
| {operations.DELETE} DELETE | db, key, resets | takes away what was seen |
| {operations.EDIT} EDIT | db, key, value, resets | replaces the value that was seen; deadlines stay |
| {operations.DEADLINE} DEADLINE | db, key, deadline in ms, 0 for ever | replaces the deadlines that were seen |
| {operations.ADD} ADD | db, key, run, total, cleared_seq, cleared | its node's whole new counter entry |
| {operations.FLUSH} FLUSH | db or {operations.ALL_DBS}, array of [db, key, resets] | empties a db, or all |

*Resets* are the counter entries that were seen: arrays of node, run, seq, total. Totals are exact and text: `7`,
`7/2`. The seq of an ADD is the batch's sequence times 2^{operations.POSITION_BITS} and its position.
"""

DIRECTORY = """\
## The directory (`DIR/identity.json`, `DIR/peers.json`)
"""

DIRECTORY_RULES = f"""\
`runs` are the newest {known_disks.RUNS_MAX} as `[start, id]`, the id drawn by the start, the newest last; `crc` is
the CRC-32 of the file with 0 in its place (1 where that is 0). *May have met* is false when a start is counted, and
true before the first handshake; where a start finds it false, its run takes the last one's place in `runs`. *Log
segment* is the newest segment that held something durable: it is written before the first thing there is called so,
and a start that finds this segment missing, blank or without a group is refused.

`peers.json` is `peers` (by node id as text: `disk_id`, the newest `start` of it that is known, and the `run` that
this began) and `crc` (CRC-32 of `peers` as it is written). It is made, without a peer, before the first
`identity.json`: where it is missing beside one, the start is refused. A peer with another disk, with an earlier
start, or among whose runs the known start has another id, or is none although they go back as far (all of them do
while they are fewer than {known_disks.RUNS_MAX}), is refused; what is new of a peer is durable before it is taken.
"""

ROWS = """\
## Rows (RocksDB, raw bytes)

Keys order as bytes the way their fields order. *Place* is db u8, key hash u48, key; the hash is the CRC-32 of the key
and the lower 16 bits of its CRC-32 seeded with 9E3779B9, or 1 where all that is 0.
"""

ROWS_VALUES = f"""\
A version is the index of an entry times {UNITS_PER_ENTRY:,} and the place of the unit in it. What is hashed of a
command is its name in lower case and its arguments, each with its length (u64) before it.

The state of a key on `ap` is an array of three arrays, each sorted: SETs as (node, sequence, position, stamp, value),
deadlines as (node, sequence, position, ms), counter entries as (node, run, seq, total, cleared_seq, cleared).
"""

META = """\
### META rows
"""

PEERS = """\
## Between nodes
"""

PEERS_RULES = f"""\
A body is at most {HANDSHAKE_BYTES_MAX:,} bytes until the peer has proven itself. A connection begins with four
messages of kind {Kind.HANDSHAKE}: Hello of who dials, Challenge, the dialer's Proof, the other's Proof; Refusal in
place of any. The proof is HMAC-SHA256, keyed with the cluster's secret, over `trilemma peer, dialer` or `trilemma
peer, acceptor` and the msgpack array of Hello and Challenge as they were sent; the secret is never sent. `founding`
is the BLAKE2b-128, in hexadecimal, of the JSON array of `default_mode` and the members as sorted pairs. After that
frames are neither encrypted nor authenticated one by one: run nodes on a network that is yours.
"""

FRAMES = """\
### Frames of nodes

A frame of kind 2 is an array. Its beats' echo shows that a link goes both ways; a message whose `target` is another
node is passed on, one hop.
"""

TRANSFER_LABELS = """\
The `label` of an Offer says what the rows reflect: on `cp` and `ca` a map, on `ap` the array that is the `applied`
row. Rows of a Chunk are keys from the kind on, without shard and generation, and values.
"""

TOKENS = """\
## Session tokens (`CAP TOKEN`)

`t1.` and the URL-safe base64 of the msgpack map {shard: {node: sequence}}. What it names is durable.
"""
