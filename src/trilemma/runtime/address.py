"""Addresses as people write them: `host:port`, an IPv6 host in brackets."""

from ipaddress import IPv6Address, ip_address


class AddressError(ValueError):
    """A text that is no address."""


def split_address(address: str) -> tuple[str, int]:
    """Return the host and the port of a `host:port` text; an IPv6 host stands in brackets. Port 0: any free one.

    Raises:
        AddressError: it is none.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) >= 1 << 16:
        raise AddressError(f"{address!r} is no address of the form host:port")
    return host.strip("[]"), int(port)


def is_loopback(name: object) -> bool:
    """Say whether a socket's address is one of this machine alone; `name`: as the system gives it."""
    if not isinstance(name, tuple):
        return False
    host = ip_address(name[0].partition("%")[0])
    mapped = host.ipv4_mapped if isinstance(host, IPv6Address) else None
    return (mapped or host).is_loopback


def join_address(host: str, port: int) -> str:
    """Return `host:port`, an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
