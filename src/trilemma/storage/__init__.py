"""The ports of the node's log and of the ordered row engine, their encodings, the overlay, the in-memory twins.

Pure: the real files and RocksDB are in `runtime`. Knows nothing of Redis types, commands or replication rules.
"""
