"""The only I/O of the store: sockets, log files, RocksDB, clocks, entropy, and the loop that carries out Effects.

Knows nothing of commands or replication: it moves bytes between the world and `node`, and holds what waits for the
disk.
"""
