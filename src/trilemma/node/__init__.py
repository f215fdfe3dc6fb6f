"""The whole server as one pure machine: sessions, routing, forwarding, executing, replies, the node's log.

Inputs in, one Effects value out, once per turn. Knows nothing of sockets, files, threads, clocks.
"""
