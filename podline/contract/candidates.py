"""Limits on a caller's ICE candidates, and the addresses that a bot may send packets to. Pure.

The controller refuses oversized offers before they reach a bot. The bot, which does the sending, drops
forbidden addresses: browsers routinely offer private ones, so these must not fail the call.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

MOST_CANDIDATES: Final = 20
MOST_MEDIA: Final = 8
MOST_SDP_BYTES: Final = 32 * 1024

_CANDIDATE: Final = "a=candidate:"
_END: Final = "a=end-of-candidates"
_MID: Final = "a=mid:"
_BUNDLE: Final = "a=group:BUNDLE "
_KINDS: Final = ("host", "srflx", "relay")
_MDNS: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\.local")
"""The names that browsers use instead of addresses (draft-ietf-mmusic-mdns-ice-candidates): a UUID each."""

Address = IPv4Address | IPv6Address

_NEVER: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "100.100.100.200/32",  # Alibaba's metadata
            "168.63.129.16/32",  # Azure's
            "169.254.0.0/24",  # Tencent's; RFC 3927 reserves it
            "169.254.42.0/24",  # Scaleway's
            "169.254.169.0/24",  # AWS's, Google's, Azure's and most others'
            "169.254.170.0/24",  # AWS's, for containers
            "192.0.0.192/32",  # Oracle's
            "fd00:42::/32",  # Scaleway's over IPv6
            "fd00:a9fe:a9fe::/48",  # Linode's
            "fd00:ec2::/32",  # AWS's
            "fd20:ce::/32",  # Google's
        ),
    )
)
"""Addresses that no caller has: metadata services, which the bot could reach, and "this network"."""

_NOT_PUBLIC: Final = tuple(map(ip_network, ("100.64.0.0/10", "192.88.99.0/24", "198.18.0.0/15", "fec0::/10")))
"""Addresses that some version of Python's `ipaddress` wrongly considers public."""

_NAT64: Final = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))


def why_too_much(sdp: str) -> str | None:
    """Return why an SDP is too large, as a sentence, or None."""
    if len(sdp.encode(errors="surrogatepass")) > MOST_SDP_BYTES:
        return f"an SDP has at most {MOST_SDP_BYTES} bytes"
    _, *media = _sections(sdp)
    if len(media) > MOST_MEDIA:
        return f"an SDP has at most {MOST_MEDIA} m= lines"
    for lines in media:
        if sum(not _is_tcp(_value(line)) for line in lines if _is_candidate(line)) > MOST_CANDIDATES:
            return f"an offer has at most {MOST_CANDIDATES} candidates; send the nearest ones"
    return None


