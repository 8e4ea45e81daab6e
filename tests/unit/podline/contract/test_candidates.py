"""Which candidates a bot may use, and how many."""

import pytest

from podline.contract.candidates import CandidateFilter, may_be_sent_to, why_too_many, why_too_much

PUBLIC = ("8.8.8.8", "2606:4700::1111")
NEARBY = (
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "127.0.0.1",
    "::1",
    "169.254.3.3",
    "fe80::1",
    "fd00::1",
    "fec0::1",
    "100.64.0.1",
    "198.18.0.1",
    "192.0.2.7",
    "2002:a00:1::",  # 6to4 of 10.0.0.1
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "2001:0:4136:e378:8000:63bf:f5ff:fffe",  # Teredo of 10.0.0.1
    "6a0b5e0e-1c7c-4f6a-9d6c-2d6f3c1d1a11.local",
)
NOWHERE = (
    "169.254.169.254",
    "169.254.0.23",
    "169.254.42.42",
    "fd00:42::42",
    "fd00:a9fe:a9fe::1",
    "169.254.170.2",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd20:ce::254",
    "2002:a9fe:a9fe::1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "::ffff:a00:1",
    "::10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "fe80::1%eth0",
    "fe80::1%1",
    "localhost",
    "metadata.google.internal",
    "kubernetes.default.svc.cluster.local",
    "printer.local",
    "2130706433",
    "0177.0.0.1",
    "0x7f000001",
    "127.1",
    "10.0.0.1.",
    "[::1]",
    "",
)


@pytest.mark.parametrize("host", PUBLIC)
def test_a_public_address_is_used(host: str) -> None:
    assert may_be_sent_to(host, refuse_private=True)


@pytest.mark.parametrize("host", NEARBY)
def test_an_address_nearby_is_used_unless_the_operator_refuses_such(host: str) -> None:
    assert may_be_sent_to(host, refuse_private=False)
    assert not may_be_sent_to(host, refuse_private=True)


@pytest.mark.parametrize("host", NOWHERE)
def test_what_no_caller_can_have_is_never_used(host: str) -> None:
    assert not may_be_sent_to(host, refuse_private=False)
    assert not may_be_sent_to(host, refuse_private=True)


def candidate(
    host: str, port: object = 9, *, component: str = "1", protocol: str = "udp", kind: str = "host"
) -> str:
    return f"candidate:1 {component} {protocol} 2122260223 {host} {port} typ {kind} generation 0"


def sdp(*media: list[str], bundle: str = "0") -> str:
    lines = ["v=0", f"a=group:BUNDLE {bundle}"]
    for mid, candidates in enumerate(media):
        lines += ["m=audio 9 UDP/TLS/RTP/SAVPF 111", f"a=mid:{mid}", *(f"a={each}" for each in candidates)]
    return "\r\n".join(lines) + "\r\n"


@pytest.mark.parametrize(
    "line",
    [
        candidate("8.8.8.8", 0),
        candidate("8.8.8.8", 65536),
        candidate("8.8.8.8", "9" * 5000),
        candidate("8.8.8.8", "-1"),
        candidate("8.8.8.8", "\N{ARABIC-INDIC DIGIT NINE}"),
        candidate("8.8.8.8", component="2"),
        candidate("8.8.8.8", protocol="tcp"),
        candidate("8.8.8.8", kind="prflx"),
        "candidate:1 1 udp",
        "candidate:",
    ],
)
def test_what_could_not_be_used_is_left_out_of_an_offer(line: str) -> None:
    chosen = CandidateFilter(refuse_private=False)
    assert chosen.sdp(sdp([line, candidate("8.8.4.4")])) == sdp([candidate("8.8.4.4")])
    assert not chosen.takes(line, "0")


def test_after_a_drop_nobody_says_that_there_are_no_more() -> None:
    """Else ICE gives up before the caller's own packets tell where they come from."""
    chosen = CandidateFilter(refuse_private=True)
    end = "end-of-candidates"
    assert chosen.sdp(sdp([candidate("8.8.8.8"), end])) == sdp([candidate("8.8.8.8"), end])
    assert not chosen.has_dropped
    assert chosen.sdp(sdp([candidate("10.0.0.1"), end])) == sdp([])
    assert chosen.has_dropped


def test_one_connection_uses_so_many_addresses_and_one_it_knows_again() -> None:
    chosen = CandidateFilter(refuse_private=False)
    offered = chosen.sdp(sdp([candidate("8.8.8.8", port) for port in range(1, 16)]))
    assert offered.count("a=candidate") == 15
    assert [chosen.takes(candidate("8.8.8.8", port), "0") for port in range(10, 30)] == [True] * 11 + [
        False
    ] * 9
    assert chosen.takes(candidate("8.8.8.8", 1), "0")

    chosen.begin()
    assert chosen.takes(candidate("8.8.8.8", 99), "0")


def test_media_that_go_by_the_way_of_another_use_up_nothing_and_have_its_candidates() -> None:
    chosen = CandidateFilter(refuse_private=False)
    media = [[candidate("8.8.8.8", 100 * mid + number) for number in range(1, 11)] for mid in range(4)]
    assert chosen.sdp(sdp(*media, bundle="0 1 2 3")) == sdp(*[media[0]] * 4, bundle="0 1 2 3")
    assert not chosen.takes(candidate("8.8.8.8", 999), "2")
    assert chosen.takes(candidate("8.8.8.8", 999), "0")


def test_what_is_refused_to_a_medium_is_refused_to_those_that_go_by_its_way() -> None:
    chosen = CandidateFilter(refuse_private=True)
    offered = sdp([candidate("8.8.8.8"), candidate("10.0.0.1")], [], [candidate("8.8.4.4")], bundle="0 1")
    kept = [candidate("8.8.8.8")]
    assert chosen.sdp(offered) == sdp(kept, kept, [candidate("8.8.4.4")], bundle="0 1")


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\u2028", "\x85", "\x1c"])
def test_a_line_is_one_however_it_ends(end: str) -> None:
    hidden = sdp([candidate("10.0.0.1", port) for port in range(1, 22)]).replace("\r\n", end)
    assert why_too_much(hidden) == "an offer has at most 20 candidates; send the nearest ones"
    assert "a=candidate" not in CandidateFilter(refuse_private=True).sdp(hidden)


def test_what_a_browser_sends_is_not_too_much() -> None:
    each = [
        candidate("8.8.8.8", port, protocol=protocol) for protocol in ("udp", "tcp") for port in range(1, 21)
    ]
    assert why_too_much(sdp(*[each] * 4)) is None
    batch = [
        {"candidate": line, "sdp_mid": str(mid), "sdp_mline_index": mid} for mid in range(4) for line in each
    ]
    assert why_too_many(batch) is None
    assert why_too_many([]) is None


def test_more_than_any_caller_needs_is_too_much() -> None:
    lines = [candidate("8.8.8.8", port) for port in range(1, 22)]
    batch = [{"candidate": line, "sdp_mid": "0", "sdp_mline_index": 0} for line in lines]
    assert why_too_much(sdp(lines)) is not None
    assert why_too_much(sdp(*[[]] * 9)) is not None
    assert why_too_much("v=0\r\n" + "x" * 40_000) is not None
    assert why_too_many(batch) is not None
    assert why_too_many([{"candidate": "", "sdp_mid": str(mid)} for mid in range(9)]) is not None
    assert why_too_many([{}] * 21) is not None
