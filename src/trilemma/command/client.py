"""CLIENT: who is connected to this node. Texts are Redis 7.0's (networking.c); SETINFO is of 7.2."""

from collections.abc import Callable

from trilemma.base.errors import error, register
from trilemma.base.time import US_PER_S
from trilemma.command.connection import check_name
from trilemma.command.session import ClientState, SessionPort
from trilemma.resp.number import parse_int64
from trilemma.resp.reply import OK, Reply, Verbatim

register("no_such_client", "ERR No such client", "CLIENT LIST shows addresses")
register("client_type", "ERR Unknown client type '{kind}'", "use normal, master, replica or pubsub")
register("client_id", "ERR Invalid client ID", "ids are positive integers")
register("client_kill_id", "ERR client-id should be greater than 0", "ids are positive integers")
register("no_such_user", "ERR No such user '{user}'", "the only user is default")
register("client_option", "ERR Unrecognized option '{option}'", "use LIB-NAME or LIB-VER")

_TYPES = (b"NORMAL", b"MASTER", b"REPLICA", b"SLAVE", b"PUBSUB")


def _line(port: SessionPort, client: ClientState) -> bytes:
    age_s = (port.mono_us - client.created_us) // US_PER_S
    idle_s = (port.mono_us - client.active_us) // US_PER_S
    marks = ((client.is_monitoring, "O"), (client.queued >= 0, "x"), (client.readonly, "r"), (client.no_evict, "e"))
    flags = "".join(mark for holds, mark in marks if holds)
    text = (
        f"id={client.id} addr={client.address} laddr={client.local_address} fd=0 "
        f"name={client.name.decode('ascii', 'replace')} age={age_s} idle={idle_s} flags={flags or 'N'} "
        f"db={client.db} sub=0 psub=0 ssub=0 multi={client.queued} qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 "
        f"rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd={client.last_command or 'NULL'} user=default "
        f"redir=-1 resp={client.protocol} lib-name={client.library_name.decode('ascii', 'replace')} "
        f"lib-ver={client.library_version.decode('ascii', 'replace')}\n"
    )
    return text.encode()


def client_id(port: SessionPort, argv: list[bytes]) -> Reply:
    """CLIENT ID."""
    return port.client.id


def client_info(port: SessionPort, argv: list[bytes]) -> Reply:
    """CLIENT INFO."""
    return Verbatim(_line(port, port.client))


def client_list(port: SessionPort, argv: list[bytes]) -> Reply:
    """CLIENT LIST [TYPE type] [ID id ...]."""
    clients = list(port.clients)
    if len(argv) == 4 and argv[2].upper() == b"TYPE":
        if argv[3].upper() not in _TYPES:
            raise error("client_type", kind=argv[3].decode("utf-8", "surrogateescape"))
        clients = clients if argv[3].upper() == b"NORMAL" else []
    elif len(argv) > 3 and argv[2].upper() == b"ID":
        wanted = [_id(word) for word in argv[3:]]
        by_id = {client.id: client for client in clients}
        clients = [by_id[number] for number in wanted if number in by_id]
    elif len(argv) != 2:
        raise error("syntax")
    return Verbatim(b"".join(_line(port, client) for client in clients))


def _id(word: bytes) -> int:
    number = parse_int64(word)
    if number is None:
        raise error("client_id")
    return number


def client_setname(port: SessionPort, argv: list[bytes]) -> Reply:
    """CLIENT SETNAME name."""
    check_name(argv[2])
    port.client.name = argv[2]
    return OK


def client_getname(port: SessionPort, argv: list[bytes]) -> Reply:
    """CLIENT GETNAME."""
    return port.client.name or None


def client_setinfo(port: SessionPort, argv: list[bytes]) -> Reply:
    """CLIENT SETINFO LIB-NAME|LIB-VER value."""
    option = argv[2].upper()
    if option not in (b"LIB-NAME", b"LIB-VER"):
        raise error("client_option", option=argv[2].decode("utf-8", "surrogateescape"))
    check_name(argv[3], argv[2].decode().lower())
    if option == b"LIB-NAME":
        port.client.library_name = argv[3]
    else:
        port.client.library_version = argv[3]
    return OK


def client_no_evict(port: SessionPort, argv: list[bytes]) -> Reply:
    """CLIENT NO-EVICT ON|OFF."""
    word = argv[2].upper()
    if word not in (b"ON", b"OFF"):
        raise error("syntax")
    port.client.no_evict = word == b"ON"
    return OK


def client_kill(port: SessionPort, argv: list[bytes]) -> Reply:
    """CLIENT KILL address, or CLIENT KILL [ID id] [ADDR a] [LADDR a] [TYPE t] [USER u] [SKIPME yes|no]."""
    if len(argv) == 3:
        return _kill_address(port, argv[2])
    tests, skip_me = _kill_filters(argv[2:])
    killed = 0
    for client in port.clients:
        if (skip_me and client.id == port.client.id) or not all(test(client) for test in tests):
            continue
        client.close()
        killed += 1
    return killed


def _kill_address(port: SessionPort, address: bytes) -> Reply:
    for client in port.clients:
        if client.address.encode() == address:
            client.close()
            return OK
    raise error("no_such_client")


def _kill_filters(words: list[bytes]) -> tuple[list[Callable[[ClientState], bool]], bool]:
    if len(words) % 2:
        raise error("syntax")
    tests: list[Callable[[ClientState], bool]] = []
    skip_me = True
    for word, value in zip(words[::2], words[1::2], strict=True):
        option = word.upper()
        if option == b"SKIPME" and value.upper() in (b"YES", b"NO"):
            skip_me = value.upper() == b"YES"
        else:
            tests.append(_kill_test(option, value))
    return tests, skip_me


def _kill_test(option: bytes, value: bytes) -> Callable[[ClientState], bool]:
    text = value.decode("utf-8", "surrogateescape")
    if option == b"ID":
        number = parse_int64(value)
        if number is None or number < 1:
            raise error("client_kill_id")
        return lambda client: client.id == number
    if option == b"ADDR":
        return lambda client: client.address == text
    if option == b"LADDR":
        return lambda client: client.local_address == text
    if option == b"TYPE":
        if value.upper() not in _TYPES:
            raise error("client_type", kind=text)
        return lambda _: value.upper() == b"NORMAL"
    if option == b"USER":
        if value != b"default":
            raise error("no_such_user", user=text)
        return lambda _: True
    raise error("syntax")
