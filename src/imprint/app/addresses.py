"""Where the app listens: on this machine alone, unless told otherwise and then with a password."""

import ipaddress
import socket
from typing import NamedTuple

from imprint.errors import InvalidValueError

__all__ = ["Address", "is_loopback", "listening_socket"]


class Address(NamedTuple):
    """Where the app listens.

    Attributes:
        host: a name or an address.
        port: of it; 0 takes any that is free.
    """

    host: str = "127.0.0.1"
    port: int = 7860


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine alone.

    Args:
        host: a name or an address.

    Returns:
        True where all that the name stands for is loopback; False for what stands for nothing.

    Examples:
        >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    addresses = {str(entry[4][0]).partition("%")[0] for entry in found}
    return bool(addresses) and all(ipaddress.ip_address(own).is_loopback for own in addresses)


def listening_socket(address: Address, *, password: str | None) -> socket.socket:
    """Open the socket that the app listens on.

    Args:
        address: where.
        password: that the app asks for; None for none.

    Returns:
        The socket.

    Raises:
        InvalidValueError: for another host than this machine without a password, a host that there
            is not, or a port that is taken or not allowed.

    Examples:
        >>> listening_socket(Address("0.0.0.0"), password=None)
        Traceback (most recent call last):
        imprint.errors.InvalidValueError: host: expected 127.0.0.1 or a password for 0.0.0.0 ...
    """
    host, port = address
    if not 0 <= port <= 65535:
        raise InvalidValueError(f"port: expected 0 … 65535, got {port}")
    if not password and not is_loopback(host):
        ways = "--password-file FILE or the environment variable IMPRINT_PASSWORD"
        expected = f"127.0.0.1 or a password for {host} ({ways})"
        raise InvalidValueError(f"host: expected {expected}, got none")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        expected = f"to be able to listen on {host}:{port}"
        raise InvalidValueError(
            f"port: expected {expected}, got {reason}; --port 0 takes a free one"
        ) from error
