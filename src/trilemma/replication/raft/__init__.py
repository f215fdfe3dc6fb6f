"""Raft for one shard: elections, replication, commit, reads, membership, leases, log time; the door is `replica.Raft`.

Knows nothing of what entries mean, of rows, sockets or files. One concept per file.
Sources: Ongaro and Ousterhout, "In search of an understandable consensus algorithm (extended version)", 2014 ("the
paper"); Ongaro, "Consensus: bridging theory and practice", Stanford 2014 ("the thesis"); Moraru, Andersen, Kaminsky,
"Paxos quorum leases", SoCC 2014. The rules that go beyond them: PROTOCOLS §2-§4 (docs/protocols.md).
"""
