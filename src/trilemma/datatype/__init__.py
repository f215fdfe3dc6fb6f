"""Redis types as rows: what each command means, written once against a view.

`view` is the contract; `plain` is the view of `cp` and `ca` shards, `causal` that of `ap` shards.
Knows nothing of RESP, argument syntax, replication or nodes.
"""