def why_too_many(candidates: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the same for candidates sent after their offer. Browsers send those of all media together."""
    by_media = Counter(
        (str(each.get("sdp_mid")), str(each.get("sdp_mline_index")))
        for each in candidates
        if not _is_tcp(str(each.get("candidate")))
    )
    if len(by_media) > MOST_MEDIA or max(by_media.values(), default=0) > MOST_CANDIDATES:
        return f"there are at most {MOST_CANDIDATES} candidates for each of at most {MOST_MEDIA} media"
    return None


class CandidateFilter:
    """Passes the candidates that one connection may use: a limited number of allowed addresses.

    Attributes:
        has_dropped: True if others were dropped. Then there may be more, because the caller's own packets
            still show where they come from.
    """

    def __init__(self, *, refuse_private: bool) -> None:
        """`refuse_private` also refuses every address that is not public: private, link-local, loopback."""
        self._refuse_private = refuse_private
        self._used: set[tuple[str, str]] = set()
        self._bundled: frozenset[str] = frozenset()
        self.has_dropped = False

    def begin(self) -> None:
        """Forget the candidates of the previous connection."""
        self._used.clear()
        self.has_dropped = False

    def sdp(self, sdp: str) -> str:
        """Return an offer's SDP without the candidates that must not be used.

        Bundled media get the candidates of the medium they are bundled into: browsers list them only there,
        and if media share a transport from the start, aiortc uses those of the last one.
        """
        sections = list(_sections(sdp))
        leader, self._bundled = _bundle(sections)
        kept = [[line for line in lines if self._keeps(line, _mids(lines))] for lines in sections]
        if sum(map(len, kept)) < sum(map(len, sections)):
            self.has_dropped = True
            kept = [[line for line in lines if line != _END] for lines in kept]
        shared = [line for lines in kept if leader & _mids(lines) for line in lines if _is_candidate(line)]
        return "".join(
            f"{line}\r\n"
            for lines in kept
            for line in (*lines, *(shared if self._bundled & _mids(lines) else ()))
        )

    def takes(self, candidate: str, mid: object) -> bool:
        """Return whether a candidate that was sent after its offer may be used."""
        is_taken = mid not in self._bundled and self._takes(candidate)
        self.has_dropped |= not is_taken
        return is_taken

    def _keeps(self, line: str, mids: frozenset[str]) -> bool:
        return not _is_candidate(line) or (not self._bundled & mids and self._takes(_value(line)))

    def _takes(self, candidate: str) -> bool:
        address = _sent_to(candidate, refuse_private=self._refuse_private)
        if address is None or (address not in self._used and len(self._used) >= MOST_CANDIDATES):
            return False
        self._used.add(address)
        return True


def may_be_sent_to(host: str, *, refuse_private: bool) -> bool:
    """Return whether a bot may send packets to the address of a candidate.

    It must be spelled as an address: a name would be looked up from inside the cluster, and spellings that
    only the C library accepts (`0177.0.0.1`, `2130706433`) would bypass this check.
    """
    if _MDNS.fullmatch(host):
        return not refuse_private
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False
    return all(_is_allowed(each, refuse_private=refuse_private) for each in (address, *_within(address)))


def _is_allowed(address: Address, *, refuse_private: bool) -> bool:
    if any(address in network for network in _NEVER) or address.is_multicast or address.is_unspecified:
        return False
    if address.is_loopback or address.is_link_local:
        return not refuse_private
    if address.is_reserved:
        return False
    if not refuse_private:
        return True
    return address.is_global and not any(address in network for network in _NOT_PUBLIC)


def _within(address: Address) -> Iterator[IPv4Address]:
    """Return the IPv4 addresses that packets to an IPv6 address may reach."""
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if any(address in network for network in _NAT64):
        yield IPv4Address(address.packed[12:])


def _sent_to(candidate: str, *, refuse_private: bool) -> tuple[str, str] | None:
    """Return address and port of a candidate that may be used; None if it may not, or can't be read.

    Only UDP and one component are supported: RTP and RTCP share a port.
    """
    bits = candidate.split()
    if len(bits) < 8 or bits[1] != "1" or bits[2].lower() != "udp" or bits[7] not in _KINDS:
        return None
    host, port = bits[4], bits[5]
    is_port = port.isascii() and port.isdecimal() and 0 < int(port[:6]) <= 65535
    return (host, port) if is_port and may_be_sent_to(host, refuse_private=refuse_private) else None


def _sections(sdp: str) -> Iterator[list[str]]:
    """Return the lines before the first m= line, then each medium with its lines, as aiortc splits them."""
    lines: list[str] = []
    for line in sdp.splitlines():
        if line.startswith("m="):
            yield lines
            lines = []
        lines.append(line)
    yield lines


def _bundle(sections: list[list[str]]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the medium others are bundled into, and those others, whose own candidates are never used."""
    groups = [line for line in sections[0] if line.startswith(_BUNDLE)]
    mids = groups[0].removeprefix(_BUNDLE).split() if groups else []
    return frozenset(mids[:1]), frozenset(mids[1:])


def _mids(lines: list[str]) -> frozenset[str]:
    return frozenset(line.removeprefix(_MID) for line in lines if line.startswith(_MID))


def _is_candidate(line: str) -> bool:
    return line.startswith(_CANDIDATE)


def _value(line: str) -> str:
    return line.removeprefix("a=")


def _is_tcp(candidate: str) -> bool:
    """Return whether a candidate uses TCP: browsers offer one with each UDP candidate, but no bot uses it."""
    return candidate.split()[2:3] in (["tcp"], ["TCP"])
