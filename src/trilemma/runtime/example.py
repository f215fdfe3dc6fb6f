"""A whole configuration file for machines of one's own: n1's of three. docs/configuration.md shows it."""

from typing import Final

EXAMPLE: Final = """\
# /etc/trilemma/node.toml on n1. On n2 and n3 only `name` differs.
name = "n1"
dir = "/var/lib/trilemma"
cluster_id = "shop-production"
secret_file = "/etc/trilemma/secret"   # the same on all; `openssl rand -hex 32` makes one
requirepass = "what clients give with AUTH"
default_mode = "cp"

[[members]]
id = 1
name = "n1"
address = "10.0.0.1:6379"              # clients
peer_address = "10.0.0.1:16379"        # the other nodes

[[members]]
id = 2
name = "n2"
address = "10.0.0.2:6379"
peer_address = "10.0.0.2:16379"

[[members]]
id = 3
name = "n3"
address = "10.0.0.3:6379"
peer_address = "10.0.0.3:16379"
"""
