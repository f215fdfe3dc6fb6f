"""The commands: a table of what each one is (`table`), and what each one does, a file per group.

Data commands run against a view, wherever the shard's executor is; session commands run where the client is connected;
commands with neither are driven by the node. Knows nothing of nodes, replication or sockets.
"""
