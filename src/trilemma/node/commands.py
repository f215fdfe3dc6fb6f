"""The commands that a node drives itself, put together: by name, with what they need of each other.

Owns who drives which command. Does not know what any of them does.
"""

from collections.abc import Callable

from trilemma.command.spec import SessionHandler
from trilemma.node.cap import Cap
from trilemma.node.dispatch import Dispatcher, NodeCommand
from trilemma.node.keyspaces import Keyspaces
from trilemma.node.options import Options
from trilemma.node.server import Server
from trilemma.node.transactions import Transactions
from trilemma.node.waiting import Waiting
from trilemma.node.wholedb import WholeDb
from trilemma.resp.reply import OK
from trilemma.storage.port import Engine


class Commands:
    """One node's dispatcher, and those parts behind it that go on with a command in later turns."""

    def __init__(self, server: Server, options: Options, engine: Engine, has_config_file: Callable[[], bool]) -> None:
        by_name: dict[str, NodeCommand] = {}
        self.dispatcher = Dispatcher(server, by_name)
        self.keyspaces = Keyspaces(server, self.dispatcher)
        self.waiting = Waiting(server, self.dispatcher, options.changeable, has_config_file)
        alone: dict[str, SessionHandler] = {
            "wait": self.waiting.wait_in_multi,
            "config|rewrite": self.waiting.rewrite_in_multi,
            "monitor": server.monitors.refuse_in_multi,
            "unwatch": lambda _port, _argv: OK,
        }
        for part in (
            Transactions(server, self.dispatcher, alone),
            WholeDb(server, self.dispatcher),
            Cap(server, self.dispatcher, self.waiting, engine),
            self.keyspaces,
            self.waiting,
            server.monitors,
        ):
            by_name.update(part.commands())
