"""The Redis protocol: requests in, replies out, Redis' patterns and numbers. Bytes only; no sockets, no commands.

Owns RESP2 and RESP3 as bytes. Does not know what a command means, who is asking, or where bytes come from.
Source: the RESP specification (redis.io/docs/reference/protocol-spec) and the behaviour of redis-server 7.0.15.
"""
