"""Which addresses belong to the public internet: the only ones a client may make the gateway call.

Asked of the address a socket is about to be connected to, so that no name, number system, redirect or
second look-up can lead anywhere else.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

NAT64 = IPv6Network("64:ff9b::/96")
"""The prefix behind which an IPv4 address hides (RFC 6052)."""

INSIDE = (IPv4Network("168.63.129.16/32"), IPv6Network("64:ff9b:1::/48"))
"""Public by its number alone: a virtual machine's host at Azure, which tells it secrets
(https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16, read 2026-11-21); and
what a network translates to IPv4 for itself, in ways of its own (RFC 8215)."""


def is_public(address: str) -> bool:
    """Say whether `address` (of a connected socket: digits, no name) is everybody's to call."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        hidden = _hidden(found)
        return is_public(str(hidden)) if hidden is not None else _open(found) and not found.is_site_local
    return _open(found)


def _open(found: IPv4Address | IPv6Address) -> bool:
    inside = any(found in network for network in INSIDE)
    return found.is_global and not (inside or found.is_multicast or found.is_reserved or found.is_unspecified)


def _hidden(found: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address a call to `found` ends at, if it is such a one."""
    if found in NAT64:
        return IPv4Address(int(found) & 0xFFFF_FFFF)
    teredo = found.teredo
    return found.ipv4_mapped or found.sixtofour or (teredo[1] if teredo else None)
