"""Which URLs and which IP addresses may be called; knows no sockets."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from yarl import URL

from orchestra.errors import AddressNotAllowed

MAX_URL = 8192
PORTS = {"http": 80, "https": 443}

# The IANA special-purpose registries, spelled out: `is_global` differs between Python releases.
INSIDE_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # the host agent of a large cloud, on a public number
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
OUTSIDE_6 = IPv6Network("2000::/3")
INSIDE_6 = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
NAT64 = IPv6Network("64:ff9b::/96")

_FORBIDDEN_CHARACTERS = re.compile(r"[\x00-\x20\x7f\\\u0085\u00a0\u2028\u2029]")
_NAME = re.compile(r"[a-z0-9_][a-z0-9._-]{0,252}")
_LEGACY_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Say whether an address is a public unicast one; IPv4 inside IPv6 is judged by the IPv4 part."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in INSIDE_4)
    if address.scope_id is not None:
        return False
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in OUTSIDE_6 and not any(address in network for network in INSIDE_6)


def endpoint(host: str, port: int) -> str:
    """Return how an operator's exception names a host and port: `localhost:11434`, `[::1]:8080`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def check_url(text: str, allow: frozenset[str] = frozenset()) -> URL:
    """Parse a URL and refuse what is wrong by its spelling alone; names are judged once they are resolved.

    The answer is the parse that is used for connecting, so no second parser can read it otherwise.
    Raises AddressNotAllowed: schemes other than http and https, user information, no host, odd characters,
    numeric hosts in legacy spellings, literal addresses that are not public unless `allow` has `host:port`.
    """
    url = _parse(text)
    host, port = host_of(url), url.port
    if port is None or not 0 < port < 65536:
        raise AddressNotAllowed("The URL has no valid port.")
    literal = _literal(host)
    if literal is None:
        if not _NAME.fullmatch(host) or _LEGACY_NUMBER.fullmatch(host.rpartition(".")[2]):
            raise AddressNotAllowed(f"Address not allowed: {host} is not a plain host name or IP address.")
        is_inside = host == "localhost" or host.endswith(".localhost")
    else:
        is_inside = not is_public(literal)
    if is_inside and endpoint(host, port) not in allow:
        raise refusal(host, port)
    return url


def host_of(url: URL) -> str:
    """Return the host as it is compared: lower case, no trailing dot. Raises AddressNotAllowed."""
    host = (url.raw_host or "").lower().rstrip(".")
    if not host:
        raise AddressNotAllowed("The URL names no host.")
    return host


def refusal(host: str, port: int) -> AddressNotAllowed:
    """Return the error for an address that leads inside."""
    return AddressNotAllowed(
        f"Address not allowed: {endpoint(host, port)} leads inside this installation's network."
    )


def _parse(text: str) -> URL:
    text = text.strip(" \t\r\n")
    if len(text) > MAX_URL:
        raise AddressNotAllowed(f"The URL is longer than {MAX_URL} characters.")
    if _FORBIDDEN_CHARACTERS.search(text.partition("?")[0].partition("#")[0]):
        raise AddressNotAllowed("The URL contains spaces, backslashes or control characters.")
    try:
        url = URL(text)
        scheme, authority = url.scheme, url.raw_authority
    except ValueError as error:
        raise AddressNotAllowed("This is not a valid URL.") from error
    if scheme not in PORTS:
        raise AddressNotAllowed("Only http and https URLs are allowed.")
    if "@" in authority or "@" in text.partition("://")[2].partition("/")[0]:
        raise AddressNotAllowed("The URL must not contain a user name or password.")
    return url


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
