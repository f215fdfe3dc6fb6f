"""Leaderless replication of one shard: batches in causal order, to every replica, by whatever path is left.

Pure; `replica.Leaderless` is the door. Knows nothing of what batches mean, of rows, sockets or files. One concept per
file.
Sources: Ladin, Liskov, Shrira, Ghemawat, "Providing high availability using lazy replication", TOCS 1992; Lloyd et al.,
"Don't settle for eventual", SOSP 2011; PROTOCOLS §5.
"""
