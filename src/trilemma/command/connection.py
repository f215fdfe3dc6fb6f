"""Commands about the connection itself: greeting, proof of identity, the db it has selected.

Texts are Redis 7.0's (networking.c, acl.c, db.c).
"""

import hmac

from trilemma.base.errors import error, register
from trilemma.base.limits import limit
from trilemma.command.arguments import db_index
from trilemma.command.session import SessionPort
from trilemma.resp.number import parse_int64
from trilemma.resp.reply import OK, PONG, MapReply, Reply, Simple
from trilemma.version import REDIS_VERSION

register(
    "wrong_password",
    "WRONGPASS invalid username-password pair or user is disabled.",
    "the password is the option requirepass; a connection on which it was wrong too often is closed",
)
WRONG_PASSWORDS_MAX = limit(
    "wrong_passwords_max",
    10,
    "wrong passwords in a row on one connection",
    "guessing must cost a connection again and again; nobody else's connection is concerned, so nobody is locked out",
    "WRONGPASS, and the connection is closed",
)
register(
    "no_password",
    "ERR AUTH <password> called without any password configured for the default user. "
    "Are you sure your configuration is correct?",
    "set requirepass, or send no AUTH",
)
register("bad_protocol", "NOPROTO unsupported protocol version", "ask for 2 or 3")
register("protocol_integer", "ERR Protocol version is not an integer or out of range", "ask for 2 or 3")
register("hello_syntax", "ERR Syntax error in HELLO option '{option}'", "use AUTH user password, SETNAME name")
register(
    "hello_no_auth",
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> "
    "option can be used to authenticate the client and select the RESP protocol version at the same time",
    "add AUTH user password",
)
register(
    "client_name",
    "ERR Client names cannot contain spaces, newlines or special characters.",
    "use printable ASCII without spaces",
)
register("client_attribute", "ERR {attribute} cannot contain spaces, newlines or special characters.", "as for names")

_PRINTABLE = range(ord("!"), ord("~") + 1)


def ping(port: SessionPort, argv: list[bytes]) -> Reply:
    """PING [message]."""
    if len(argv) > 2:
        raise error("arity", command="ping")
    return argv[1] if len(argv) == 2 else PONG


def echo(port: SessionPort, argv: list[bytes]) -> Reply:
    """ECHO message."""
    return argv[1]


def select(port: SessionPort, argv: list[bytes]) -> Reply:
    """SELECT index."""
    port.client.db = db_index(argv[1])
    return OK


def quit_(port: SessionPort, argv: list[bytes]) -> Reply:
    """QUIT: the connection closes once the reply has left."""
    port.client.closing = True
    return OK


def reset(port: SessionPort, argv: list[bytes]) -> Reply:
    """RESET: as if the connection were new."""
    port.client.reset()
    return Simple(b"RESET")


def _prove(port: SessionPort, user: bytes, password: bytes) -> None:
    """Check a password in constant time. The only user is `default`."""
    wanted = port.config["requirepass"].encode("utf-8", "surrogateescape")
    proven = not wanted or hmac.compare_digest(wanted, password)
    client = port.client
    if user != b"default" or not proven:
        if wanted:  # else there is nothing to guess
            client.wrong_passwords += 1
        if client.wrong_passwords >= WRONG_PASSWORDS_MAX:
            client.close(f"it gave {WRONG_PASSWORDS_MAX} wrong passwords")
        raise error("wrong_password")
    client.authenticated = True
    client.wrong_passwords = 0


def auth(port: SessionPort, argv: list[bytes]) -> Reply:
    """AUTH [user] password."""
    if len(argv) > 3:
        raise error("syntax")
    if len(argv) == 2 and not port.config["requirepass"]:
        raise error("no_password")
    _prove(port, argv[1] if len(argv) == 3 else b"default", argv[-1])
    return OK


def check_name(name: bytes, attribute: str | None = None) -> None:
    """Refuse a client's name, or another of its attributes, that would spoil CLIENT LIST.

    Raises:
        ReplyError: client_name, client_attribute.
    """
    if not all(byte in _PRINTABLE for byte in name):
        raise error("client_name") if attribute is None else error("client_attribute", attribute=attribute)


def hello(port: SessionPort, argv: list[bytes]) -> Reply:
    """HELLO [protocol [AUTH user password] [SETNAME name]]."""
    protocol = None
    if len(argv) > 1:
        protocol = parse_int64(argv[1])
        if protocol is None:
            raise error("protocol_integer")
        if protocol not in (2, 3):
            raise error("bad_protocol")
    _hello_options(port, argv[2:])
    if not port.client.authenticated:
        raise error("hello_no_auth")
    if protocol is not None:
        port.client.protocol = protocol
    return _greeting(port)


def _hello_options(port: SessionPort, words: list[bytes]) -> None:
    """Carry out one option after the other; those before a wrong one stay done, as in Redis."""
    position = 0
    while position < len(words):
        option, left = words[position].upper(), len(words) - position - 1
        if option == b"AUTH" and left >= 2:
            _prove(port, words[position + 1], words[position + 2])
            position += 2
        elif option == b"SETNAME" and left >= 1:
            check_name(words[position + 1])
            port.client.name = words[position + 1]
            position += 1
        else:
            raise error("hello_syntax", option=words[position].decode("utf-8", "surrogateescape"))
        position += 1


def _greeting(port: SessionPort) -> MapReply:
    return MapReply(
        (
            (b"server", b"redis"),
            (b"version", REDIS_VERSION.encode()),
            (b"proto", port.client.protocol),
            (b"id", port.client.id),
            (b"mode", b"standalone"),
            (b"role", b"master"),
            (b"modules", []),
        )
    )


def readonly(port: SessionPort, argv: list[bytes]) -> Reply:
    """READONLY: reads may be answered from what this node has applied, stale perhaps."""
    port.client.readonly = True
    return OK


def readwrite(port: SessionPort, argv: list[bytes]) -> Reply:
    """READWRITE: reads keep the promise of their keyspace again."""
    port.client.readonly = False
    return OK
