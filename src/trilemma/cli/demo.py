"""`trilemma demo`: see client/demo."""


def demo() -> None:
    """Three real nodes, a cut, a crash, and the verdict on what every keyspace promised."""
