"""What a data command runs on."""

from typing import NamedTuple

from trilemma.datatype.view import View


class DataContext(NamedTuple):
    """One shard's view and the db that the client has selected."""

    view: View
    db: int
