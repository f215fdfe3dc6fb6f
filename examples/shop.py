"""A few commands of a shop, some of them unsafe where its keyspace is `ap`: both sides of a cut execute them.

Try `trilemma lint examples/shop.py --keyspace shop=ap`, and `--keyspace shop=cp`.
"""

import redis

client = redis.Redis(port=7001)


def sell(item: str, customer: str) -> int:
    """Sell one piece of an item; return the number of the order."""
    if not client.set(f"shop:lock:{item}", customer, nx=True, ex=10):
        raise LookupError(f"{item} is being sold to another")
    left = int(client.get(f"shop:stock:{item}") or 0)
    client.set(f"shop:stock:{item}", left - 1)
    client.incr("shop:sold")
    return int(client.incr("shop:order"))
